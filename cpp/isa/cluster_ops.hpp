#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/clusters.hpp"

namespace fastdiv {

// While they are summed, after the vector: parts of sum w |x - c|^2.
constexpr std::ptrdiff_t cluster_partials = 8;

template <class T>
struct ClusterRows {
  const T* x;  // features side by side
  std::ptrdiff_t stride;
  const std::int64_t* codes;  // the cluster of each row; negative: left out
  const double* weights;      // or null
  std::ptrdiff_t rows;
  std::ptrdiff_t dim;
  const double* centers;
  const double* offsets;  // added to the centers, or null
  std::int64_t n_clusters;
};

// Adds to sums[n_clusters * (cluster_scalars + dim + cluster_partials)]. Returns false if there is
// no cluster of some row's number.
template <class T>
using AddClusterRows = bool (*)(const ClusterRows<T>&, double* sums);

// Squared distances of a strip of rows from centres in two parts, by some of the features.
struct CenterSquares {
  const double* x;  // dim features of strip_rows rows each
  std::ptrdiff_t dim;
  const double* anchors;  // of the first centre; `stride` features to one
  const double* offsets;
  std::ptrdiff_t stride;
  std::int64_t n_clusters;
  double* out;  // of the first centre: added to
  std::ptrdiff_t out_stride;
  int rows;  // <= strip_rows
};
constexpr int strip_rows = 64;

}  // namespace fastdiv
