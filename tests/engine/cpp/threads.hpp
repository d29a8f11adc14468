// Computes on several numbers of threads, for all test programs.

#pragma once

#include <cstring>
#include <limits>
#include <vector>

#include <fastdiv/threads.hpp>

#include "harness.hpp"

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

constexpr int thread_counts[] = {1, 2, 5};

// Runs compute(options, out) on several numbers of threads, which must give the same bits.
template <class Compute>
std::vector<double> with_threads(std::size_t size, const Compute& compute) {
  std::vector<double> first;
  for (const int threads : thread_counts) {
    if (few_sizes && threads != 2) {
      continue;  // new teams of threads take emulators long
    }
    std::vector<double> out(size, std::numeric_limits<double>::quiet_NaN());
    fastdiv::Options options;
    options.n_threads = threads;
    check(compute(options, out.data()), "the call finishes");
    if (first.empty()) {
      first = out;
    }
    check(same_bits(first, out), "the same bits for any number of threads");
  }
  return first;
}
