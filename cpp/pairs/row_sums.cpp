#include <algorithm>
#include <functional>
#include <numeric>

#include "fastdiv/pair_sums.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of row_sums.
template <class T>
bool add_row_sums(Workers& workers, const std::vector<MatrixView<T>>& samples,
                  const double* weights, const KernelGroup& group, Formula formula, double share,
                  double* out) {
  const ptrdiff_t n_at = samples[0].rows;
  const ptrdiff_t n = samples[1].rows;
  const ReadyGroup<T> ready(workers, samples, group, formula);
  const auto& terms = ready.terms();
  const std::vector<T> ones(tile_rows, T{1});
  const std::vector<T> col_weights = weights == nullptr ? std::vector<T>() : padded<T>(weights, n);
  const TileList tiles({{0, n_at, 1, n, false}}, ready.pair_work(), ready.row_bytes());
  const auto reduce = [&](const Tile<T>& tile) {
    for (std::size_t t = 0; t < terms.size(); ++t) {
      double* strip_sums = tile.slot + t * tile_rows;
      if (weights == nullptr) {
        terms[t].ops->row_sums(terms[t].constants, tile.values, tile.extent, strip_sums);
      } else {
        Weighing<T> w{};
        w.row_weights = ones.data();
        w.col_weights = col_weights.data() + tile.col;
        w.weight = 1;
        w.row_sums = strip_sums;
        terms[t].ops->weigh(terms[t].constants, tile.values, tile.extent, w);
      }
    }
  };
  std::vector<double> sums(terms.size() * static_cast<std::size_t>(n_at));
  const auto term_sums = [&](std::size_t t) {
    return sums.data() + t * static_cast<std::size_t>(n_at);
  };
  const auto merge = [&](const TileList::Unit& unit, const double* slot) {
    for (std::size_t t = 0; t < terms.size(); ++t, slot += tile_rows) {
      double* to = term_sums(t) + unit.row;
      std::transform(slot, slot + unit.rows, to, to, std::plus<>());
    }
  };
  if (!walk_tiles<T>(workers, ready, tiles, {terms.size() * tile_rows, share, 0}, reduce, merge)) {
    return false;
  }
  const double pairs =
      weights == nullptr ? static_cast<double>(n) : std::accumulate(weights, weights + n, 0.0);
  std::vector<double> largest_mean;
  std::vector<int> again;  // outputs that T cannot hold
  for (std::size_t t = 0; t < terms.size(); ++t) {
    const double* first = term_sums(t);
    largest_mean.push_back(*std::max_element(first, first + n_at) / pairs);
    if (!std::all_of(first, first + n_at, [&](double s) { return ready.is_accurate(s, pairs); })) {
      again.push_back(terms[t].output);
    }
  }
  for (const int output : ready.deep_outputs(largest_mean)) {
    again.push_back(output);
  }
  for (std::size_t t = 0; t < terms.size(); ++t) {
    if (!contains(again, terms[t].output)) {
      double* to = out + terms[t].output * n_at;
      std::transform(to, to + n_at, term_sums(t), to,
                     [&](double total, double sum) { return total + terms[t].weight * sum; });
    }
  }
  return again.empty() ||
         again_in_double(workers, samples, [&](const std::vector<MatrixView<double>>& wide) {
           return add_row_sums(workers, wide, weights, only(group, again), formula_in_double(group),
                               0, out);
         });
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
  return for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_row_sums<T>(workers, {at, x}, weights, group, Formula::automatic, share, out);
  });
}

template bool row_sums(MatrixView<float>, MatrixView<float>, const double*,
                       const std::vector<KernelGroup>&, int, double*, const Options&);
template bool row_sums(MatrixView<double>, MatrixView<double>, const double*,
                       const std::vector<KernelGroup>&, int, double*, const Options&);

}  // namespace fastdiv
