#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "fastdiv/weighted_sums.hpp"
#include "isa/isa.hpp"
#include "pairs/rows/origin_terms.hpp"
#include "pairs/rows/self_terms.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_rounds.hpp"
#include "pairs/walk/walk_tiles.hpp"

// Sums over weighted pairs, and their gradients. A tile adds to the results of its rows and of its
// columns, so half of the pairs within a sample serve both. `walk_rounds` keeps the order of all
// additions, whatever the number of threads.

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Results of one kernel group at the rows of one sample, output after output. A vector that was not
// requested is empty.
struct Result {
  std::vector<double> within_later;    // over the rows j > i of the same sample
  std::vector<double> within_earlier;  // over its rows j < i
  std::vector<double> between;         // over the rows of the other sample
  std::vector<double> log_slopes[2];   // within, and for x between
  Buffer<double> gradient;             // in panels
};

// Sums and gradients of one kernel group over weighted pairs.
template <class T>
class WeightedGroup {
 public:
  using Samples = const WeightedSample<T>* [2];

  WeightedGroup(Workers& workers, const Samples& samples, const double* factors,
                const KernelGroup& group, Formula formula, bool skip_matched, bool log_slopes)
      : samples_{samples[0], samples[1]},
        skip_matched_(skip_matched),
        log_slopes_(log_slopes),
        ready_(workers, {samples[0]->rows, samples[1]->rows}, group, formula,
               log_slopes         ? Purpose::log_slopes
               : wants_gradient() ? Purpose::gradients
                                  : Purpose::values),
        base_(group.base),
        dim_(samples[0]->rows.cols) {
    for (const ReadyTerm<T>& term : ready_.terms()) {
      const auto existing =
          std::find_if(outputs_.begin(), outputs_.end(),
                       [&](const Output& output) { return output.number == term.output; });
      Output& output = existing == outputs_.end() ? outputs_.emplace_back() : *existing;
      output.number = term.output;
      output.terms.push_back(&term);
      output.unit = std::max(output.unit, std::abs(term.weight));
    }
    const ptrdiff_t total = samples_[0]->rows.rows + samples_[1]->rows.rows;
    part_rows_ = part_rows(total, dim_, outputs_.size(), wants_gradient());
    for (int s = 0; s < 2; ++s) {
      const ptrdiff_t n = samples_[s]->rows.rows;
      weights_[s] = padded<T>(samples_[s]->weights, n);
      const auto all = static_cast<std::size_t>(n) * outputs_.size();
      results_[s].within_later.resize(all);
      results_[s].between.resize(all);
      if (samples_[s]->within != nullptr) {
        results_[s].within_earlier.resize(all);
      }
      if (log_slopes_) {
        results_[s].log_slopes[0].resize(all);
        results_[s].log_slopes[1].resize(all);
      }
      if (samples_[s]->gradient != nullptr) {
        gradient_size_[s] = (n + tile_rows - 1) / tile_rows * tile_rows * dim_;
        results_[s].gradient =
            Buffer<double>(outputs_.size() * static_cast<std::size_t>(gradient_size_[s]));
      }
    }
    parts_ = cut_into_parts<T>({samples_[0]->rows, samples_[1]->rows}, part_rows_);
    // Pairs within a sample count twice: (i, j) and (j, i).
    factors_[0] = 2 * factors[0];
    factors_[1] = 2 * factors[1];
    factors_[2] = factors[2];
  }

  bool run(Workers& workers, double share) {
    for (const Result& result : results_) {
      if (!workers.clear(result.gradient)) {
        return false;
      }
    }
    for (int i = 0; i < workers.threads(); ++i) {
      memory_.emplace_back(part_rows_, dim_, wants_gradient() ? outputs_.size() : 0);
    }
    const auto thread_memory = [&](int thread) -> Memory& {
      Memory& memory = memory_[static_cast<std::size_t>(thread)];
      memory.begin();
      return memory;
    };
    return walk_rounds(
        workers, ready_, parts_, share, 0,
        [&](const PartTile<T>& tile, int thread) { add_tile(tile, thread_memory(thread)); },
        [&](const Part& a, const Part& b, ptrdiff_t row, int rows, int thread) {
          finish(a, b, row, rows, thread_memory(thread).row_spread);
        },
        [&](const Part& a, const Part& b, int thread) {
          finish(b, a, b.first, b.rows, thread_memory(thread).col_spread);
        });
  }

