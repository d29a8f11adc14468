#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.hpp"
#include "core/workers.hpp"

namespace fastdiv {

// Sums of integers that every thread keeps for itself. A thread clears its sums when it first adds
// to them, and ranges of them are added up by all threads: neither takes longer with more threads.
template <class T>
class ThreadSums {
 public:
  ThreadSums(int threads, std::size_t n)
      : size_(static_cast<std::int64_t>(n)),
        sums_(buffers<T>(threads, n)),
        begun_(static_cast<std::size_t>(threads)) {}

  // Returns the sums of the thread that calls.
  T* of(int thread) {
    const auto at = static_cast<std::size_t>(thread);
    if (!begun_[at]) {
      std::fill(sums_[at].data(), sums_[at].data() + size_, T{0});
      begun_[at] = 1;
    }
    return sums_[at].data();
  }

  // Sets `total` to the sums over all threads, which begin again. Integers have the same sum in any
  // order. Returns false when the hook stopped the call.
  bool move_to(Workers& workers, std::vector<T>& total) {
    constexpr std::int64_t step = 1 << 12;
    total.resize(static_cast<std::size_t>(size_));
    const auto add_up = [&](std::int64_t unit, int) {
      const std::int64_t first = unit * step;
      const std::int64_t end = std::min(size_, first + step);
      std::fill(total.begin() + first, total.begin() + end, T{0});
      for (std::size_t t = 0; t < sums_.size(); ++t) {
        for (std::int64_t i = first; begun_[t] && i < end; ++i) {
          total[static_cast<std::size_t>(i)] += sums_[t].data()[i];
        }
      }
    };
    const double work = static_cast<double>(size_) * static_cast<double>(sums_.size());
    const bool finished = workers.for_each((size_ + step - 1) / step, 0, add_up, work);
    std::fill(begun_.begin(), begun_.end(), char{0});
    return finished;
  }

 private:
  std::int64_t size_;
  std::vector<Buffer<T>> sums_;
  std::vector<char> begun_;  // threads that have cleared their sums
};

}  // namespace fastdiv
