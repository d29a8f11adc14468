#pragma once

#include <array>

#include <fastdiv/matrix_view.hpp>

namespace bench {

// Sums exp(-|a - b|^2 / (2 sigma^2)) over pairs within x, within y and between, by Eigen, in the
// layout of fastdiv::pair_sums. It takes a tile at a time, with one product and one exp, and
// computes symmetric blocks once. Rows must be contiguous.
template <class T>
std::array<double, 3> eigen_pair_sums(fastdiv::MatrixView<T> x, fastdiv::MatrixView<T> y,
                                      double sigma, int n_threads);

}  // namespace bench