  // Returns the outputs whose sums are not accurate, because T cannot hold small kernel values.
  std::vector<int> inaccurate() const {
    std::vector<int> outputs;
    double total[2];
    for (int s = 0; s < 2; ++s) {
      const double* weights = samples_[s]->weights;
      total[s] = std::accumulate(weights, weights + samples_[s]->rows.rows, 0.0);
    }
    const double pairs[3] = {total[0] * total[0], total[1] * total[1], total[0] * total[1]};
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      bool accurate = true;
      double largest_mean = 0;
      for (int block = 0; block < 3; ++block) {
        const double sum = std::abs(sum_of_block(o, block)) / outputs_[o].unit;
        accurate = accurate && ready_.is_accurate(sum, pairs[block]);
        largest_mean = std::max(largest_mean, sum / pairs[block]);
      }
      for (const ReadyTerm<T>* term : outputs_[o].terms) {
        accurate = accurate && !ready_.is_deep(*term, largest_mean);
      }
      if (!accurate) {
        outputs.push_back(outputs_[o].number);
      }
    }
    return outputs;
  }

  // Adds the part of this group to the requested results, but for some outputs. Returns false when
  // the hook stopped the call.
  bool add_to(Workers& workers, double* out, double* log_slopes,
              const std::vector<int>& left_out) const {
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      const int number = outputs_[o].number;
      if (contains(left_out, number)) {
        continue;
      }
      for (int block = 0; block < 3; ++block) {
        out[3 * number + block] += sum_of_block(o, block);
        if (log_slopes_) {
          log_slopes[3 * number + block] += log_slopes_of_block(o, block);
        }
      }
      for (int s = 0; s < 2; ++s) {
        const ptrdiff_t n = samples_[s]->rows.rows;
        const Result& result = results_[s];
        if (samples_[s]->within != nullptr) {
          for (ptrdiff_t i = 0; i < n; ++i) {
            const auto at = o * static_cast<std::size_t>(n) + static_cast<std::size_t>(i);
            samples_[s]->within[number * n + i] +=
                result.within_later[at] + result.within_earlier[at];
            samples_[s]->between[number * n + i] += result.between[at];
          }
        }
        if (samples_[s]->gradient != nullptr) {
          add_gradient(workers, o, s);
        }
      }
    }
    return !workers.stopped();
  }

 private:
  struct Output {
    int number = 0;
    std::vector<const ReadyTerm<T>*> terms;
    double unit = 0;  // the largest weight; slopes are relative to it
  };

  // Buffers of one thread.
  struct Memory {
    Memory(ptrdiff_t rows, ptrdiff_t dim, std::size_t n_outputs)
        : slopes(tile_size),
          transposed(tile_size),
          row_spread(n_outputs * tile_rows * static_cast<std::size_t>(dim + 1)),
          col_spread(n_outputs * static_cast<std::size_t>(rows * (dim + 1))) {}
    // Clears the memory once, on the thread that uses it.
    void begin() {
      if (!begun) {
        std::fill(row_spread.data(), row_spread.data() + row_spread.size(), T{0});
        std::fill(col_spread.data(), col_spread.data() + col_spread.size(), T{0});
        begun = true;
      }
    }
    Buffer<T> slopes;
    Buffer<T> transposed;
    Buffer<T> row_spread;  // gradients of a strip of rows, from the columns of a part
    Buffer<T> col_spread;  // gradients of the columns of a part, from the rows of another
    bool begun = false;
  };

  bool wants_gradient() const {
    return samples_[0]->gradient != nullptr || samples_[1]->gradient != nullptr;
  }

  double sum_of_block(std::size_t o, int block) const {
    const int s = block == 1 ? 1 : 0;
    const ptrdiff_t n = samples_[s]->rows.rows;
    const std::vector<double>& sums = block == 2 ? results_[0].between : results_[s].within_later;
    const double* output_sums = sums.data() + o * static_cast<std::size_t>(n);
    const double weighted =
        std::inner_product(samples_[s]->weights, samples_[s]->weights + n, output_sums, 0.0);
    return block == 2 ? weighted : 2 * weighted;
  }

  double log_slopes_of_block(std::size_t o, int block) const {
    const int s = block == 1 ? 1 : 0;
    const ptrdiff_t n = samples_[s]->rows.rows;
    const double* rows =
        results_[s].log_slopes[block == 2 ? 1 : 0].data() + static_cast<ptrdiff_t>(o) * n;
    const double sum = std::accumulate(rows, rows + n, 0.0) * outputs_[o].unit;
    return block == 2 ? sum : 2 * sum;
  }

  void add_tile(const PartTile<T>& tile, Memory& memory) {
    const TileOps<T>& ops = isa().ops<T>();
    const int s = tile.a.sample;
    const int t = tile.b.sample;
    const ptrdiff_t row = tile.row;
    const ptrdiff_t col = tile.col;
    Extent e = tile.extent;
    if (skip_matched_ && s != t) {
      e.gap = matched_gap(row, col);
    }
    const bool direct = tile.direct;
    const bool row_gradients = samples_[s]->gradient != nullptr;
    const bool col_gradients = samples_[t]->gradient != nullptr;
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      Result& x = results_[s];
      Result& y = results_[t];
      const auto at = [&](int sample, ptrdiff_t i) {
        return o * static_cast<std::size_t>(samples_[sample]->rows.rows) +
               static_cast<std::size_t>(i);
      };
      Weighing<T> w{};
      w.row_weights = weights_[s].data() + row;
      w.col_weights = weights_[t].data() + col;
      w.row_sums = (s == t ? x.within_later : x.between).data() + at(s, row);
      if (samples_[t]->within != nullptr) {
        w.col_sums = (s == t ? y.within_earlier : y.between).data() + at(t, col);
      }
      w.slopes = row_gradients || col_gradients || log_slopes_ ? memory.slopes.data() : nullptr;
      w.first = true;
      for (const ReadyTerm<T>* term : outputs_[o].terms) {
        w.weight = term->weight;
        w.slope_weight = static_cast<T>(term->weight / outputs_[o].unit);
        term->ops->weigh(term->constants, tile.values, e, w);
        w.first = false;
      }
      if (log_slopes_) {
        ops.row_products(memory.slopes.data(), tile.values, e,
                         x.log_slopes[s == t ? 0 : 1].data() + at(s, row));
      }
      const auto spread = !direct             ? ops.spread
                          : base_ == Base::l1 ? ops.spread_signs
                                              : ops.spread_differences;
      SpreadOperands<T> operands{};
      operands.difference_unit = ready_.difference_unit();
      operands.dim = dim_;
      if (col_gradients) {
        operands.tile = memory.slopes.data();
        operands.leading = tile_cols;
        operands.rows = e.rows;
        operands.cols = e.cols;
        operands.x = ready_.rows(s, row, direct);
        operands.y = direct ? ready_.rows(t, col, true) : nullptr;
        operands.out = memory.col_spread.data() +
                       (static_cast<ptrdiff_t>(o) * part_rows_ + col - tile.b.first) * (dim_ + 1);
        spread(operands);
      }
      if (row_gradients) {
        ops.transpose(memory.slopes.data(), memory.transposed.data());
        operands.tile = memory.transposed.data();
        operands.leading = tile_rows;
        operands.rows = e.cols;
        operands.cols = e.rows;
        operands.x = ready_.rows(t, col, direct);
        operands.y = direct ? ready_.rows(s, row, true) : nullptr;
        operands.out =
            memory.row_spread.data() + static_cast<ptrdiff_t>(o) * tile_rows * (dim_ + 1);
        spread(operands);
      }
    }
  }

  // Adds the gradients spread over rows [first, first + rows) of a part to those of its sample.
  void finish(const Part& part, const Part& other, ptrdiff_t first, ptrdiff_t rows,
              const Buffer<T>& spread) {
    if (samples_[part.sample]->gradient == nullptr) {
      return;
    }
    const TileOps<T>& ops = isa().ops<T>();
    const double factor = factors_[part.sample != other.sample ? 2 : part.sample];
    const auto output_size = static_cast<ptrdiff_t>(spread.size() / outputs_.size());
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      double* gradient = results_[part.sample].gradient.data() +
                         static_cast<ptrdiff_t>(o) * gradient_size_[part.sample] + first * dim_;
      for (ptrdiff_t i = 0; i < rows; i += ops.panel) {
        T* panel = spread.data() + static_cast<ptrdiff_t>(o) * output_size + i * (dim_ + 1);
        const T* x = base_ == Base::sqdist ? ready_.rows(part.sample, first + i, false) : nullptr;
        ops.finish_spread(panel, x, dim_, base_ == Base::dot ? -factor : factor,
                          gradient + i * dim_);
      }
    }
  }

  void add_gradient(Workers& workers, std::size_t o, int s) const {
    const int panel = isa().ops<T>().panel;
    const ptrdiff_t n = samples_[s]->rows.rows;
    const double* from =
        results_[s].gradient.data() + static_cast<ptrdiff_t>(o) * gradient_size_[s];
    T* to = samples_[s]->gradient + outputs_[o].number * n * dim_;
    const auto add_strip = [&](std::int64_t strip, int) {
      for (ptrdiff_t i = strip * tile_rows; i < std::min(n, (strip + 1) * tile_rows); ++i) {
        const double* row = from + i / panel * panel * dim_ + i % panel;
        for (ptrdiff_t k = 0; k < dim_; ++k) {
          const double unit = ready_.unit()[static_cast<std::size_t>(k)] * outputs_[o].unit;
          to[i * dim_ + k] += static_cast<T>(row[k * panel] * unit);
        }
      }
    };
    workers.for_each((n + tile_rows - 1) / tile_rows, 0, add_strip,
                     6 * static_cast<double>(n * dim_));
  }

  Samples samples_;
  bool skip_matched_;
  bool log_slopes_;
  ReadyGroup<T> ready_;
  Base base_;
  ptrdiff_t dim_;
  std::vector<Output> outputs_;
  std::vector<T> weights_[2];
  Result results_[2];
  ptrdiff_t gradient_size_[2] = {};
  std::vector<Part> parts_;
  ptrdiff_t part_rows_ = 0;
  double factors_[3];
  std::vector<Memory> memory_;
};

