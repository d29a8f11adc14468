#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "fastdiv/distances.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

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
  const ReadyGroup<T> ready(workers, {at, x}, group, Formula::automatic, Purpose::distances);
  const TileList tiles(blocks, ready.pair_work(), ready.row_bytes(), Order::strips);
  const auto candidates = static_cast<std::size_t>(tile_rows * k);
  constexpr T infinity = std::numeric_limits<T>::infinity();

  const auto reduce = [&](const Tile<T>& tile) {
    T* least = tile.values + tile_size;
    if (tile.first) {
      std::fill(least, least + candidates, infinity);
    }
    for (int r = 0; exclude_self && r < tile.extent.rows; ++r) {
      const ptrdiff_t self = tile.row + r - tile.col;
      if (self >= 0 && self < tile.extent.cols) {
        tile.values[r * tile_cols + self] = infinity;
      }
    }
    isa().ops<T>().keep_smallest(tile.values, tile.extent, k, least);
    if (tile.last) {
      std::copy(least, least + candidates, tile.slot);
    }
  };

  // Units of a strip follow each other, so their candidates are merged as they come.
  double smallest = HUGE_VAL;  // tile value of the smallest result
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
        smallest = std::min(smallest, row[k - 1]);
        out[unit.row + r] = ready.distance(row[k - 1]);
      }
    }
  };
  if (!walk_tiles<T>(workers, ready, tiles, {candidates, 1, candidates}, reduce, merge)) {
    return false;
  }
  if (may_underflow<T>(smallest)) {
    return again_in_double<T>(workers, {at, x}, [&](const std::vector<MatrixView<double>>& wide) {
      return kth_distances(wide[0], wide[1], k, exclude_self, out, options);
    });
  }
  return true;
}

template bool kth_distances(MatrixView<float>, MatrixView<float>, int, bool, double*,
                            const Options&);
template bool kth_distances(MatrixView<double>, MatrixView<double>, int, bool, double*,
                            const Options&);

}  // namespace fastdiv
