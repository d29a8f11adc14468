#pragma once

#include <algorithm>
#include <vector>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "isa/tile_ops.hpp"

namespace fastdiv {

// Values in a tile.
constexpr std::size_t tile_size = static_cast<std::size_t>(tile_rows) * tile_cols;

// Pairs of rows of two samples, or of one sample with itself (then only i < j). With skip_matched,
// row i of one is not paired with row i of the other.
struct Block {
  int row_sample;
  std::ptrdiff_t rows;
  int col_sample;
  std::ptrdiff_t cols;
  bool symmetric;
  bool skip_matched = false;

  double pairs() const {
    const double n = static_cast<double>(rows);
    const double all = symmetric ? n * (n - 1) / 2 : n * static_cast<double>(cols);
    return skip_matched ? all - n : all;
  }
};

// Returns the gap of a tile at (row, col) in which matched rows do not count.
inline int matched_gap(std::ptrdiff_t row, std::ptrdiff_t col) {
  const std::ptrdiff_t gap = row - col;
  return -tile_rows < gap && gap < tile_cols ? static_cast<int>(gap) : no_diagonal;
}

// Orders of units.
enum class Order {
  segments,  // All strips of a segment follow each other, so that its columns stay in the cache.
  strips     // All segments of a strip follow each other, for reductions that finish row by row
             // and have no symmetric blocks.
};

// The tiles of all blocks cut into units of about equal work: strips of rows by segments of
// columns, numbered in a fixed order.
class TileList {
 public:
  struct Unit {
    int block;
    std::ptrdiff_t row;
    int rows;
    std::ptrdiff_t col;
    std::ptrdiff_t end_col;
  };

  // `pair_work` is the multiply-adds per pair, `row_bytes` the size of a packed row.
  TileList(const std::vector<Block>& blocks, double pair_work, double row_bytes,
           Order order = Order::segments)
      : blocks_(blocks), by_strips_(order == Order::strips) {
    // A unit of 2e7 multiply-adds takes a millisecond or less. That is short against the stop
    // hook's 50 ms, and long against handing out a unit. With a hundred thousand features and more
    // it needs narrow tiles. Few pairs are cut into 512 units, which serve 64 threads. Units of
    // strips stay large, because one thread merges what they found for each row.
    double work = 0;
    for (const Block& block : blocks) {
      work += block.pairs() * pair_work;
    }
    const double unit_work = by_strips_ ? 2e7 : std::clamp(work / 512, 2e6, 2e7);
    const double tiles = unit_work / (pair_work * tile_rows * tile_cols);
    step_ = tiles < 0.02 ? tile_rows : tile_cols;
    // Columns of 384 KiB and a strip stay in a second cache of 512 KiB. With fewer than three tiles
    // the strips would come from memory too often. Measured with 512 KiB against 8 MiB of columns,
    // AVX2 and float32, the fraction of the peak is 0.91 against 0.80 at d = 16, and 0.88 against
    // 0.73 at d = 64.
    constexpr double cached = 384 * 1024;
    const double most = std::max(3.0, cached / (row_bytes * static_cast<double>(step_)));
    segment_ = static_cast<std::ptrdiff_t>(std::clamp(tiles, 1.0, most)) * step_;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      add_pieces(static_cast<int>(b));
    }
  }

  std::int64_t size() const { return units_; }

  Unit operator[](std::int64_t unit) const {
    const auto after =
        std::upper_bound(pieces_.begin(), pieces_.end(), unit,
                         [](std::int64_t u, const Piece& piece) { return u < piece.first_unit; });
    const Piece& piece = *(after - 1);
    const Block& block = blocks_[static_cast<std::size_t>(piece.block)];
    const std::ptrdiff_t place = unit - piece.first_unit;
    const std::ptrdiff_t row = piece.row + (by_strips_ ? 0 : place * tile_rows);
    const std::ptrdiff_t col = piece.col + (by_strips_ ? place * segment_ : 0);
    return {piece.block, row,
            static_cast<int>(std::min<std::ptrdiff_t>(tile_rows, block.rows - row)),
            block.symmetric ? std::max(row, col) : col, std::min(block.cols, col + segment_)};
  }

  const Block& block(const Unit& unit) const {
    return blocks_[static_cast<std::size_t>(unit.block)];
  }

