#include <algorithm>
#include <cmath>
#include <functional>

#include "fastdiv/pair_sums.hpp"
#include "pairs/rows/self_terms.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of pair_sums.
template <class T>
bool add_pair_sums(Workers& workers, const std::vector<MatrixView<T>>& samples,
                   const std::vector<Block>& blocks, const KernelGroup& group, Formula formula,
                   double share, double* out) {
  const ReadyGroup<T> ready(workers, samples, group, formula);
  const auto& terms = ready.terms();
  const TileList tiles(blocks, ready.pair_work(), ready.row_bytes());
  const auto reduce = [&](const Tile<T>& tile) {
    for (std::size_t t = 0; t < terms.size(); ++t) {
      terms[t].ops->sum(terms[t].constants, tile.values, tile.extent, tile.slot + t);
    }
  };
  std::vector<double> sums(blocks.size() * terms.size());
  const auto merge = [&](const TileList::Unit& unit, const double* slot) {
    double* to = sums.data() + static_cast<std::size_t>(unit.block) * terms.size();
    std::transform(slot, slot + terms.size(), to, to, std::plus<>());
  };
  if (!walk_tiles<T>(workers, ready, tiles, {terms.size(), share, 0}, reduce, merge)) {
    return false;
  }
  std::vector<double> largest_mean(terms.size());
  std::vector<int> again;  // outputs that T cannot hold
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double pairs = blocks[i / terms.size()].pairs();
    const std::size_t t = i % terms.size();
    largest_mean[t] = std::max(largest_mean[t], std::abs(sums[i]) / std::max(pairs, 1.0));
    if (!ready.is_accurate(sums[i], pairs)) {
      again.push_back(terms[t].output);
    }
  }
  for (const int output : ready.deep_outputs(largest_mean)) {
    again.push_back(output);
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t block = i / terms.size();
    const ReadyTerm<T>& term = terms[i % terms.size()];
    if (!contains(again, term.output)) {
      out[3 * static_cast<std::size_t>(term.output) + block] +=
          (blocks[block].symmetric ? 2 : 1) * term.weight * sums[i];
    }
  }
  return again.empty() ||
         again_in_double(workers, samples, [&](const std::vector<MatrixView<double>>& wide) {
           return add_pair_sums(workers, wide, blocks, only(group, again), formula_in_double(group),
                                0, out);
         });
}

}  // namespace

template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
               int n_outputs, double* out, const Options& options, Pairs pairs) {
  check<T>({x, y}, groups, n_outputs);
  check_matched(x.rows, y.rows, pairs);
  std::fill(out, out + 3 * n_outputs, 0.0);
  const std::vector<Block> blocks = {{0, x.rows, 0, x.rows, true},
                                     {1, y.rows, 1, y.rows, true},
                                     {0, x.rows, 1, y.rows, false, pairs == Pairs::off_diagonal}};
  double n_pairs = 0;
  for (const Block& block : blocks) {
    n_pairs += block.pairs();
  }
  Workers workers(options, total_work(groups, x.cols, n_pairs));
  const bool finished = for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_pair_sums<T>(workers, {x, y}, blocks, group, Formula::automatic, share, out);
  });
  return finished &&
         (pairs != Pairs::all || (add_self_terms(workers, x, nullptr, groups, n_outputs, out) &&
                                  add_self_terms(workers, y, nullptr, groups, n_outputs, out + 1)));
}

template <class T>
bool mmd2(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups, int n_outputs,
          double* out, const Options& options, Pairs pairs) {
  std::vector<double> sums(3 * static_cast<std::size_t>(n_outputs));
  if (!pair_sums(x, y, groups, n_outputs, sums.data(), options, pairs)) {
    return false;
  }
  const double left_out = pairs == Pairs::all ? 0 : 1;
  const auto n = static_cast<double>(x.rows);
  const auto m = static_cast<double>(y.rows);
  const double within_x = n * (n - left_out);
  const double within_y = m * (m - left_out);
  const double between = pairs == Pairs::off_diagonal ? within_x : n * m;
  for (int o = 0; o < n_outputs; ++o) {
    const double* of_output = sums.data() + 3 * o;
    out[o] = of_output[0] / within_x + of_output[1] / within_y - 2 * (of_output[2] / between);
  }
  return true;
}

template bool pair_sums(MatrixView<float>, MatrixView<float>, const std::vector<KernelGroup>&, int,
                        double*, const Options&, Pairs);
template bool pair_sums(MatrixView<double>, MatrixView<double>, const std::vector<KernelGroup>&,
                        int, double*, const Options&, Pairs);
template bool mmd2(MatrixView<float>, MatrixView<float>, const std::vector<KernelGroup>&, int,
                   double*, const Options&, Pairs);
template bool mmd2(MatrixView<double>, MatrixView<double>, const std::vector<KernelGroup>&, int,
                   double*, const Options&, Pairs);

}  // namespace fastdiv
