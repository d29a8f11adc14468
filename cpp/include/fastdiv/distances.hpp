#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// The distance of rank 0, 1, ... in ascending order among those between rows i < j of x, or between
// the rows of x and of y. metric: sqdist (Euclidean) or l1.
template <class T>
bool ranked_distance(MatrixView<T> x, const MatrixView<T>* y, Base metric, std::uint64_t rank,
                     double* out, const Options& options = {});

// The same for a stack, as in weighted_sums. out: items
template <class T>
bool ranked_distances(std::int64_t items, MatrixView<T> x, const MatrixView<T>* y, Base metric,
                      std::uint64_t rank, double* out, const Options& options = {});

// The median of the distances between rows i < j; the mean of the middle two for an even number of
// pairs. metric as above.
template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options = {});

// The same for each item of a stack: the first sizes[0] rows of x, the next sizes[1], ...
template <class T>
bool median_distances(MatrixView<T> x, const std::vector<std::ptrdiff_t>& sizes, Base metric,
                      double* out, const Options& options = {});

// out[i]: the Euclidean distance from row i of `at` to the k-th nearest row of x, 1 <= k <=
// max_neighbours. exclude_self: `at` is x, and row i is no neighbour of itself.
constexpr int max_neighbours = 64;
template <class T>
bool kth_distances(MatrixView<T> at, MatrixView<T> x, int k, bool exclude_self, double* out,
                   const Options& options = {});

}  // namespace fastdiv
