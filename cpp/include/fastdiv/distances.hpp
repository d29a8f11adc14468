#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Find the distance of rank 0, 1, ... in ascending order. The distances are those between rows
// i < j of x, or between the rows of x and of y. metric: sqdist (Euclidean) or l1.
template <class T>
bool ranked_distance(MatrixView<T> x, const MatrixView<T>* y, Base metric, std::uint64_t rank,
                     double* out, const Options& options = {});

// Like ranked_distance, but for a stack of samples (see weighted_sums.hpp). out: items
template <class T>
bool ranked_distances(std::int64_t items, MatrixView<T> x, const MatrixView<T>* y, Base metric,
                      std::uint64_t rank, double* out, const Options& options = {});

// Find the median of the distances between rows i < j, or the mean of the middle two. metric: as in
// ranked_distance.
template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options = {});

// Like median_distance, but for items of a stack: the first sizes[0] rows of x, the next sizes[1]
// and so on. out: items
template <class T>
bool median_distances(MatrixView<T> x, const std::vector<std::ptrdiff_t>& sizes, Base metric,
                      double* out, const Options& options = {});

// Find the Euclidean distance from each row of `at` to the k-th nearest row of x, 1 <= k <=
// max_neighbours. With exclude_self, `at` is x, and a row is no neighbour of itself. out: at.rows
constexpr int max_neighbours = 64;
template <class T>
bool kth_distances(MatrixView<T> at, MatrixView<T> x, int k, bool exclude_self, double* out,
                   const Options& options = {});

}  // namespace fastdiv
