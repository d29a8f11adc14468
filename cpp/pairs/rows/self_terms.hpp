#pragma once

#include <cstdint>
#include <vector>

#include "core/workers.hpp"
#include "fastdiv/weighted_sums.hpp"

// The pairs (i, i) of rows with themselves, which no tile has. Pairs::all adds them to the sums
// over pairs of different rows.

namespace fastdiv {

// Adds sum_i w_i^2 k_o(x_i, x_i) to sums[3*o], and w_i k_o(x_i, x_i) to `within`, unless that is
// null. Null weights mean 1. Returns false when the hook stopped it.
template <class T>
bool add_self_terms(Workers& workers, const MatrixView<T>& x, const double* weights,
                    const std::vector<KernelGroup>& groups, int n_outputs, double* sums,
                    double* within = nullptr);

// Adds sum_i k_o(z_i, z_i) over the rows of label 1 to out[3*(o*n_labellings + b)], and over those
// of label 0 to the next number, as in quad_forms. Equal values, in any order, give equal bits.
template <class T>
bool add_labelled_self_terms(Workers& workers, const MatrixView<T>& z, const std::uint8_t* labels,
                             std::int64_t n_labellings, const std::vector<KernelGroup>& groups,
                             int n_outputs, double* out);

// Adds the gradient of factor * sum_i w_i^2 k_o(x_i, x_i) to that of the sample, unless this is
// null. It is 0 for distances.
template <class T>
bool add_self_gradients(Workers& workers, const WeightedSample<T>& x, double factor,
                        const std::vector<KernelGroup>& groups);

}  // namespace fastdiv
