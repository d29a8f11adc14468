#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "parallel.hpp"
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

// Runs work(a, b, thread) for all pairs a <= b of n parts, round by round; rows_of(part) says how
// much of the call a pair is.
template <class RowsOf, class Work>
bool run_rounds(Workers& workers, int n, double share, const RowsOf& rows_of, const Work& work) {
  double rows = 0;
  for (int part = 0; part < n; ++part) {
    rows += static_cast<double>(rows_of(part));
  }
  for (int k = 0; k <= circle_of(n); ++k) {
    const auto round = pairs_of_round(n, k);
    double done = 0;
    for (const auto& [a, b] : round) {
      done += (a == b ? 1 : 2) * static_cast<double>(rows_of(a)) * static_cast<double>(rows_of(b));
    }
    const bool finished =
        workers.for_each(static_cast<std::int64_t>(round.size()), share * done / (rows * rows),
                         [&](std::int64_t unit, int thread) {
                           const auto& [a, b] = round[static_cast<std::size_t>(unit)];
                           work(a, b, thread);
                         });
    if (!finished) {
      return false;
    }
  }
  return true;
}

// visit(col, extent) for the tiles of a strip of rows by columns [first, end): all pairs, or with
// `symmetric` those of a row with a later one.
template <class Visit>
void for_each_tile(std::ptrdiff_t row, int rows, std::ptrdiff_t first, std::ptrdiff_t end,
                   bool symmetric, const Visit& visit) {
  for (std::ptrdiff_t col = first; col < end; col += tile_cols) {
    if (symmetric && col + tile_cols <= row) {
      continue;
    }
    const int cols = static_cast<int>(std::min<std::ptrdiff_t>(tile_cols, end - col));
    const bool on_diagonal = symmetric && col < row + tile_rows;
    visit(col, Extent{rows, cols, on_diagonal ? static_cast<int>(row - col) : no_diagonal});
  }
}

}  // namespace fastdiv
