#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "fastdiv/distances.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
bool kth_distances(MatrixView<T> at, MatrixView<T> x, int k, bool exclude_self, double* out,
                   const Options& options) {
  check<T>({at, x}, {}, 0);
  if (exclude_self && at.rows != x.rows) {
    throw std::invalid_argument("only a sample's own rows can be excluded");
  }
  if (k < 1 || k > max_neighbours || k > x.rows - (exclude_self ? 1 : 0)) {
    throw std::invalid_argument("k is out of range");
  }
  const std::vector<Block> blocks = {{0, at.rows, 1, x.rows, false}};
  Workers workers(options, blocks[0].pairs() * static_cast<double>(x.cols + 20));
  KernelGroup group;
  const ReadyGroup<T> ready(workers, {at, x}, group, Formula::direct);
  const TileList tiles(blocks, ready.pair_work());
  const auto candidates = static_cast<std::size_t>(tile_rows * k);
  const auto memory = buffers<T>(workers.threads(), tile_size + candidates);
  constexpr T infinity = std::numeric_limits<T>::infinity();

  const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    T* least = tile + tile_size;
    std::fill(least, least + candidates, infinity);
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      ready.fill(0, unit.row, 1, col, e, tile, direct_hint);
      for (int r = 0; exclude_self && r < e.rows; ++r) {
        const ptrdiff_t self = unit.row + r - col;
        if (self >= 0 && self < e.cols) {
          tile[r * tile_cols + self] = infinity;
        }
      }
      isa().ops<T>().keep_smallest(tile, e, k, least);
    });
    std::copy(least, least + candidates, slot);
  };

  // A strip's units follow each other: its candidates are merged as they come.
  bool tiny = false;
  std::vector<double> least(candidates);
  const auto merge = [&](const TileList::Unit& unit, const double* slot) {
    if (unit.col == 0) {
      std::fill(least.begin(), least.end(), infinity);
    }
    for (int r = 0; r < unit.rows; ++r) {
      double* row = least.data() + r * k;
      for (int i = 0; i < k && slot[r * k + i] < row[k - 1]; ++i) {
        const double value = slot[r * k + i];
        double* place = std::upper_bound(row, row + k, value);
        std::copy_backward(place, row + k - 1, row + k);
        *place = value;
      }
      if (unit.end_col == x.rows) {
        tiny = tiny || row[k - 1] < 0x1p-80;
        out[unit.row + r] = ready.length() * std::sqrt(2 * row[k - 1]);
      }
    }
  };
  if (!run_ordered(workers, tiles, candidates, 1, work, merge)) {
    return false;
  }
  if constexpr (sizeof(T) == 4) {
    // Squares this small, or 0, may have left float's range beside one far outlier.
    if (tiny) {
      Buffer<double> at_memory, x_memory;
      const MatrixView<double> wide_at = widen(workers, at, at_memory);
      const MatrixView<double> wide_x = widen(workers, x, x_memory);
      return !workers.stopped() && kth_distances(wide_at, wide_x, k, exclude_self, out, options);
    }
  }
  return true;
}

template bool kth_distances(MatrixView<float>, MatrixView<float>, int, bool, double*,
                            const Options&);
template bool kth_distances(MatrixView<double>, MatrixView<double>, int, bool, double*,
                            const Options&);

}  // namespace fastdiv
