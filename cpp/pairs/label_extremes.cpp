#include <algorithm>
#include <cmath>
#include <limits>

#include "fastdiv/labels.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/sorted_labels.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
bool label_extremes(MatrixView<T> x, Base metric, const std::vector<ptrdiff_t>& sizes,
                    LabelExtremes* out, const Options& options) {
  check<T>({x}, {}, 0);
  const SortedLabels labels(sizes, x.rows);
  const std::vector<Block> blocks = {{0, x.rows, 0, x.rows, true}};
  Workers workers(options, blocks[0].pairs() * static_cast<double>(x.cols + 20));
  KernelGroup group;
  group.base = metric;
  const ReadyGroup<T> ready(workers, {x}, group, Formula::automatic, Purpose::distances);
  const TileList tiles(blocks, ready.pair_work(), ready.row_bytes());
  constexpr double infinity = std::numeric_limits<double>::infinity();

  // The slot holds the largest value within labels and the negated smallest between them, so that
  // both only grow.
  const TileOps<T>& ops = isa().ops<T>();
  const auto reduce = [&](const Tile<T>& tile) {
    if (tile.first) {
      tile.slot[1] = -infinity;
    }
    labels.for_each_rectangle(
        tile.row, tile.col, tile.extent,
        [&](ptrdiff_t row_label, int r, ptrdiff_t col_label, int c, Extent part) {
          const T* first = tile.values + r * tile_cols + c;
          const bool within = row_label == col_label;
          const double value = within ? static_cast<double>(ops.largest(first, part))
                                      : -static_cast<double>(ops.smallest(first, part));
          double& extreme = tile.slot[within ? 0 : 1];
          extreme = std::max(extreme, value);
        });
  };
  double largest = 0;
  double smallest = infinity;
  const auto merge = [&](const TileList::Unit&, const double* slot) {
    largest = std::max(largest, slot[0]);
    smallest = std::min(smallest, -slot[1]);
  };
  // Rectangles are read in whole vectors, which may end beyond a tile.
  if (!walk_tiles<T>(workers, ready, tiles, {2, 1, tile_cols}, reduce, merge)) {
    return false;
  }
  if (may_underflow<T>(std::min(smallest, largest))) {
    return again_in_double<T>(workers, {x}, [&](const std::vector<MatrixView<double>>& wide) {
      return label_extremes(wide[0], metric, sizes, out, options);
    });
  }
  *out = {ready.distance(largest), ready.distance(smallest)};
  return true;
}

template bool label_extremes(MatrixView<float>, Base, const std::vector<ptrdiff_t>&, LabelExtremes*,
                             const Options&);
template bool label_extremes(MatrixView<double>, Base, const std::vector<ptrdiff_t>&,
                             LabelExtremes*, const Options&);

}  // namespace fastdiv
