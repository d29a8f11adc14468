#pragma once

#include <cstddef>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// out[(o*n_labels + l)*x.rows + i] = the sum over the rows j != i with label l of w_j k_o(x_i,
// x_j), for kernels of a distance. The first sizes[0] rows of x have label 0, the next sizes[1]
// label 1 and so on; weights of order 1 at most, or null for w_j = 1.
template <class T>
bool label_sums(MatrixView<T> x, const double* weights, const std::vector<std::ptrdiff_t>& sizes,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options = {});

// The largest distance between rows of one label, 0 if there is no pair, and the smallest between
// rows of different labels, infinite if there is no pair. metric: sqdist (Euclidean) or l1; labels
// as in label_sums.
struct LabelExtremes {
  double within;
  double between;
};
template <class T>
bool label_extremes(MatrixView<T> x, Base metric, const std::vector<std::ptrdiff_t>& sizes,
                    LabelExtremes* out, const Options& options = {});

}  // namespace fastdiv
