#include <algorithm>
#include <cmath>
#include <limits>

#include "fastdiv/labels.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/sorted_labels.hpp"
#include "pairs/walk/tiles.hpp"

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
  const ReadyGroup<T> ready(workers, {x}, group, Formula::direct);
  const TileList tiles(blocks, ready.pair_work());
  // Rectangles are read in whole vectors, which may end beyond a tile.
  const auto memory = buffers<T>(workers.threads(), tile_size + tile_cols);
  constexpr double infinity = std::numeric_limits<double>::infinity();

  // slot: the largest within, and less the smallest between; both only grow.
  const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
    const TileOps<T>& ops = isa().ops<T>();
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    slot[1] = -infinity;
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      ready.fill(0, unit.row, 0, col, e, tile, direct_hint);
      labels.for_each_rectangle(
          unit.row, col, e,
          [&](ptrdiff_t row_label, int r, ptrdiff_t col_label, int c, Extent part) {
            const T* first = tile + r * tile_cols + c;
            const bool within = row_label == col_label;
            const double value = within ? static_cast<double>(ops.largest(first, part))
                                        : -static_cast<double>(ops.smallest(first, part));
            slot[within ? 0 : 1] = std::max(slot[within ? 0 : 1], value);
          });
    });
  };
  double largest = 0;
  double smallest = infinity;
  const auto merge = [&](const TileList::Unit&, const double* slot) {
    largest = std::max(largest, slot[0]);
    smallest = std::min(smallest, -slot[1]);
  };
  if (!run_ordered(workers, tiles, 2, 1, work, merge)) {
    return false;
  }
  if constexpr (sizeof(T) == 4) {
    // Values this small, or 0, may have left float's range beside one far outlier.
    if (smallest < 0x1p-80 || largest < 0x1p-80) {
      Buffer<double> wide_memory;
      const MatrixView<double> wide = widen(workers, x, wide_memory);
      return !workers.stopped() && label_extremes(wide, metric, sizes, out, options);
    }
  }
  const auto distance = [&](double value) {
    return ready.length() * (metric == Base::l1 ? value : std::sqrt(2 * value));
  };
  *out = {distance(largest), distance(smallest)};
  return true;
}

template bool label_extremes(MatrixView<float>, Base, const std::vector<ptrdiff_t>&, LabelExtremes*,
                             const Options&);
template bool label_extremes(MatrixView<double>, Base, const std::vector<ptrdiff_t>&,
                             LabelExtremes*, const Options&);

}  // namespace fastdiv
