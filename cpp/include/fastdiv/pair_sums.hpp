#pragma once

#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/pairs.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Sum every output over the pairs within x, within y and between them. For Pairs::distinct:
//   out[3*o]     = sum_{i != j} k_o(x_i, x_j)
//   out[3*o + 1] = sum_{i != j} k_o(y_i, y_j)
//   out[3*o + 2] = sum_{i, j} k_o(x_i, y_j)
template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
               int n_outputs, double* out, const Options& options = {},
               Pairs pairs = Pairs::distinct);

// Estimate MMD^2 for every output: from the sums of pair_sums and the numbers of their pairs,
//   out[o] = xx / n_xx + yy / n_yy - 2 xy / n_xy.
template <class T>
bool mmd2(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups, int n_outputs,
          double* out, const Options& options = {}, Pairs pairs = Pairs::distinct);

// Means that a sum of quad_forms is accurate relative to.
enum class Accurate {
  largest_mean,  // of the three of its labelling, which is enough for their differences
  each_sum       // its own, however far apart other rows are
};

// Like pair_sums, but for each labelling b of the rows of z: label 1 puts a row into x, label 0
// into y. labels: n_labellings x z.rows; out[3*(o*n_labellings + b) + 0, 1, 2]. Labels match no
// rows, so the pairs must not be off_diagonal. Kernel values are rounded to one quantum, and summed
// exactly. Labellings that pick equal entries therefore give equal bits.
template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options = {}, Accurate accurate = Accurate::largest_mean,
                Pairs pairs = Pairs::distinct);

// Sum every output over the rows of x, for each row of `at`:
// out[o*at.rows + i] = sum_j weights[j] k_o(at_i, x_j). Null weights mean 1.
template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const double* weights,
              const std::vector<KernelGroup>& groups, int n_outputs, double* out,
              const Options& options = {});

// Evaluate every output row by row, in double precision: out[o*x.rows + i] = k_o(x_i, y_i).
template <class T>
bool paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
                   int n_outputs, double* out, const Options& options = {});

}  // namespace fastdiv