// A sample in double precision, with a gradient of its own.
template <class T>
struct Widened {
  Widened(const WeightedSample<T>& x, const MatrixView<double>& rows, int n_outputs)
      : gradient(x.gradient == nullptr ? 0
                                       : static_cast<std::size_t>(n_outputs * x.rows.rows) *
                                             static_cast<std::size_t>(x.rows.cols)),
        sample{rows, x.weights, x.within, x.between,
               x.gradient == nullptr ? nullptr : gradient.data()} {}

  void add_gradient_to(const WeightedSample<T>& x) const {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      x.gradient[i] += static_cast<T>(gradient[i]);
    }
  }

  Buffer<double> gradient;
  WeightedSample<double> sample;
};

template <class T>
bool add_weighted_sums(Workers& workers, const WeightedSample<T>& x, const WeightedSample<T>& y,
                       const double* factors, const KernelGroup& group, int n_outputs,
                       Formula formula, Pairs pairs, double share, double* out,
                       double* log_slopes) {
  std::vector<int> again;
  {
    WeightedGroup<T> sums(workers, {&x, &y}, factors, group, formula, pairs == Pairs::off_diagonal,
                          log_slopes != nullptr);
    if (!sums.run(workers, share)) {
      return false;
    }
    again = sums.inaccurate();
    if (!sums.add_to(workers, out, log_slopes, again)) {
      return false;
    }
  }
  if (again.empty()) {
    return true;
  }
  return again_in_double<T>(
      workers, {x.rows, y.rows}, [&](const std::vector<MatrixView<double>>& wide) {
        const Widened<T> wide_x(x, wide[0], n_outputs);
        const Widened<T> wide_y(y, wide[1], n_outputs);
        if (!workers.clear(wide_x.gradient) || !workers.clear(wide_y.gradient)) {
          return false;
        }
        if (!add_weighted_sums(workers, wide_x.sample, wide_y.sample, factors, only(group, again),
                               n_outputs, formula_in_double(group), pairs, 0, out, log_slopes)) {
          return false;
        }
        wide_x.add_gradient_to(x);
        wide_y.add_gradient_to(y);
        return true;
      });
}

}  // namespace

