#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Sums over the rows x of a cluster with centre c and weights w: four scalars, then a vector.
//   squares, euclidean and l1, where D is 0, the Euclidean or the L1 distance:
//     number of rows, sum w, sum w |x - c|^2, sum w D(x, c); sum w (x - c)
//   directions, over the rows x != c except in the first and third:
//     number of rows x = c, sum w / |x - c|, sum w of rows x = c, sum w |x - c|;
//     sum w (x - c) / |x - c|
enum class ClusterSum { squares, euclidean, l1, directions };
constexpr std::ptrdiff_t cluster_scalars = 4;

// Sum over the rows of each cluster in one pass. codes[i] is the cluster of row i in [0,
// n_clusters), or negative to leave the row out, as int32 or int64. Null weights mean 1. centers
// and offsets are n_clusters x x.cols, and a centre is their unrounded sum; null offsets mean 0.
// out: n_clusters x (cluster_scalars + x.cols)
template <class T, class Code>
bool cluster_sums(MatrixView<T> x, const Code* codes, const double* weights, const double* centers,
                  const double* offsets, std::int64_t n_clusters, ClusterSum kind, double* out,
                  const Options& options = {});

// Compute squared distances from centres: out[c * x.rows + i] = |x_i - anchor_c - offset_c|^2.
// anchors and offsets: n_clusters x x.cols
template <class T>
bool center_squares(MatrixView<T> x, const double* anchors, const double* offsets,
                    std::int64_t n_clusters, double* out, const Options& options = {});

// Find the first of n rows of each cluster: out[c], or -1.
template <class Code>
void first_rows(const Code* codes, std::ptrdiff_t n, std::int64_t n_clusters, std::int64_t* out);

}  // namespace fastdiv
