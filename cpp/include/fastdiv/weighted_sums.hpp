#pragma once

#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// A sample whose rows have weights of order 1 at most, and the results required per row.
template <class T>
struct WeightedSample {
  MatrixView<T> rows;
  const double* weights;
  // within[o*n + i] = sum_{j != i} w_j k_o(x_i, x_j), and between[o*n + i] is the same sum over the
  // other sample. Both are null, or neither is.
  double* within = nullptr;
  double* between = nullptr;
  // gradient[(o*n + i)*d + k] is the derivative of factors[0] * xx + factors[1] * yy + factors[2] *
  // xy with respect to x_ik, where xx, yy and xy are the three sums of output o. It may be null.
  T* gradient = nullptr;
};

// Like pair_sums, but weight each pair by the product of its row weights, and fill the results that
// the samples require. With skip_matched no result has pairs of row i of x with row i of y.
// log_slopes, unless null, gets the same sums of t f'(t), where the kernel is f(t) of the base
// value t.
template <class T>
bool weighted_sums(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* factors,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* log_slopes, const Options& options = {}, bool skip_matched = false);

// Like weighted_sums, but for a stack of `items` pairs of samples. x and y hold the items one after
// the other, with equally many rows each, and must not be quantised. All results have one more
// dimension in front. factors: items x 3. scales, unless null, holds a factor for the rows of each
// item.
template <class T>
bool weighted_sums(std::int64_t items, const WeightedSample<T>& x, const WeightedSample<T>& y,
                   const double* factors, const double* scales,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   const Options& options = {}, bool skip_matched = false);

}  // namespace fastdiv