  // Calls visit(column, extent) for each tile of a unit.
  template <class Visit>
  void for_each_tile(const Unit& unit, const Visit& visit) const {
    const bool symmetric = block(unit).symmetric;
    const bool skip_matched = block(unit).skip_matched;
    for (std::ptrdiff_t col = unit.col; col < unit.end_col; col += step_) {
      const int cols = static_cast<int>(std::min(step_, unit.end_col - col));
      const bool on_diagonal = symmetric && col < unit.row + tile_rows;
      visit(col,
            Extent{unit.rows, cols, on_diagonal ? static_cast<int>(unit.row - col) : no_diagonal,
                   skip_matched ? matched_gap(unit.row, col) : no_diagonal});
    }
  }

 private:
  // All units at the columns of a segment, or of a strip.
  struct Piece {
    int block;
    std::ptrdiff_t row;
    std::ptrdiff_t col;
    std::int64_t first_unit;
  };

  // A symmetric block has no pairs i < j where rows lie beyond the columns of a segment.
  void add_pieces(int b) {
    const Block& block = blocks_[static_cast<std::size_t>(b)];
    const auto add = [&](std::ptrdiff_t row, std::ptrdiff_t col, std::ptrdiff_t size,
                         std::ptrdiff_t step) {
      pieces_.push_back({b, row, col, units_});
      units_ += (size + step - 1) / step;
    };
    for (std::ptrdiff_t row = 0; by_strips_ && row < block.rows; row += tile_rows) {
      add(row, 0, block.cols, segment_);
    }
    for (std::ptrdiff_t col = 0; !by_strips_ && col < block.cols; col += segment_) {
      add(0, col, block.symmetric ? std::min(block.rows, col + segment_) : block.rows, tile_rows);
    }
  }

  std::vector<Block> blocks_;
  bool by_strips_;
  std::vector<Piece> pieces_;
  std::ptrdiff_t step_;     // columns in a tile
  std::ptrdiff_t segment_;  // columns in a unit
  std::int64_t units_ = 0;
};

// Returns the weights in the precision of a tile, followed by zeros for a whole tile.
template <class T>
std::vector<T> padded(const double* weights, ptrdiff_t n) {
  std::vector<T> result(static_cast<std::size_t>(n + tile_cols));
  std::transform(weights, weights + n, result.begin(), [](double w) { return static_cast<T>(w); });
  return result;
}

// Calls work(unit, thread, slot) for all units, each with a zeroed slot of doubles, and merges the
// slots in the order of the units. The sums therefore depend neither on the number of threads nor
// on their timing. A thread works on a slot of its own and publishes it once. Slots of neighbouring
// units share cache lines, and writing them tile by tile cost 5 % at d = 2.
template <class Work, class Merge>
bool run_ordered(Workers& workers, const TileList& tiles, std::size_t slot_size, double share,
                 const Work& work, const Merge& merge) {
  // Bounds the memory of the slots to 32 MiB.
  const auto wave = static_cast<std::int64_t>(std::clamp<std::size_t>(
      (std::size_t{1} << 22) / std::max<std::size_t>(slot_size, 1), 1, 4096));
  const auto thread_slots = buffers<double>(workers.threads(), slot_size);
  const Buffer<double> slots(static_cast<std::size_t>(std::min(wave, tiles.size())) * slot_size);
  for (std::int64_t first = 0; first < tiles.size(); first += wave) {
    const std::int64_t n = std::min(wave, tiles.size() - first);
    const double part = share * static_cast<double>(n) / static_cast<double>(tiles.size());
    const bool finished = workers.for_each(n, part, [&](std::int64_t unit, int thread) {
      double* slot = thread_slots[static_cast<std::size_t>(thread)].data();
      std::fill(slot, slot + slot_size, 0.0);
      work(tiles[first + unit], thread, slot);
      std::copy(slot, slot + slot_size, slots.data() + static_cast<std::size_t>(unit) * slot_size);
    });
    if (!finished) {
      return false;
    }
    for (std::int64_t unit = 0; unit < n; ++unit) {
      merge(tiles[first + unit], slots.data() + static_cast<std::size_t>(unit) * slot_size);
    }
  }
  return true;
}

}  // namespace fastdiv
