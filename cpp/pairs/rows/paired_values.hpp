#pragma once

#include <cstddef>
#include <vector>

#include "core/workers.hpp"
#include "fastdiv/pair_sums.hpp"

namespace fastdiv {

// Returns the base value of row i of x and row i of y, in units of length. It is computed from
// differences in double precision, in chains whose errors do not grow with the number of features.
template <class T>
double tile_value(const KernelGroup& group, const MatrixView<T>& x, const MatrixView<T>& y,
                  std::ptrdiff_t i, double length);

// Like the public function, but as a part of a longer call, of which it is this share.
template <class T>
bool paired_values(Workers& workers, const MatrixView<T>& x, const MatrixView<T>& y,
                   const std::vector<KernelGroup>& groups, int n_outputs, double share,
                   double* out);

}  // namespace fastdiv
