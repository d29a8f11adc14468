#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "tiles.hpp"

// All pairs of parts of the rows, in rounds: no part comes twice in a round, so that the pairs of
// one may be taken at the same time and add to results of their rows.

namespace fastdiv {

// The rows of a part: about a 32nd of all, so that many threads find work and yet few sums of a
// part are moved for every tile; whole tiles; and no more than some caches hold.
inline std::ptrdiff_t part_rows(std::ptrdiff_t rows, std::ptrdiff_t dim, std::size_t n_outputs) {
  const std::ptrdiff_t held =
      (std::ptrdiff_t{1} << 17) / (dim * static_cast<std::ptrdiff_t>(n_outputs));
  return std::clamp<std::ptrdiff_t>(std::min(rows / 32, held), tile_cols, 1152) / tile_cols *
         tile_cols;
}

// The parts that walk round in the circle method of tournaments: one stays, and with an odd number
// the one that stays does not exist.
inline int circle_of(int n) {
  return n - 1 + n % 2;
}

// The pairs of n parts in rounds 0 ... circle_of(n); in round 0 each with itself.
inline std::vector<std::pair<int, int>> pairs_of_round(int n, int round) {
  std::vector<std::pair<int, int>> pairs;
  if (round == 0) {
    for (int i = 0; i < n; ++i) {
      pairs.emplace_back(i, i);
    }
    return pairs;
  }
  const int circle = circle_of(n);
  for (int k = 0; k <= circle / 2; ++k) {
    const int a = k == 0 ? circle : (round + k) % circle;
    const int b = (round + circle - k) % circle;
    if (a < n) {
      pairs.emplace_back(std::min(a, b), std::max(a, b));
    }
  }
  return pairs;
}

}  // namespace fastdiv
