#include <algorithm>
#include <functional>

#include "fastdiv/pair_sums.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of pair_sums.
template <class T>
bool add_pair_sums(Workers& workers, const MatrixView<T>& x, const MatrixView<T>& y,
                   const std::vector<Block>& blocks, const KernelGroup& group, Formula formula,
                   double share, double* out) {
  const ReadyGroup<T> ready(workers, {x, y}, group, formula);
  const auto& terms = ready.terms();
  const TileList tiles(blocks, ready.pair_work());
  const std::vector<Buffer<T>> memory = buffers<T>(workers.threads(), tile_size);
  const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
    const Block& block = blocks[static_cast<std::size_t>(unit.block)];
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      ready.fill(block.row_sample, unit.row, block.col_sample, col, e, tile, direct_hint);
      for (std::size_t t = 0; t < terms.size(); ++t) {
        terms[t].ops->sum(terms[t].constants, tile, e, slot + t);
      }
    });
  };
  std::vector<double> sums(blocks.size() * terms.size());
  const auto merge = [&](const TileList::Unit& unit, const double* slot) {
    double* to = sums.data() + static_cast<std::size_t>(unit.block) * terms.size();
    std::transform(slot, slot + terms.size(), to, to, std::plus<>());
  };
  if (!run_ordered(workers, tiles, terms.size(), share, work, merge)) {
    return false;
  }
  bool held = true;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    held = held && ready.holds(sums[i], blocks[i / terms.size()].pairs());
  }
  if (!held) {
    Buffer<double> x_memory;
    Buffer<double> y_memory;
    const MatrixView<double> wide_x = widen(workers, x, x_memory);
    const MatrixView<double> wide_y = widen(workers, y, y_memory);
    return !workers.stopped() &&
           add_pair_sums(workers, wide_x, wide_y, blocks, group, Formula::plain, 0, out);
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t block = i / terms.size();
    const ReadyTerm<T>& term = terms[i % terms.size()];
    out[3 * static_cast<std::size_t>(term.output) + block] +=
        (blocks[block].symmetric ? 2 : 1) * term.weight * sums[i];
  }
  return true;
}

}  // namespace

template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
               int n_outputs, double* out, const Options& options) {
  check<T>({x, y}, groups, n_outputs);
  std::fill(out, out + 3 * n_outputs, 0.0);
  const std::vector<Block> blocks = {
      {0, x.rows, 0, x.rows, true}, {1, y.rows, 1, y.rows, true}, {0, x.rows, 1, y.rows, false}};
  double pairs = 0;
  for (const Block& block : blocks) {
    pairs += block.pairs();
  }
  Workers workers(options, total_work(groups, x.cols, pairs));
  const double share = 1.0 / static_cast<double>(groups.size());
  return std::all_of(groups.begin(), groups.end(), [&](const KernelGroup& group) {
    return add_pair_sums(workers, x, y, blocks, group, Formula::automatic, share, out);
  });
}

template bool pair_sums(MatrixView<float>, MatrixView<float>, const std::vector<KernelGroup>&, int,
                        double*, const Options&);
template bool pair_sums(MatrixView<double>, MatrixView<double>, const std::vector<KernelGroup>&,
                        int, double*, const Options&);

}  // namespace fastdiv
