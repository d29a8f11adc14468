#include <cmath>
#include <limits>

#include "fastdiv/distributions.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

std::vector<double> norms(const MatrixView<double>& x) {
  std::vector<double> all(static_cast<std::size_t>(x.rows));
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    double sum = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      sum += x(i, k) * x(i, k);
    }
    all[static_cast<std::size_t>(i)] = std::sqrt(sum);
  }
  return all;
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
  const TileList tiles({block}, ready.pair_work());
  const auto memory = buffers<double>(workers.threads(), tile_size);
  const double unit = ready.length() * ready.length();
  const std::vector<double> a_norms = norms(a), b_norms = norms(b);
  // Roundings of the features, of the offsets, and of the partial sums as a random walk; the sum of
  // the absolute products is at most the product of the norms.
  const double error = std::numeric_limits<double>::epsilon() / tolerance *
                       (4 + std::sqrt(static_cast<double>(a.cols)));
  const auto work = [&](const TileList::Unit& unit_of_tiles, int thread, double*) {
    double* tile = memory[static_cast<std::size_t>(thread)].data();
    bool direct_hint = false;
    tiles.for_each_tile(unit_of_tiles, [&](ptrdiff_t col, Extent e) {
      ready.fill(0, unit_of_tiles.row, 1, col, e, tile, direct_hint);
      for (int r = 0; r < e.rows; ++r) {
        const ptrdiff_t i = unit_of_tiles.row + r;
        isa().halve_products(tile + r * tile_cols, unit, a_offset[i], b_offset + col,
                             a_norms[static_cast<std::size_t>(i)], b_norms.data() + col, error,
                             e.cols, out + i * b.rows + col);
      }
    });
  };
  const auto nothing = [](const TileList::Unit&, const double*) {};
  return run_ordered(workers, tiles, 0, 1, work, nothing);
}

}  // namespace fastdiv
