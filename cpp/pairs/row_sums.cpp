#include <algorithm>
#include <functional>
#include <numeric>

#include "fastdiv/pair_sums.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of row_sums.
template <class T>
bool add_row_sums(Workers& workers, const MatrixView<T>& at, const MatrixView<T>& x,
                  const double* weights, const KernelGroup& group, Formula formula, double share,
                  double* out) {
  const ReadyGroup<T> ready(workers, {at, x}, group, formula);
  const auto& terms = ready.terms();
  const std::vector<T> ones(tile_rows, T{1});
  const std::vector<T> col_weights =
      weights == nullptr ? std::vector<T>() : padded<T>(weights, x.rows);
  const TileList tiles({{0, at.rows, 1, x.rows, false}}, ready.pair_work());
  const std::vector<Buffer<T>> memory = buffers<T>(workers.threads(), tile_size);
  const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      ready.fill(0, unit.row, 1, col, e, tile, direct_hint);
      for (std::size_t t = 0; t < terms.size(); ++t) {
        double* sums_of_rows = slot + t * tile_rows;
        if (weights == nullptr) {
          terms[t].ops->row_sums(terms[t].constants, tile, e, sums_of_rows);
        } else {
          Weighing<T> w{};
          w.row_weights = ones.data();
          w.col_weights = col_weights.data() + col;
          w.weight = 1;
          w.row_sums = sums_of_rows;
          terms[t].ops->weigh(terms[t].constants, tile, e, w);
        }
      }
    });
  };
  std::vector<double> sums(terms.size() * static_cast<std::size_t>(at.rows));
  const auto sums_of = [&](std::size_t t) {
    return sums.data() + t * static_cast<std::size_t>(at.rows);
  };
  const auto merge = [&](const TileList::Unit& unit, const double* slot) {
    for (std::size_t t = 0; t < terms.size(); ++t, slot += tile_rows) {
      double* to = sums_of(t) + unit.row;
      std::transform(slot, slot + unit.rows, to, to, std::plus<>());
    }
  };
  if (!run_ordered(workers, tiles, terms.size() * tile_rows, share, work, merge)) {
    return false;
  }
  const double pairs = weights == nullptr ? static_cast<double>(x.rows)
                                          : std::accumulate(weights, weights + x.rows, 0.0);
  if (!std::all_of(sums.begin(), sums.end(), [&](double s) { return ready.holds(s, pairs); })) {
    Buffer<double> at_memory;
    Buffer<double> x_memory;
    const MatrixView<double> wide_at = widen(workers, at, at_memory);
    const MatrixView<double> wide_x = widen(workers, x, x_memory);
    return !workers.stopped() &&
           add_row_sums(workers, wide_at, wide_x, weights, group, Formula::plain, 0, out);
  }
  for (std::size_t t = 0; t < terms.size(); ++t) {
    double* to = out + terms[t].output * at.rows;
    std::transform(to, to + at.rows, sums_of(t), to,
                   [&](double total, double sum) { return total + terms[t].weight * sum; });
  }
  return true;
}

}  // namespace

template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const double* weights,
              const std::vector<KernelGroup>& groups, int n_outputs, double* out,
              const Options& options) {
  check<T>({at, x}, groups, n_outputs);
  std::fill(out, out + n_outputs * at.rows, 0.0);
  const double pairs = static_cast<double>(at.rows) * static_cast<double>(x.rows);
  Workers workers(options, total_work(groups, x.cols, pairs));
  const double share = 1.0 / static_cast<double>(groups.size());
  return std::all_of(groups.begin(), groups.end(), [&](const KernelGroup& group) {
    return add_row_sums(workers, at, x, weights, group, Formula::automatic, share, out);
  });
}

template bool row_sums(MatrixView<float>, MatrixView<float>, const double*,
                       const std::vector<KernelGroup>&, int, double*, const Options&);
template bool row_sums(MatrixView<double>, MatrixView<double>, const double*,
                       const std::vector<KernelGroup>&, int, double*, const Options&);

}  // namespace fastdiv
