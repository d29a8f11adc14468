#include <cmath>
#include <limits>

#include "fastdiv/distributions.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Returns the norms of the rows.
std::vector<double> norms(const MatrixView<double>& x) {
  std::vector<double> result(static_cast<std::size_t>(x.rows));
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    double sum = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      sum += x(i, k) * x(i, k);
    }
    result[static_cast<std::size_t>(i)] = std::sqrt(sum);
  }
  return result;
}

}  // namespace

bool kl_from_products(MatrixView<double> a, MatrixView<double> b, const double* a_offset,
                      const double* b_offset, double tolerance, double* out,
                      const Options& options) {
  const Block block{0, a.rows, 1, b.rows, false};
  KernelGroup group;
  group.base = Base::dot;
  check<double>({a, b}, {group}, 0);
  Workers workers(options, total_work({group}, a.cols, block.pairs()));
  const ReadyGroup<double> ready(workers, {a, b}, group);
  const TileList tiles({block}, ready.pair_work(), ready.row_bytes());
  const double unit = ready.length() * ready.length();
  const std::vector<double> a_norms = norms(a), b_norms = norms(b);
  // Bounds the relative error of a value. It counts the rounding errors of the features, of the
  // offsets and, as a random walk, of the partial sums. The sum of absolute products is at most the
  // product of the norms.
  const double error = std::numeric_limits<double>::epsilon() / tolerance *
                       (4 + std::sqrt(static_cast<double>(a.cols)));
  const auto reduce = [&](const Tile<double>& tile) {
    for (int r = 0; r < tile.extent.rows; ++r) {
      const ptrdiff_t i = tile.row + r;
      isa().halve_products(tile.values + r * tile_cols, unit, a_offset[i], b_offset + tile.col,
                           a_norms[static_cast<std::size_t>(i)], b_norms.data() + tile.col, error,
                           tile.extent.cols, out + i * b.rows + tile.col);
    }
  };
  return walk_tiles<double>(workers, ready, tiles, {}, reduce);
}

}  // namespace fastdiv
