#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// What is summed over the rows x of a cluster with centre c and weights w. Of each cluster come the
// scalars, then a vector of the features:
//   number of rows, sum w, sum w |x - c|^2, sum w D(x, c); sum w (x - c)
// where D is 0, the Euclidean or the Manhattan distance. For directions, over the rows x != c alone
// but in the first and third:
//   number of rows x = c, sum w / |x - c|, sum w of rows x = c, sum w |x - c|;
//   sum w (x - c) / |x - c|
enum class ClusterSum { squares, euclidean, manhattan, directions };
constexpr std::ptrdiff_t cluster_scalars = 4;

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
