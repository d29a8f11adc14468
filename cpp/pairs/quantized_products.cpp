#include <algorithm>
#include <stdexcept>

#include "fastdiv/quantized_products.hpp"
#include "pairs/walk/quantized_tiles.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

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
  const TileList tiles(blocks, static_cast<double>(x.cols + 20), static_cast<double>(x.cols));
  const auto reduce = [&](const Tile<double>& tile) {
    for (int r = 0; r < tile.extent.rows; ++r) {
      const double* row = tile.values + r * tile_cols;
      std::transform(row, row + tile.extent.cols, out + (tile.row + r) * w.rows + tile.col,
                     [](double value) { return static_cast<float>(value); });
    }
  };
  return walk_tiles<double>(workers, packed, tiles, {}, reduce);
}

}  // namespace fastdiv
