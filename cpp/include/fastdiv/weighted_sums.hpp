#pragma once

#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// A sample whose rows have weights, of order 1 at most, and what is wanted for them.
template <class T>
struct WeightedSample {
  MatrixView<T> rows;
  const double* weights;
  // [o*n + i] = sum over j != i of w_j k_o(x_i, x_j), or over the other sample; both or neither
  double* within = nullptr;
  double* between = nullptr;
  // [(o*n + i)*d + k] = derivative by x_ik of factors[0] * xx + factors[1] * yy + factors[2] * xy,
  // the three sums of output o; or null
  T* gradient = nullptr;
};

// out[3*o + 0, 1, 2] = the sums of pair_sums, each pair times the weights of its rows, and what the
// samples ask for besides. log_slopes, unless null: the same sums of t f'(t) in place of k = f(t),
// with t the base value.
template <class T>
bool weighted_sums(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* factors,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* log_slopes, const Options& options = {});

// The same for a stack of `items` pairs of samples: x and y hold those of the first pair, those of
// the second, ..., equally many rows each, and all results have one more dimension in front;
// factors: items x 3. scales, unless null: for every item a number that its rows are multiplied by
// in the kernels. Rows that are not quantised.
template <class T>
bool weighted_sums(std::int64_t items, const WeightedSample<T>& x, const WeightedSample<T>& y,
                   const double* factors, const double* scales,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   const Options& options = {});

}  // namespace fastdiv
