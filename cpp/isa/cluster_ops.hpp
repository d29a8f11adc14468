#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/clusters.hpp"

namespace fastdiv {

// Doubles per cluster that hold partial sums of w |x - c|^2. They follow the vector while rows are
// added.
constexpr std::ptrdiff_t cluster_partials = 8;

template <class T>
struct ClusterRows {
  const T* x;  // features side by side
  std::ptrdiff_t stride;
  const std::int64_t* codes;  // cluster of each row; negative if it is left out
  const double* weights;      // or null
  std::ptrdiff_t rows;
  std::ptrdiff_t dim;
  const double* centers;
  const double* offsets;  // added to the centers, or null
  std::int64_t n_clusters;
};

// Adds rows to sums[n_clusters * (cluster_scalars + dim + cluster_partials)]. Returns false if a
// code is not below n_clusters.
template <class T>
using AddClusterRows = bool (*)(const ClusterRows<T>&, double* sums);

// Operands of squared distances between a strip of rows and centres, over some of the features. A
// centre is the sum of an anchor and an offset.
struct CenterSquares {
  const double* x;  // dim features of strip_rows rows each
  std::ptrdiff_t dim;
  const double* anchors;  // of the first centre; that of the next is `stride` values on
  const double* offsets;
  std::ptrdiff_t stride;
  std::int64_t n_clusters;
  double* out;  // sums of the first centre, which are added to
  std::ptrdiff_t out_stride;
  int rows;  // <= strip_rows
};
constexpr int strip_rows = 64;

}  // namespace fastdiv
