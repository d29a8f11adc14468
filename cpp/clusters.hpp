#pragma once

#include <cstdint>

#include "isa.hpp"
#include "parallel.hpp"
#include "view.hpp"

namespace fastdiv {

// Sums over the rows of each cluster in one pass: see ClusterSum. codes[i] is the cluster of row i,
// in [0, n_clusters), or negative where the row is left out; weights: null for 1; centers
// and offsets: n_clusters x x.cols, the centre being their sum, unrounded (offsets: null for 0);
// out: n_clusters x (cluster_scalars + x.cols). Returns false when the hook
// stopped it; results are bit-identical for any number of threads.
template <class T>
bool cluster_sums(MatrixView<T> x, const std::int64_t* codes, const double* weights,
                  const double* centers, const double* offsets, std::int64_t n_clusters,
                  ClusterSum kind, double* out, const Options& options = {});

}  // namespace fastdiv
