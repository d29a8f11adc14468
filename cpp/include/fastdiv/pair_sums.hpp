#pragma once

#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// out[3*o + 0, 1, 2] = sum_{i != j} k_o(x_i, x_j), the same for y, sum_{i, j} k_o(x_i, y_j).
template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
               int n_outputs, double* out, const Options& options = {});

// The same triple for each 0/1 labelling of the rows of z (labels: n_labellings x z.rows, 1 = x
// group): out[3*(o*n_labellings + b) + 0, 1, 2]. Kernel values are rounded to one quantum,
// harmless beside their sum, and summed exactly, so labellings that pick equal entries give equal
// bits.
template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options = {});

// out[o*at.rows + i] = sum_j w_j k_o(at_i, x_j); without weights, w_j = 1.
template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const double* weights,
              const std::vector<KernelGroup>& groups, int n_outputs, double* out,
              const Options& options = {});

// out[o*x.rows + i] = k_o(x_i, y_i), evaluated in double precision.
template <class T>
bool paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
                   int n_outputs, double* out, const Options& options = {});

}  // namespace fastdiv
