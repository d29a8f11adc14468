#pragma once

#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/pairs.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// A sample whose rows have weights of order 1 at most, and the results required per row.
template <class T>
struct WeightedSample {
  MatrixView<T> rows;
  const double* weights;
  // within[o*n + i] = sum_j w_j k_o(x_i, x_j), and between[o*n + i] is the same sum over the other
  // sample. Both are null, or neither is.
  double* within = nullptr;
  double* between = nullptr;
  // gradient[(o*n + i)*d + k] is the derivative of the value of output o with respect to x_ik. It
  // may be null.
  T* gradient = nullptr;
};

// Like pair_sums, but weight each pair by the product of its row weights, and fill the results that
// the samples require. All results have the same pairs. With the three counts, the values are
//   values[o] = out[3*o] / counts[0] + out[3*o + 1] / counts[1] - 2 out[3*o + 2] / counts[2],
// which is MMD^2 if the counts are the sums of 1 over the weighted pairs. They may be null.
// log_slopes, unless null, gets the sums of t f'(t) as `out` has those of the kernel f(t) of the
// squared or L1 distance t. Kernels of dot products have no log-slopes.
//
// A linear kernel with an origin o is x.y - |o|^2, and for Pairs::all (x - o).(y - o). Its MMD^2 is
// that of x.y. The values do not lose digits far from 0, as the sums may.
template <class T>
bool weighted_sums(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* counts,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* values, double* log_slopes, const Options& options = {},
                   Pairs pairs = Pairs::distinct);

// Like weighted_sums, but for a stack of `items` pairs of samples. x and y hold the items one after
// the other, with equally many rows each, and must not be quantised. All results have one more
// dimension in front. counts: items x 3. scales, unless null, holds a factor for the rows of each
// item.
template <class T>
bool weighted_sums(std::int64_t items, const WeightedSample<T>& x, const WeightedSample<T>& y,
                   const double* counts, const double* scales,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* values, const Options& options = {}, Pairs pairs = Pairs::distinct);

}  // namespace fastdiv
