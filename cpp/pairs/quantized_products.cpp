#include <algorithm>
#include <stdexcept>

#include "fastdiv/quantized_products.hpp"
#include "pairs/walk/quantized_tiles.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

bool quantized_products(MatrixView<double> x, MatrixView<double> w, float* out,
                        const Options& options) {
  check<double>({x, w}, {}, 0);
  if (x.quantized == nullptr) {
    throw std::invalid_argument("the rows have to be quantised");
  }
  const std::vector<Block> blocks = {{0, x.rows, 1, w.rows, false}};
  Workers workers(options, blocks[0].pairs() * static_cast<double>(x.cols + 20));
  const QuantizedTiles<double> packed(workers, {x, w}, Base::dot, {}, true);
  const TileList tiles(blocks, static_cast<double>(x.cols + 20));
  const auto memory = buffers<double>(workers.threads(), tile_size);
  const auto work = [&](const TileList::Unit& unit, int thread, double*) {
    double* tile = memory[static_cast<std::size_t>(thread)].data();
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      packed.fill(0, unit.row, 1, col, e, tile);
      for (int r = 0; r < e.rows; ++r) {
        std::transform(tile + r * tile_cols, tile + r * tile_cols + e.cols,
                       out + (unit.row + r) * w.rows + col,
                       [](double value) { return static_cast<float>(value); });
      }
    });
  };
  return run_ordered(workers, tiles, 0, 1, work, [](const TileList::Unit&, double*) {});
}

}  // namespace fastdiv
