#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/rounds.hpp"
#include "pairs/walk/tiles.hpp"

// Walks tiles for reductions that add to results of the rows and of the columns of a tile. The rows
// of all samples are cut into parts, and pairs of parts are taken in rounds. No part comes twice in
// a round, so a thread adds to the results directly, in a fixed order.

namespace fastdiv {

// Rows [first, first + rows) of a sample.
struct Part {
  int sample;
  std::ptrdiff_t first;
  std::ptrdiff_t rows;

  std::ptrdiff_t end() const { return first + rows; }
};

// Cuts the rows of samples into parts of at most `rows` rows, sample after sample.
template <class T>
std::vector<Part> cut_into_parts(const std::vector<MatrixView<T>>& samples, std::ptrdiff_t rows) {
  std::vector<Part> parts;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    for (std::ptrdiff_t first = 0; first < samples[s].rows; first += rows) {
      parts.push_back({static_cast<int>(s), first, std::min(rows, samples[s].rows - first)});
    }
  }
  return parts;
}

// A tile of base values of rows of part `a` by rows of part `b`, which comes after it or is it.
template <class T>
struct PartTile {
  const Part& a;
  const Part& b;
  const T* values;
  Extent extent;
  std::ptrdiff_t row;
  std::ptrdiff_t col;
  bool direct;  // the values come from differences
};

// Calls reduce(tile, thread) for every tile of all pairs of parts. Calls finish_strip(a, b, row,
// rows, thread) after the tiles of a strip of rows, and finish_parts(a, b, thread) after the last
// tile of a pair. `extra_values` is memory behind the values of every tile. Returns false when the
// hook stopped the call.
template <class T, class Reduce, class FinishStrip, class FinishParts>
bool walk_rounds(Workers& workers, const ReadyGroup<T>& ready, const std::vector<Part>& parts,
                 double share, std::size_t extra_values, const Reduce& reduce,
                 const FinishStrip& finish_strip, const FinishParts& finish_parts) {
  const auto memory = buffers<T>(workers.threads(), tile_size + extra_values);
  const auto work = [&](int i, int j, int thread) {
    const Part& a = parts[static_cast<std::size_t>(i)];
    const Part& b = parts[static_cast<std::size_t>(j)];
    T* values = memory[static_cast<std::size_t>(thread)].data();
    bool direct_hint = false;
    for (std::ptrdiff_t row = a.first; row < a.end(); row += tile_rows) {
      const int rows = static_cast<int>(std::min<std::ptrdiff_t>(tile_rows, a.end() - row));
      for_each_tile(row, rows, b.first, b.end(), i == j, [&](std::ptrdiff_t col, Extent e) {
        const bool direct = ready.fill(a.sample, row, b.sample, col, e, values, direct_hint);
        reduce(PartTile<T>{a, b, values, e, row, col, direct}, thread);
      });
      finish_strip(a, b, row, rows, thread);
    }
    finish_parts(a, b, thread);
  };
  return run_rounds(workers, static_cast<int>(parts.size()), share, work);
}

// Like the above, for reductions that keep nothing for a strip or a part.
template <class T, class Reduce>
bool walk_rounds(Workers& workers, const ReadyGroup<T>& ready, const std::vector<Part>& parts,
                 double share, std::size_t extra_values, const Reduce& reduce) {
  return walk_rounds(
      workers, ready, parts, share, extra_values, reduce,
      [](const Part&, const Part&, std::ptrdiff_t, int, int) {},
      [](const Part&, const Part&, int) {});
}

}  // namespace fastdiv
