#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/turns.hpp"
#include "core/workers.hpp"
#include "isa/tile_ops.hpp"

// Pairs of parts of the rows, in rounds. No part comes twice in a round. The pairs of a round may
// run at the same time and add to results of their rows, always in the same order.

namespace fastdiv {

// Returns the rows of a part, in whole tiles, at most as many as caches hold. A round has a pair
// for every two parts, so a 128th of all rows lets 64 threads find work. Parts with gradients are a
// 32nd. They move fewer sums per tile: at 10 000 rows and d = 64, parts of half the size took 12 %
// more.
inline std::ptrdiff_t part_rows(std::ptrdiff_t rows, std::ptrdiff_t dim, std::size_t n_outputs,
                                bool gradients) {
  constexpr std::ptrdiff_t most_rows = 8 * tile_cols;
  const std::ptrdiff_t cached_rows =
      (std::ptrdiff_t{1} << 17) / (dim * static_cast<std::ptrdiff_t>(n_outputs));
  const std::ptrdiff_t share = rows / (gradients ? 32 : 128);
  return std::clamp<std::ptrdiff_t>(std::min(share, cached_rows), tile_cols, most_rows) /
         tile_cols * tile_cols;
}

// Schedule of the pairs of n parts. Round 0 pairs each part with itself. The other rounds follow
// the circle method of tournaments, in which every part is in each round once.
class Rounds {
 public:
  struct Unit {
    int round, a, b;  // a <= b; with b == n, a sits the round out, as one part must where n is odd
  };

  explicit Rounds(int n) : n_(n), circle_(n - 1 + n % 2), pairs_(circle_ / 2 + 1) {}

  std::int64_t size() const { return n_ + std::int64_t{circle_} * pairs_; }

  Unit operator[](std::int64_t unit) const {
    if (unit < n_) {
      return {0, static_cast<int>(unit), static_cast<int>(unit)};
    }
    const int round = static_cast<int>((unit - n_) / pairs_) + 1;
    const int k = static_cast<int>((unit - n_) % pairs_);
    const int a = k == 0 ? circle_ : (round + k) % circle_;
    const int b = (round + circle_ - k) % circle_;
    return {round, std::min(a, b), std::max(a, b)};
  }

 private:
  int n_;
  int circle_;  // number of parts that rotate; the other one stays
  int pairs_;
};

// Calls work(a, b, thread) for all pairs a <= b of n parts. A pair waits only for the two pairs
// that held its parts in the round before, not for the end of a round.
template <class Work>
bool run_rounds(Workers& workers, int n, double share, const Work& work) {
  const Rounds rounds(n);
  Turns turns(static_cast<std::size_t>(n));
  return workers.for_each(rounds.size(), share, [&](std::int64_t unit, int thread) {
    const auto [round, a, b] = rounds[unit];
    const bool paired = a < b && b < n;
    turns.wait(static_cast<std::size_t>(a), round);
    if (paired) {
      turns.wait(static_cast<std::size_t>(b), round);
    }
    if (b < n) {
      work(a, b, thread);
    }
    turns.finish(static_cast<std::size_t>(a), round);
    if (paired) {  // a part finishes once: its next unit may have finished in between
      turns.finish(static_cast<std::size_t>(b), round);
    }
  });
}

// Calls visit(col, extent) for the tiles of a strip of rows by columns [first, end). With
// `symmetric`, only pairs of a row with a later one count.
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
