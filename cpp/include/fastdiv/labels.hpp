#pragma once

#include <cstddef>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Sum every output over the rows of each label, for each row of x:
// out[(o*n_labels + l)*x.rows + i] = the sum of weights[j] k_o(x_i, x_j) over rows j != i of label
// l. Kernels must be those of a distance. Rows are in the order of their labels: the first sizes[0]
// have label 0, the next sizes[1] label 1 and so on. Weights are of order 1 at most; null means 1.
template <class T>
bool label_sums(MatrixView<T> x, const double* weights, const std::vector<std::ptrdiff_t>& sizes,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options = {});

// The largest distance between rows of one label, or 0 without such a pair, and the smallest
// between rows of different labels, or infinity without such a pair.
struct LabelExtremes {
  double within;
  double between;
};

// Find both distances. metric: sqdist (Euclidean) or l1; sizes as in label_sums.
template <class T>
bool label_extremes(MatrixView<T> x, Base metric, const std::vector<std::ptrdiff_t>& sizes,
                    LabelExtremes* out, const Options& options = {});

}  // namespace fastdiv
