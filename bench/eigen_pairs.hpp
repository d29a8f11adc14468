#pragma once

#include <array>

#include <fastdiv/matrix_view.hpp>

namespace bench {

// Sums of exp(-|a - b|^2 / (2 sigma^2)) over pairs within x, within y and between, as
// fastdiv::pair_sums returns them, by Eigen: a tile at a time, one product and one exp, symmetric
// blocks computed once. Rows must be contiguous.
template <class T>
std::array<double, 3> eigen_pair_sums(fastdiv::MatrixView<T> x, fastdiv::MatrixView<T> y,
                                      double sigma, int n_threads);

}  // namespace bench
