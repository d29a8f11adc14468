#include "fastdiv/engine.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of pair_sums.
template <class T>
bool add_pair_sums(Workers& workers, const MatrixView<T>& x, const MatrixView<T>& y,
                   const std::vector<Block>& blocks, const Group& group, Formula formula,
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

// Adds a group's part to the result of row_sums.
template <class T>
bool add_row_sums(Workers& workers, const MatrixView<T>& at, const MatrixView<T>& x,
                  const double* weights, const Group& group, Formula formula, double share,
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
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups, int n_outputs,
               double* out, const Options& options) {
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
  return std::all_of(groups.begin(), groups.end(), [&](const Group& group) {
    return add_pair_sums(workers, x, y, blocks, group, Formula::automatic, share, out);
  });
}

template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const double* weights,
              const std::vector<Group>& groups, int n_outputs, double* out,
              const Options& options) {
  check<T>({at, x}, groups, n_outputs);
  std::fill(out, out + n_outputs * at.rows, 0.0);
  const double pairs = static_cast<double>(at.rows) * static_cast<double>(x.rows);
  Workers workers(options, total_work(groups, x.cols, pairs));
  const double share = 1.0 / static_cast<double>(groups.size());
  return std::all_of(groups.begin(), groups.end(), [&](const Group& group) {
    return add_row_sums(workers, at, x, weights, group, Formula::automatic, share, out);
  });
}

namespace {

// The base value of row i of x and row i of y in units of length, from differences, in double
// precision.
template <class T>
double tile_value(const Group& group, const MatrixView<T>& x, const MatrixView<T>& y, ptrdiff_t i,
                  double length) {
  double value = 0;
  for (ptrdiff_t k = 0; k < x.cols; ++k) {
    const double weight = group.scale.empty() ? 1 : group.scale[static_cast<std::size_t>(k)];
    const double a = static_cast<double>(x(i, k));
    const double b = static_cast<double>(y(i, k));
    const double difference = (a - b) * weight / length;
    value += group.base == Base::dot  ? a * weight / length * (b * weight / length)
             : group.base == Base::l1 ? std::abs(difference)
                                      : 0.5 * difference * difference;
  }
  return value;
}

}  // namespace

template <class T>
bool paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups,
                   int n_outputs, double* out, const Options& options) {
  check<T>({x, y}, groups, n_outputs);
  if (x.rows != y.rows) {
    throw std::invalid_argument("paired samples need the same number of rows");
  }
  const ptrdiff_t n = x.rows;
  std::fill(out, out + n_outputs * n, 0.0);
  Workers workers(options, total_work(groups, x.cols, static_cast<double>(n)));
  std::vector<double> values(static_cast<std::size_t>(n));
  // Runs visit(begin, end) on parts of the rows, each as long as a row of a tile.
  const auto for_each_part = [&](double share, const auto& visit) {
    return workers.for_each((n + tile_cols - 1) / tile_cols, share, [&](std::int64_t part, int) {
      visit(part * tile_cols, std::min(n, (part + 1) * tile_cols));
    });
  };
  const double share = 1.0 / static_cast<double>(groups.size());
  for (const Group& group : groups) {
    const Frame frame = make_frame<T>(workers, {x, y}, group.base != Base::dot, group.scale);
    const double length = 1 / frame.scale;
    for_each_part(share, [&](ptrdiff_t begin, ptrdiff_t end) {
      for (ptrdiff_t i = begin; i < end; ++i) {
        values[static_cast<std::size_t>(i)] = tile_value(group, x, y, i, length);
      }
    });
    if (workers.stopped()) {
      return false;
    }
    // A dot product needs no unit: single values may be as small as double can hold.
    double bound = group.base == Base::dot ? HUGE_VAL : 0;
    for (const double value : values) {
      bound = std::max(bound, std::abs(value));
    }
    for (const Term& term : group.terms) {
      const ReadyTerm<double> ready = make_ready<double>(term, length, bound);
      double* to = out + term.output * n;
      for_each_part(0, [&](ptrdiff_t begin, ptrdiff_t end) {
        double tile[tile_cols] = {};
        std::copy(values.data() + begin, values.data() + end, tile);
        ready.ops->map(ready.constants, tile, tile, 1, static_cast<int>(end - begin), ready.weight,
                       false);
        std::transform(to + begin, to + end, tile, to + begin, std::plus<>());
      });
    }
  }
  return !workers.stopped();
}

template <class T>
std::int64_t first_nonfinite(MatrixView<T> x) {
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    // x - x is 0 for every finite x and NaN otherwise; the sum keeps the inner loop free of
    // branches.
    T sum = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      sum += x(i, k) - x(i, k);
    }
    if (sum != 0 || sum != sum) {
      for (ptrdiff_t k = 0; k < x.cols; ++k) {
        if (!std::isfinite(x(i, k))) {
          return i * x.cols + k;
        }
      }
    }
  }
  return -1;
}

#define FASTDIV_INSTANTIATE(T)                                                                   \
  template bool pair_sums(MatrixView<T>, MatrixView<T>, const std::vector<Group>&, int, double*, \
                          const Options&);                                                       \
  template bool row_sums(MatrixView<T>, MatrixView<T>, const double*, const std::vector<Group>&, \
                         int, double*, const Options&);                                          \
  template bool paired_values(MatrixView<T>, MatrixView<T>, const std::vector<Group>&, int,      \
                              double*, const Options&);                                          \
  template std::int64_t first_nonfinite(MatrixView<T>);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
