#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pairs/walk/packing.hpp"
#include "pairs/walk/tiles.hpp"

// Walks tiles for all other reductions. A reduction says what to do with a tile, and how the sums
// of a unit of tiles add to its result. It knows nothing of threads and of their order.

namespace fastdiv {

// A tile of base values on its way through a reduction.
template <class T>
struct Tile {
  T* values;  // pair (row + r, col + c) is values[r * tile_cols + c]; a reduction may overwrite it
  Extent extent;
  std::ptrdiff_t row;
  std::ptrdiff_t col;
  int block;     // index of its block
  int thread;    // the thread that has it, counted from 0
  double* slot;  // sums of the unit of the tile, 0 before its first tile
  bool first;    // the tile is the first of its unit
  bool last;     // the tile is the last of its unit
};

// Memory and share of a walk.
struct WalkOptions {
  std::size_t slot_size = 0;     // doubles in a slot
  double share = 1;              // as in Workers::for_each
  std::size_t extra_values = 0;  // memory behind the values of every tile
};

// Calls reduce(tile) for every tile, on all threads, and merge(unit, slot) for every unit, in
// order. `source` fills the tiles, as ReadyGroup does. Returns false when the hook stopped the
// call.
template <class T, class Source, class Reduce, class Merge>
bool walk_tiles(Workers& workers, const Source& source, const TileList& tiles, WalkOptions options,
                const Reduce& reduce, const Merge& merge) {
  const auto memory = buffers<T>(workers.threads(), tile_size + options.extra_values);
  const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
    const Block& block = tiles.block(unit);
    T* values = memory[static_cast<std::size_t>(thread)].data();
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](std::ptrdiff_t col, Extent e) {
      source.fill(block.row_sample, unit.row, block.col_sample, col, e, values, direct_hint);
      reduce(Tile<T>{values, e, unit.row, col, unit.block, thread, slot, col == unit.col,
                     col + e.cols == unit.end_col});
    });
  };
  return run_ordered(workers, tiles, options.slot_size, options.share, work, merge);
}

// Like the above, but for reductions that keep their results themselves.
template <class T, class Source, class Reduce>
bool walk_tiles(Workers& workers, const Source& source, const TileList& tiles, WalkOptions options,
                const Reduce& reduce) {
  return walk_tiles<T>(workers, source, tiles, options, reduce,
                       [](const TileList::Unit&, const double*) {});
}

// Calls add(group, share) for every group, until one returns false. `share` is that of one group.
template <class Add>
bool for_each_group(const std::vector<KernelGroup>& groups, const Add& add) {
  const double share = 1.0 / static_cast<double>(groups.size());
  return std::all_of(groups.begin(), groups.end(),
                     [&](const KernelGroup& group) { return add(group, share); });
}

// Calls again(samples) with the samples in double precision, for results that T cannot hold.
// Returns false when the hook stopped the call.
template <class T, class Again>
bool again_in_double(Workers& workers, const std::vector<MatrixView<T>>& samples,
                     const Again& again) {
  std::vector<Buffer<double>> memory(samples.size());
  std::vector<MatrixView<double>> wide;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    wide.push_back(widen(workers, samples[s], memory[s]));
  }
  return !workers.stopped() && again(wide);
}

// Tells whether a distance may have lost digits in float. `tile_value` is in units of the largest
// distance. One far outlier makes that unit so large that the squares of ordinary differences leave
// float's normal range, which ends at 2^-126. A sum of squares above 2^-80 is far from there.
template <class T>
bool may_underflow(double tile_value) {
  constexpr double safe = 0x1p-80;
  return sizeof(T) == sizeof(float) && tile_value < safe;
}

}  // namespace fastdiv
