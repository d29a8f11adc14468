// Samples, kernels and kernel values of single pairs, for the programs that compare sums with them.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include <fastdiv/fastdiv.hpp>

#include "harness.hpp"
#include "isa/isa.hpp"
#include "threads.hpp"

using fastdiv::Base;
using fastdiv::KernelGroup;
using fastdiv::MatrixView;
using std::ptrdiff_t;

template <class T>
void check_close(const std::vector<double>& got, const std::vector<double>& expected,
                 const std::vector<double>& bound, const char* what) {
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool close = std::abs(got[i] - expected[i]) <= tolerance * bound[i];
    check(close, what);
    if (!close) {
      std::printf("  entry %zu: %.17g, expected %.17g\n", i, got[i], expected[i]);
    }
  }
}

template <class T>
struct Sample {
  std::vector<T> values;
  MatrixView<T> view;

  Sample(ptrdiff_t rows, ptrdiff_t cols, unsigned seed, double shift = 0, double spread = 0)
      : values(static_cast<std::size_t>(rows * cols)), view{values.data(), rows, cols, cols, 1} {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0.2, 1 / std::sqrt(static_cast<double>(cols)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto cluster = static_cast<double>(static_cast<ptrdiff_t>(i) / cols % 3);
      values[i] = static_cast<T>(normal(random) + shift + spread * cluster);
    }
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
};

// The thread sanitizer looks for races, and small samples are computed on one thread.
#ifdef __SANITIZE_THREAD__
constexpr bool seeks_races = true;
#else
constexpr bool seeks_races = false;
#endif

// Calls visit(x, y) for two samples of sizes around every edge of a tile, with few and many
// features.
template <class T, class Visit>
void for_each_size(const Visit& visit) {
  // Tiles have 48 and 144 rows: 145 rows cross both edges.
  const std::vector<std::pair<ptrdiff_t, ptrdiff_t>> few = {{1, 2}, {48, 5}, {145, 7}};
  std::vector<std::pair<ptrdiff_t, ptrdiff_t>> all = {{1, 1}, {2, 47}, {49, 144}};
  all.insert(all.end(), few.begin(), few.end());
  for (const ptrdiff_t dim : {17, 1, 3, 65}) {
    if ((few_sizes || seeks_races) && dim != 17) {
      break;
    }
    for (const auto& [n, m] : few_sizes ? few : all) {
      visit(Sample<T>(n, dim, 1).view, Sample<T>(m, dim, 2).view);
    }
  }
}

// Calls visit(x, y) for two samples of three blocks of features, the last one ragged. Bounded
// kernels vanish there.
template <class T, class Visit>
void for_wide_samples(const Visit& visit) {
  visit(Sample<T>(5, 1027, 1).view, Sample<T>(2, 1027, 2).view);
}

// Calls visit(x, y) for two samples that are worth several threads.
template <class T, class Visit>
void for_large_samples(const Visit& visit) {
  visit(Sample<T>(few_sizes ? 49 : 301, 64, 3).view, Sample<T>(few_sizes ? 5 : 203, 64, 4).view);
}

// Calls visit(x, y) for tight clusters far apart, near the origin and far from it. Squared
// distances from norms and products would not be accurate there.
template <class T, class Visit>
void for_tight_clusters(const Visit& visit) {
  for (const ptrdiff_t dim : {2, 33}) {
    for (const double shift : {0.0, 1e6}) {
      const double spread = sizeof(T) == 4 ? 1e3 : 1e7;
      const ptrdiff_t n = few_sizes ? 145 : 290, m = few_sizes ? 49 : 151;
      visit(Sample<T>(n, dim, 5, shift, spread).view, Sample<T>(m, dim, 6, shift, spread).view);
    }
  }
}

inline int n_kernels() {
  return fastdiv::isa().f32.n_kernels;
}

// Returns all kernels of the level with one output each. Those of a base are in one group.
inline std::vector<KernelGroup> all_kernels(ptrdiff_t dim, bool scaled) {
  std::vector<KernelGroup> groups;
  for (const Base base : {Base::sqdist, Base::l1, Base::dot}) {
    KernelGroup group;
    group.base = base;
    for (ptrdiff_t k = 0; scaled && k < dim; ++k) {
      group.scale.push_back(0.5 + 0.3 * static_cast<double>(k % 4));
    }
    const auto& ops = fastdiv::isa().f32;
    for (int k = 0; k < n_kernels(); ++k) {
      if (ops.kernels[k].base == base) {
        std::vector<double> params = {scaled ? 2.0 : 1.0, 0.7, 0.9};
        params.resize(static_cast<std::size_t>(ops.kernels[k].n_params));
        group.terms.push_back({ops.kernels[k].name, params, k % 2 == 0 ? 1.0 : -0.25, k});
      }
    }
    groups.push_back(group);
  }
  return groups;
}

inline std::vector<KernelGroup> one_kernel(const char* name, Base base,
                                           std::vector<double> params) {
  KernelGroup group;
  group.base = base;
  group.terms = {{name, std::move(params), 1.0, 0}};
  return {group};
}

// Kernel values [output][i][j], each computed alone.
template <class T>
class Matrix {
 public:
  Matrix(const MatrixView<T>& x, const MatrixView<T>& y, const std::vector<KernelGroup>& groups,
         int n_outputs)
      : rows_(x.rows), cols_(y.rows) {
    const auto size = static_cast<std::size_t>(n_outputs * cols_);
    fastdiv::Options alone;
    alone.n_threads = 1;
    for (ptrdiff_t i = 0; i < rows_; ++i) {
      const MatrixView<T> row{x.data + i * x.row_stride, cols_, x.cols, 0, x.col_stride};
      values_.emplace_back(size);
      fastdiv::paired_values<T>(row, y, groups, n_outputs, values_.back().data(), alone);
    }
  }
  double operator()(int output, ptrdiff_t i, ptrdiff_t j) const {
    return values_[static_cast<std::size_t>(i)][static_cast<std::size_t>(output * cols_ + j)];
  }
  // Sums the values, or their magnitudes, over the pairs of rows [first, last) and all columns that
  // count.
  template <class Counts>
  double sum(int output, bool magnitudes, ptrdiff_t first, ptrdiff_t last,
             const Counts& counts) const {
    double total = 0;
    for (ptrdiff_t i = first; i < last; ++i) {
      for (ptrdiff_t j = 0; j < cols_; ++j) {
        const double value = (*this)(output, i, j);
        total += counts(i, j) ? (magnitudes ? std::abs(value) : value) : 0;
      }
    }
    return total;
  }
  template <class Counts>
  double sum(int output, bool magnitudes, const Counts& counts) const {
    return sum(output, magnitudes, 0, rows_, counts);
  }

 private:
  ptrdiff_t rows_, cols_;
  std::vector<std::vector<double>> values_;
};

// Two samples and their kernel values.
template <class T>
struct Pairs {
  Pairs(const MatrixView<T>& x_, const MatrixView<T>& y_, const std::vector<KernelGroup>& groups_,
        int n_outputs_)
      : x(x_),
        y(y_),
        groups(groups_),
        n_outputs(n_outputs_),
        xx(x, x, groups, n_outputs),
        yy(y, y, groups, n_outputs),
        xy(x, y, groups, n_outputs) {}

  MatrixView<T> x, y;
  std::vector<KernelGroup> groups;
  int n_outputs;
  Matrix<T> xx, yy, xy;
};

// Returns two samples and their values of all kernels.
template <class T>
Pairs<T> all_pairs(const MatrixView<T>& x, const MatrixView<T>& y, bool scaled) {
  return {x, y, all_kernels(x.cols, scaled), n_kernels()};
}