template <class T>
bool weighted_sums(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* counts,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* values, double* log_slopes, const Options& options, Pairs pairs) {
  check<T>({x.rows, y.rows}, groups, n_outputs);
  check_matched(x.rows.rows, y.rows.rows, pairs);
  std::fill(out, out + 3 * n_outputs, 0.0);
  if (log_slopes != nullptr) {
    std::fill(log_slopes, log_slopes + 3 * n_outputs, 0.0);
    if (std::any_of(groups.begin(), groups.end(),
                    [](const KernelGroup& group) { return group.base == Base::dot; })) {
      throw std::invalid_argument("kernels of dot products have no log-slopes");
    }
  }
  for (const WeightedSample<T>* sample : {&x, &y}) {
    const ptrdiff_t values = n_outputs * sample->rows.rows;
    if (sample->within != nullptr) {
      std::fill(sample->within, sample->within + values, 0.0);
      std::fill(sample->between, sample->between + values, 0.0);
    }
    if (sample->gradient != nullptr) {
      if (sample->rows.quantized != nullptr) {
        throw std::invalid_argument("quantised rows have no gradient");
      }
    }
  }
  const auto n = static_cast<double>(x.rows.rows + y.rows.rows);
  Workers workers(options, total_work(groups, x.rows.cols, n * n / 2));
  for (const WeightedSample<T>* sample : {&x, &y}) {
    if (sample->gradient != nullptr &&
        !workers.clear(sample->gradient, n_outputs * sample->rows.rows * sample->rows.cols)) {
      return false;
    }
  }
  const double factors[3] = {1 / counts[0], 1 / counts[1], -2 / counts[2]};
  const bool finished = for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_weighted_sums(workers, x, y, factors, group, n_outputs, Formula::automatic, pairs,
                             share, out, log_slopes);
  });
  if (!finished) {
    return false;
  }
  if (pairs == Pairs::all) {
    int block = 0;
    for (const WeightedSample<T>* sample : {&x, &y}) {
      if (!add_self_terms(workers, sample->rows, sample->weights, groups, n_outputs, out + block,
                          sample->within) ||
          !add_self_gradients(workers, *sample, factors[block], groups)) {
        return false;
      }
      ++block;
    }
  }
  if (values == nullptr) {
    return true;
  }
  for (int o = 0; o < n_outputs; ++o) {
    const double* sums = out + 3 * o;
    values[o] = sums[0] / counts[0] + sums[1] / counts[1] - 2 * (sums[2] / counts[2]);
  }
  return pairs == Pairs::all || add_origin_terms(workers, x, y, counts, groups, pairs, out, values);
}

#define FASTDIV_INSTANTIATE(T)                                                                   \
  template bool weighted_sums(const WeightedSample<T>&, const WeightedSample<T>&, const double*, \
                              const std::vector<KernelGroup>&, int, double*, double*, double*,   \
                              const Options&, Pairs);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
