#pragma once

#include <cstdint>

#include "isa.hpp"
#include "matrix_view.hpp"
#include "parallel.hpp"

namespace fastdiv {

// Sums over the rows of each cluster in one pass: see ClusterSum. codes[i] is the cluster of row i,
// in [0, n_clusters), or negative where the row is left out, as int32 or int64; weights: null for
// 1; centers and offsets: n_clusters x x.cols, the centre being their sum, unrounded (offsets: null
// for 0); out: n_clusters x (cluster_scalars + x.cols). x may be quantised. Returns false when the
// hook stopped it; results are bit-identical for any number of threads.
template <class T, class Code>
bool cluster_sums(MatrixView<T> x, const Code* codes, const double* weights, const double* centers,
                  const double* offsets, std::int64_t n_clusters, ClusterSum kind, double* out,
                  const Options& options = {});

// out[c * x.rows + i] = |x_i - anchor_c - offset_c|^2, the centres n_clusters x x.cols. x may be
// quantised. Returns false when the hook stopped it.
template <class T>
bool center_squares(MatrixView<T> x, const double* anchors, const double* offsets,
                    std::int64_t n_clusters, double* out, const Options& options = {});

// out[c]: the first of n rows that is of cluster c, or -1.
template <class Code>
void first_rows(const Code* codes, std::ptrdiff_t n, std::int64_t n_clusters, std::int64_t* out);

}  // namespace fastdiv
