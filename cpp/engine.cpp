#include "engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "packing.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

// The accuracy contract for sums of kernel values, relative.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

template <class T>
const KernelOps<T>& find_kernel(const Term& term, Base base) {
  const TileOps<T>& ops = isa().ops<T>();
  for (int k = 0; k < ops.n_kernels; ++k) {
    const KernelOps<T>& kernel = ops.kernels[k];
    if (term.kernel == kernel.name) {
      if (kernel.base != base) {
        throw std::invalid_argument("kernel '" + term.kernel + "' is in a group of another base");
      }
      if (term.params.size() != static_cast<std::size_t>(kernel.n_params)) {
        throw std::invalid_argument("kernel '" + term.kernel + "' takes " +
                                    std::to_string(kernel.n_params) + " parameters, got " +
                                    std::to_string(term.params.size()));
      }
      return kernel;
    }
  }
  throw std::invalid_argument("unknown kernel '" + term.kernel + "'");
}

void check_group(const Group& group, ptrdiff_t dim, int n_outputs) {
  if (!group.scale.empty() && group.scale.size() != static_cast<std::size_t>(dim)) {
    throw std::invalid_argument("a group's scale needs one entry per feature");
  }
  for (const Term& term : group.terms) {
    if (term.output < 0 || term.output >= n_outputs) {
      throw std::invalid_argument("a term's output is out of range");
    }
  }
}

template <class T>
void check_sample(const MatrixView<T>& x, ptrdiff_t dim) {
  if (x.rows < 1 || x.cols < 1 || x.cols != dim) {
    throw std::invalid_argument("samples need at least one row and the same number of features");
  }
}

// A term whose constants are known.
template <class T>
struct ReadyTerm {
  const KernelOps<T>* ops;
  double constants[max_constants];
  double weight;  // of the mapped values: the term's weight times constants[0]
  int output;
};

// A group whose samples are packed: fills tiles of base values and maps them.
template <class T>
class ReadyGroup {
 public:
  ReadyGroup(Workers& workers, const std::vector<MatrixView<T>>& samples, const Group& group,
             bool always_direct = false)
      : base_(group.base), dim_(samples[0].cols) {
    for (const Term& term : group.terms) {
      find_kernel<T>(term, base_);
    }
    const Frame frame = make_frame(workers, samples, base_ != Base::dot, group.scale);
    if (!always_direct && base_ != Base::l1) {
      double norm = 0;
      for (const MatrixView<T>& x : samples) {
        packed_.push_back(pack_centred(workers, x, frame));
        norm = std::max(norm, packed_.back().max_norm);
      }
      bound_ = 2 * norm * (base_ == Base::sqdist ? 2 : 1);
    } else {
      packed_.resize(samples.size());
      const double reach = 2 * static_cast<double>(dim_);  // every scaled difference is below 2
      bound_ = base_ == Base::l1 ? reach : reach * reach;
    }
    unit_ = base_ == Base::l1 ? 1 / frame.scale : 1 / frame.scale / frame.scale;
    unit_ *= base_ == Base::sqdist ? 2 : 1;
    prepare_terms(group);

    error_per_norm_ = std::numeric_limits<T>::epsilon() / 2 *
                      (2 + 0.5 * std::sqrt(static_cast<double>(dim_)));
    may_cancel_ = base_ == Base::sqdist && !always_direct && too_inaccurate(bound_ / 2, 0);
    direct_ = base_ == Base::l1 || always_direct;
    if (may_cancel_ || direct_) {
      for (std::size_t s = 0; s < samples.size(); ++s) {
        pack_raw(workers, samples[s], frame, packed_[s]);
      }
      scale_differences(frame);
    }
  }

  const std::vector<ReadyTerm<T>>& terms() const { return terms_; }
  double unit() const { return unit_; }
  // Multiply-adds to a pair, counting a kernel value as 10.
  double pair_work() const { return static_cast<double>(dim_) + 10.0 * (1.0 + static_cast<double>(terms_.size())); }

  // From here on all tiles come from one formula: exact ties between pairs need that.
  void fix_formula() { direct_ = direct_ || may_cancel_; }

  // Fills the tile of rows [i, i + e.rows) of sample s and [j, j + e.cols) of sample t.
  // `direct_hint` carries from tile to tile: after one tile had to be done again by differences,
  // its neighbours start there.
  void fill(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e, T* tile, bool& direct_hint) const {
    const TileOps<T>& ops = isa().ops<T>();
    if (base_ == Base::dot) {
      return ops.dot(operands(s, i, t, j, e, false), tile);
    }
    if (direct_) {
      return (base_ == Base::l1 ? ops.l1 : ops.sqdist_direct)(operands(s, i, t, j, e, true), tile);
    }
    const double norms = may_cancel_ ? largest_norm(s, i, e.rows) + largest_norm(t, j, e.cols) : 0;
    const bool risky = may_cancel_ && too_inaccurate(norms, 0);
    if (!risky || !direct_hint) {
      ops.sqdist(operands(s, i, t, j, e, false), tile);
      // The smallest value may itself be off by some multiples of the typical error.
      if (!risky || !too_inaccurate(norms, static_cast<double>(ops.smallest(tile, e)) -
                                               8 * error_per_norm_ * norms)) {
        return;
      }
      direct_hint = true;
    }
    ops.sqdist_direct(operands(s, i, t, j, e, true), tile);
  }

 private:
  void prepare_terms(const Group& group) {
    for (const Term& term : group.terms) {
      ReadyTerm<T> ready{&find_kernel<T>(term, base_), {}, 0, term.output};
      double params[max_params] = {};
      std::copy(term.params.begin(), term.params.end(), params);
      ready.ops->prepare(params, unit_, bound_, ready.constants);
      ready.weight = term.weight * ready.constants[0];
      terms_.push_back(ready);
    }
  }

  // The rounding error of a half squared distance from norms and products is about
  // u*(2 + sqrt(d)/2) times the sum of the half norms: rounded inputs and norms, and a random walk
  // of d roundings of partial sums of that size.
  bool too_inaccurate(double norms, double smallest) const {
    const double error = error_per_norm_ * norms;
    smallest = std::max(smallest, 0.0);
    for (const ReadyTerm<T>& term : terms_) {
      if (!(term.ops->sensitivity(term.constants, smallest) * error <= tolerance<T>)) {
        return true;
      }
    }
    return false;
  }

  double largest_norm(int sample, ptrdiff_t first, int rows) const {
    const auto& norms = packed_[static_cast<std::size_t>(sample)].strip_norm;
    double largest = 0;
    for (ptrdiff_t row = first; row < first + rows; row += tile_rows) {
      largest = std::max(largest, norms[static_cast<std::size_t>(row / tile_rows)]);
    }
    return largest;
  }

  void scale_differences(const Frame& frame) {
    int exponent = 0;
    if (!frame.feature_scale.empty()) {
      std::frexp(*std::max_element(frame.feature_scale.begin(), frame.feature_scale.end()), &exponent);
      for (const double weight : frame.feature_scale) {
        feature_scale_.push_back(static_cast<T>(std::ldexp(weight, -exponent)));
      }
    }
    const double ratio = std::ldexp(frame.scale / frame.raw_scale, exponent);
    factor_ = static_cast<T>(base_ == Base::l1 ? ratio : 0.5 * ratio * ratio);
  }

  TileOperands<T> operands(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e, bool raw) const {
    const Packed<T>& x = packed_[static_cast<std::size_t>(s)];
    const Packed<T>& y = packed_[static_cast<std::size_t>(t)];
    TileOperands<T> o{};
    o.x = (raw ? x.raw : x.centred).data() + i * dim_;
    o.y = (raw ? y.raw : y.centred).data() + j * dim_;
    if (!raw) {
      o.x_bias = x.half_norm.data() + i;
      o.y_bias = y.half_norm.data() + j;
    }
    o.dim = dim_;
    o.rows = e.rows;
    o.cols = e.cols;
    o.feature_scale = feature_scale_.empty() ? nullptr : feature_scale_.data();
    o.factor = factor_;
    return o;
  }

  Base base_;
  ptrdiff_t dim_;
  std::vector<Packed<T>> packed_;
  std::vector<ReadyTerm<T>> terms_;
  double unit_ = 1;   // base value = unit * tile value
  double bound_ = 0;  // of every |tile value|
  double error_per_norm_ = 0;
  bool may_cancel_ = false;
  bool direct_ = false;
  std::vector<T> feature_scale_;
  T factor_ = 1;
};

// Pairs of rows of two samples, or of one with itself (then only i < j).
struct Block {
  int row_sample;
  ptrdiff_t rows;
  int col_sample;
  ptrdiff_t cols;
  bool symmetric;

  double pairs() const {
    const double n = static_cast<double>(rows);
    return symmetric ? n * (n - 1) / 2 : n * static_cast<double>(cols);
  }
};

// The tiles of all blocks cut into units of about equal work: strips of rows by segments of
// columns, numbered in a fixed order.
class TileList {
 public:
  struct Unit {
    int block;
    ptrdiff_t row;
    int rows;
    ptrdiff_t col;
    ptrdiff_t end_col;
  };

  TileList(const std::vector<Block>& blocks, double pair_work) : blocks_(blocks) {
    // 2e7 multiply-adds take a millisecond or less: short against the stop hook's 50 ms, long
    // against handing out a unit.
    const double tiles = 2e7 / (pair_work * tile_rows * tile_cols);
    segment_ = static_cast<ptrdiff_t>(std::clamp(tiles, 1.0, 64.0)) * tile_cols;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      for (ptrdiff_t row = 0; row < blocks[b].rows; row += tile_rows) {
        strips_.push_back({static_cast<int>(b), row, units_});
        units_ += (blocks[b].cols - first_col(blocks[b], row) + segment_ - 1) / segment_;
      }
    }
  }

  std::int64_t size() const { return units_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  double pairs() const {
    double total = 0;
    for (const Block& block : blocks_) {
      total += block.pairs();
    }
    return total;
  }

  Unit operator[](std::int64_t unit) const {
    const auto after = std::upper_bound(
        strips_.begin(), strips_.end(), unit,
        [](std::int64_t u, const Strip& strip) { return u < strip.first_unit; });
    const Strip& strip = *(after - 1);
    const Block& block = blocks_[static_cast<std::size_t>(strip.block)];
    const ptrdiff_t col = first_col(block, strip.row) + (unit - strip.first_unit) * segment_;
    return {strip.block, strip.row,
            static_cast<int>(std::min<ptrdiff_t>(tile_rows, block.rows - strip.row)), col,
            std::min(block.cols, col + segment_)};
  }

  // visit(column, extent) for each tile of a unit.
  template <class Visit>
  void for_each_tile(const Unit& unit, const Visit& visit) const {
    const bool symmetric = blocks_[static_cast<std::size_t>(unit.block)].symmetric;
    for (ptrdiff_t col = unit.col; col < unit.end_col; col += tile_cols) {
      const int cols = static_cast<int>(std::min<ptrdiff_t>(tile_cols, unit.end_col - col));
      const bool on_diagonal = symmetric && col < unit.row + tile_rows;
      visit(col, Extent{unit.rows, cols, on_diagonal ? static_cast<int>(unit.row - col) : no_diagonal});
    }
  }

 private:
  struct Strip {
    int block;
    ptrdiff_t row;
    std::int64_t first_unit;
  };
  static ptrdiff_t first_col(const Block& block, ptrdiff_t row) { return block.symmetric ? row : 0; }

  std::vector<Block> blocks_;
  std::vector<Strip> strips_;
  ptrdiff_t segment_;
  std::int64_t units_ = 0;
};

template <class T>
std::vector<Buffer<T>> buffers(int threads, std::size_t size) {
  std::vector<Buffer<T>> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back(size);
  }
  return all;
}

// Runs work(unit, thread, slot) over all units, each with a zeroed slot of doubles, and merges the
// slots in the order of the units, whoever computed them: the sums depend on neither the number
// of threads nor their timing. A thread works on a slot of its own and publishes it once: slots of
// neighbouring units share cache lines, and writing them tile by tile cost 5 % at d = 2.
template <class Work, class Merge>
bool run_ordered(Workers& workers, const TileList& tiles, std::size_t slot_size, double share,
                 const Work& work, const Merge& merge) {
  constexpr std::int64_t wave = 4096;  // bounds the memory of the slots
  const auto own_slots = buffers<double>(workers.threads(), slot_size);
  std::vector<double> slots(static_cast<std::size_t>(std::min(wave, tiles.size())) * slot_size);
  for (std::int64_t first = 0; first < tiles.size(); first += wave) {
    const std::int64_t n = std::min(wave, tiles.size() - first);
    const double part = share * static_cast<double>(n) / static_cast<double>(tiles.size());
    const bool finished = workers.for_each(n, part, [&](std::int64_t unit, int thread) {
      double* slot = own_slots[static_cast<std::size_t>(thread)].data();
      std::fill(slot, slot + slot_size, 0.0);
      work(tiles[first + unit], thread, slot);
      std::copy(slot, slot + slot_size, slots.data() + static_cast<std::size_t>(unit) * slot_size);
    });
    if (!finished) {
      return false;
    }
    for (std::int64_t unit = 0; unit < n; ++unit) {
      merge(tiles[first + unit], slots.data() + static_cast<std::size_t>(unit) * slot_size);
    }
  }
  return true;
}

constexpr std::size_t tile_size = static_cast<std::size_t>(tile_rows) * tile_cols;

double total_work(const std::vector<Group>& groups, ptrdiff_t dim, double pairs) {
  double terms = 0;
  for (const Group& group : groups) {
    terms += static_cast<double>(group.terms.size());
  }
  return pairs * (static_cast<double>(dim) * static_cast<double>(groups.size()) + 10 * terms);
}

}  // namespace

template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups, int n_outputs,
               double* out, const Options& options) {
  check_sample(x, x.cols);
  check_sample(y, x.cols);
  std::fill(out, out + 3 * n_outputs, 0.0);
  const std::vector<Block> blocks = {
      {0, x.rows, 0, x.rows, true}, {1, y.rows, 1, y.rows, true}, {0, x.rows, 1, y.rows, false}};
  double pairs = 0;
  for (const Block& block : blocks) {
    pairs += block.pairs();
  }
  Workers workers(options, total_work(groups, x.cols, pairs));
  const std::vector<Buffer<T>> memory = buffers<T>(workers.threads(), tile_size);

  for (const Group& group : groups) {
    check_group(group, x.cols, n_outputs);
    const ReadyGroup<T> ready(workers, {x, y}, group);
    const auto& terms = ready.terms();
    const TileList tiles(blocks, ready.pair_work());
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
    const auto merge = [&](const TileList::Unit& unit, const double* slot) {
      const double copies = blocks[static_cast<std::size_t>(unit.block)].symmetric ? 2 : 1;
      for (std::size_t t = 0; t < terms.size(); ++t) {
        out[3 * terms[t].output + unit.block] += copies * terms[t].weight * slot[t];
      }
    };
    const double share = 1.0 / static_cast<double>(groups.size());
    if (!run_ordered(workers, tiles, terms.size(), share, work, merge)) {
      return false;
    }
  }
  return true;
}

template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const std::vector<Group>& groups, int n_outputs,
              double* out, const Options& options) {
  check_sample(at, at.cols);
  check_sample(x, at.cols);
  std::fill(out, out + n_outputs * at.rows, 0.0);
  const std::vector<Block> blocks = {{0, at.rows, 1, x.rows, false}};
  Workers workers(options, total_work(groups, x.cols, blocks[0].pairs()));
  const std::vector<Buffer<T>> memory = buffers<T>(workers.threads(), tile_size);

  for (const Group& group : groups) {
    check_group(group, x.cols, n_outputs);
    const ReadyGroup<T> ready(workers, {at, x}, group);
    const auto& terms = ready.terms();
    const TileList tiles(blocks, ready.pair_work());
    const auto work = [&](const TileList::Unit& unit, int thread, double* slot) {
      T* tile = memory[static_cast<std::size_t>(thread)].data();
      bool direct_hint = false;
      tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
        ready.fill(0, unit.row, 1, col, e, tile, direct_hint);
        for (std::size_t t = 0; t < terms.size(); ++t) {
          terms[t].ops->row_sums(terms[t].constants, tile, e, slot + t * tile_rows);
        }
      });
    };
    const auto merge = [&](const TileList::Unit& unit, const double* slot) {
      for (std::size_t t = 0; t < terms.size(); ++t) {
        double* to = out + terms[t].output * at.rows + unit.row;
        for (int r = 0; r < unit.rows; ++r) {
          to[r] += terms[t].weight * slot[t * tile_rows + static_cast<std::size_t>(r)];
        }
      }
    };
    const double share = 1.0 / static_cast<double>(groups.size());
    if (!run_ordered(workers, tiles, terms.size() * tile_rows, share, work, merge)) {
      return false;
    }
  }
  return true;
}

template <class T>
void paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups,
                   int n_outputs, double* out) {
  check_sample(x, x.cols);
  check_sample(y, x.cols);
  if (x.rows != y.rows) {
    throw std::invalid_argument("paired samples need the same number of rows");
  }
  const auto n = static_cast<std::size_t>(x.rows);
  std::fill(out, out + static_cast<std::size_t>(n_outputs) * n, 0.0);
  std::vector<double> values(n);
  Buffer<double> tile(tile_cols);
  for (const Group& group : groups) {
    check_group(group, x.cols, n_outputs);
    double bound = 0;
    for (ptrdiff_t i = 0; i < x.rows; ++i) {
      double value = 0;
      for (ptrdiff_t k = 0; k < x.cols; ++k) {
        const double scale = group.scale.empty() ? 1 : group.scale[static_cast<std::size_t>(k)];
        const double a = static_cast<double>(x(i, k));
        const double b = static_cast<double>(y(i, k));
        const double difference = (a - b) * scale;
        value += group.base == Base::dot  ? a * scale * (b * scale)
                 : group.base == Base::l1 ? std::abs(difference)
                                          : difference * difference;
      }
      values[static_cast<std::size_t>(i)] = value;
      bound = std::max(bound, std::abs(value));
    }
    for (const Term& term : group.terms) {
      const KernelOps<double>& kernel = find_kernel<double>(term, group.base);
      double params[max_params] = {};
      std::copy(term.params.begin(), term.params.end(), params);
      double constants[max_constants] = {};
      kernel.prepare(params, 1, bound, constants);
      for (std::size_t i = 0; i < n; i += tile_cols) {
        const std::size_t cols = std::min<std::size_t>(tile_cols, n - i);
        std::fill(tile.data(), tile.data() + tile_cols, 0.0);
        std::copy_n(values.data() + i, cols, tile.data());
        kernel.map(constants, tile.data(), tile.data(), 1, static_cast<int>(cols),
                   term.weight * constants[0], false);
        for (std::size_t j = 0; j < cols; ++j) {
          out[static_cast<std::size_t>(term.output) * n + i + j] += tile[j];
        }
      }
    }
  }
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

template <class T>
Peaks measure_peaks(int n_threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  const TileOps<T>& ops = isa().ops<T>();
  Options options;
  options.n_threads = n_threads;
  Workers workers(options, HUGE_VAL);
  const int threads = workers.threads();
  const auto rate = [&](auto&& burst) {
    std::vector<double> done(static_cast<std::size_t>(threads) * 8);  // a cache line each
    const auto begin = Clock::now();
    workers.for_each(threads, 0, [&](std::int64_t, int thread) {
      do {
        done[static_cast<std::size_t>(thread) * 8] += burst(thread);
      } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds / 2);
    });
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    double total = 0;
    for (const double d : done) {
      total += d;
    }
    return total / elapsed;
  };
  const auto memory = buffers<T>(threads, tile_size);
  for (const Buffer<T>& tile : memory) {
    std::fill(tile.data(), tile.data() + tile_size, T{1} / 2);
  }
  const KernelOps<T>& rbf = find_kernel<T>({"rbf", {1.0}, 1, 0}, Base::sqdist);
  double constants[max_constants] = {};
  const double sigma = 1;
  rbf.prepare(&sigma, 2, 1, constants);
  Peaks peaks{};
  peaks.flops = rate([&](int thread) {
    return ops.fma_burst(200000, memory[static_cast<std::size_t>(thread)].data());
  });
  for (const Buffer<T>& tile : memory) {
    std::fill(tile.data(), tile.data() + tile_size, T{1} / 2);
  }
  peaks.maps = rate([&](int thread) {
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    for (int repeat = 0; repeat < 20; ++repeat) {
      rbf.map(constants, tile, tile, tile_rows, tile_cols, T{1}, false);
    }
    return 20.0 * tile_size;
  });
  return peaks;
}

// Quadratic forms ------------------------------------------------------------------------------

namespace {

// One output of quad_forms: its terms, normalised so that |sum of terms| <= 1.
template <class T>
struct Form {
  std::vector<std::pair<std::size_t, T>> terms;  // index into the group's terms, coefficient
  double scale = 1;                              // a power of two
  int limbs = 1;
};

template <class T>
std::vector<Form<T>> make_forms(const std::vector<ReadyTerm<T>>& terms, int n_outputs) {
  std::vector<double> bounds(static_cast<std::size_t>(n_outputs));
  for (const ReadyTerm<T>& term : terms) {
    bounds[static_cast<std::size_t>(term.output)] += std::abs(term.weight);
  }
  std::vector<Form<T>> forms(static_cast<std::size_t>(n_outputs));
  for (std::size_t o = 0; o < forms.size(); ++o) {
    if (bounds[o] > 0) {
      forms[o].scale = std::exp2(std::ceil(std::log2(bounds[o])));
    }
  }
  for (std::size_t t = 0; t < terms.size(); ++t) {
    Form<T>& form = forms[static_cast<std::size_t>(terms[t].output)];
    form.terms.emplace_back(t, static_cast<T>(terms[t].weight / form.scale));
  }
  return forms;
}

template <class T>
void map_form(const std::vector<ReadyTerm<T>>& terms, const Form<T>& form, const T* tile, T* out,
              Extent e) {
  bool accumulate = false;
  for (const auto& [index, coefficient] : form.terms) {
    terms[index].ops->map(terms[index].constants, tile, out, e.rows, e.cols, coefficient, accumulate);
    accumulate = true;
  }
}

// Bits of a limb: |limb| <= 2^22 fits the int32 sums of add_labelled; a sum over N^2 entries has to
// fit an int64.
int limb_bits_for(ptrdiff_t n) {
  const int log2_n = static_cast<int>(std::ceil(std::log2(static_cast<double>(n) + 1)));
  return std::clamp(62 - 2 * log2_n, 4, 22);
}

// How many limbs make the rounding of the entries harmless for their sum: estimated from the tiles
// among four strips spread evenly over the sample.
template <class T>
void choose_limbs(const ReadyGroup<T>& ready, ptrdiff_t n, int limb_bits,
                  std::vector<Form<T>>& forms) {
  constexpr ptrdiff_t sampled = 4;
  const ptrdiff_t strips = (n + tile_rows - 1) / tile_rows;
  const ptrdiff_t step = std::max<ptrdiff_t>(1, strips / sampled);
  Buffer<T> tile(tile_size);
  Buffer<T> mapped(tile_size);
  std::vector<double> sums(forms.size());
  double pairs = 0;
  bool direct_hint = false;
  for (ptrdiff_t a = 0; a < std::min(strips, sampled); ++a) {
    for (ptrdiff_t b = a; b < std::min(strips, sampled); ++b) {
      const ptrdiff_t i = a * step * tile_rows;
      const ptrdiff_t j = b * step * tile_rows;
      const Extent e{static_cast<int>(std::min<ptrdiff_t>(tile_rows, n - i)),
                     static_cast<int>(std::min<ptrdiff_t>(tile_rows, n - j)),
                     a == b ? 0 : no_diagonal};
      ready.fill(0, i, 0, j, e, tile.data(), direct_hint);
      for (std::size_t o = 0; o < forms.size(); ++o) {
        map_form(ready.terms(), forms[o], tile.data(), mapped.data(), e);
        for (int r = 0; r < e.rows; ++r) {
          for (int c = std::max(0, e.diagonal + r + 1); c < e.cols && !forms[o].terms.empty(); ++c) {
            sums[o] += std::abs(static_cast<double>(mapped[static_cast<std::size_t>(r * tile_cols + c)]));
            pairs += o == 0 ? 1 : 0;
          }
        }
      }
    }
  }
  for (std::size_t o = 0; o < forms.size(); ++o) {
    const double mean = sums[o] / std::max(pairs, 1.0);
    // 88 bits hold every bit of any entry that matters beside the largest.
    const double bits = mean > 0 ? -std::log2(tolerance<T> / 4 * mean) - 1 : 88.0;
    forms[o].limbs = static_cast<int>(std::ceil(std::clamp(bits, 1.0, 88.0) / limb_bits));
  }
}

// labels (B x n bytes) as one word of tile_rows bits per strip and labelling, strip-major.
std::vector<std::uint64_t> pack_labels(Workers& workers, const std::uint8_t* labels,
                                       ptrdiff_t n_labellings, ptrdiff_t n) {
  const ptrdiff_t strips = (n + tile_rows - 1) / tile_rows;
  std::vector<std::uint64_t> words(static_cast<std::size_t>(strips * n_labellings));
  workers.for_each(strips, 0, [&](std::int64_t strip, int) {
    const ptrdiff_t first = strip * tile_rows;
    const ptrdiff_t last = std::min(n, first + tile_rows);
    for (ptrdiff_t b = 0; b < n_labellings; ++b) {
      std::uint64_t word = 0;
      for (ptrdiff_t i = first; i < last; ++i) {
        word |= std::uint64_t{labels[b * n + i] != 0} << (i - first);
      }
      words[static_cast<std::size_t>(strip * n_labellings + b)] = word;
    }
  });
  return words;
}

// Integer sums of one thread: for each limb of each form, twice-counted pairs inside the x group
// per labelling, and all pairs per row.
struct LabelSums {
  std::vector<std::int64_t> inside;  // [limb slot][labelling]
  std::vector<std::int64_t> row;     // [limb slot][row, padded]
};

// Row sums of an upper-triangular part of the matrix go to its rows and to its columns.
void add_row_sums(const std::int32_t* limb, ptrdiff_t row, ptrdiff_t col, int col_end,
                  std::int64_t* sums) {
  std::int64_t col_sums[tile_cols] = {};
  for (int r = 0; r < tile_rows; ++r) {
    std::int64_t total = 0;
    for (int c = 0; c < col_end; ++c) {
      const std::int64_t value = limb[r * tile_cols + c];
      total += value;
      col_sums[c] += value;
    }
    sums[row + r] += total;
  }
  for (int c = 0; c < col_end; ++c) {
    sums[col + c] += col_sums[c];
  }
}

template <class T>
bool quad_forms_of_group(Workers& workers, ReadyGroup<T>& ready, ptrdiff_t n,
                         const std::vector<std::uint64_t>& words, ptrdiff_t n_labellings,
                         int n_outputs, double share, double* out) {
  ready.fix_formula();
  const ptrdiff_t strips = (n + tile_rows - 1) / tile_rows;
  const ptrdiff_t padded = strips * tile_rows;
  const int limb_bits = limb_bits_for(n);
  std::vector<Form<T>> forms = make_forms(ready.terms(), n_outputs);
  choose_limbs(ready, n, limb_bits, forms);
  ptrdiff_t limb_slots = 0;
  for (const Form<T>& form : forms) {
    limb_slots += form.terms.empty() ? 0 : form.limbs;
  }

  const IsaOps& level = isa();
  const int threads = workers.threads();
  std::vector<LabelSums> sums(static_cast<std::size_t>(threads));
  for (LabelSums& s : sums) {
    s.inside.assign(static_cast<std::size_t>(limb_slots * n_labellings), 0);
    s.row.assign(static_cast<std::size_t>(limb_slots * padded), 0);
  }
  const auto tile_memory = buffers<T>(threads, 2 * tile_size);
  const auto limb_memory = buffers<std::int32_t>(threads, tile_size);
  const auto scratch = buffers<char>(threads, level.labelled_scratch_bytes(n_labellings));

  // A labelling costs about a quarter of a multiply-add per entry.
  const double label_work = 0.25 * static_cast<double>(n_labellings * limb_slots) + 10;
  const TileList tiles({{0, n, 0, n, true}}, ready.pair_work() + label_work);
  const auto work = [&](const TileList::Unit& unit, int thread, double*) {
    const auto id = static_cast<std::size_t>(thread);
    T* tile = tile_memory[id].data();
    T* mapped = tile + tile_size;
    std::int32_t* limb = limb_memory[id].data();
    bool direct_hint = false;
    tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
      ready.fill(0, unit.row, 0, col, e, tile, direct_hint);
      const int col_strips = (e.cols + tile_rows - 1) / tile_rows;
      ptrdiff_t slot = 0;
      for (const Form<T>& form : forms) {
        map_form(ready.terms(), form, tile, mapped, e);
        for (int l = 0; l < form.limbs && !form.terms.empty(); ++l, ++slot) {
          isa().ops<T>().take_limb(mapped, limb, e, limb_bits);
          add_row_sums(limb, unit.row, col, e.cols, sums[id].row.data() + slot * padded);
          level.add_labelled(limb, col_strips, words.data() + unit.row / tile_rows * n_labellings,
                             words.data() + col / tile_rows * n_labellings, n_labellings,
                             sums[id].inside.data() + slot * n_labellings, scratch[id].data());
        }
      }
    });
  };
  if (!run_ordered(workers, tiles, 0, share, work, [](const TileList::Unit&, double*) {})) {
    return false;
  }
  for (int t = 1; t < threads; ++t) {  // integers: any order gives the same sum
    const LabelSums& from = sums[static_cast<std::size_t>(t)];
    std::transform(from.inside.begin(), from.inside.end(), sums[0].inside.begin(),
                   sums[0].inside.begin(), std::plus<>());
    std::transform(from.row.begin(), from.row.end(), sums[0].row.begin(), sums[0].row.begin(),
                   std::plus<>());
  }

  // xx = q, xy = s - q, yy = total - 2s + q with q = z'Kz and s = z'K1 (K's diagonal is 0).
  ptrdiff_t slot = 0;
  for (std::size_t o = 0; o < forms.size(); ++o) {
    double quantum = forms[o].scale;
    for (int l = 0; l < forms[o].limbs && !forms[o].terms.empty(); ++l, ++slot) {
      quantum = std::ldexp(quantum, -limb_bits);
      const std::int64_t* row = sums[0].row.data() + slot * padded;
      const std::int64_t* inside = sums[0].inside.data() + slot * n_labellings;
      std::int64_t total = 0;
      for (ptrdiff_t i = 0; i < n; ++i) {
        total += row[i];
      }
      workers.for_each(n_labellings, 0, [&](std::int64_t b, int) {
        std::int64_t s = 0;
        for (ptrdiff_t strip = 0; strip < strips; ++strip) {
          const std::uint64_t word = words[static_cast<std::size_t>(strip * n_labellings + b)];
          for (int r = 0; r < tile_rows; ++r) {
            s += (word >> r & 1) != 0 ? row[strip * tile_rows + r] : 0;
          }
        }
        const std::int64_t q = 2 * inside[b];
        double* triple = out + 3 * (static_cast<std::int64_t>(o) * n_labellings + b);
        triple[0] += quantum * static_cast<double>(q);
        triple[1] += quantum * static_cast<double>(total - 2 * s + q);
        triple[2] += quantum * static_cast<double>(s - q);
      });
    }
  }
  return !workers.stopped();
}

}  // namespace

template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<Group>& groups, int n_outputs, double* out,
                const Options& options) {
  check_sample(z, z.cols);
  std::fill(out, out + 3 * n_outputs * n_labellings, 0.0);
  const double pairs = 0.5 * static_cast<double>(z.rows) * static_cast<double>(z.rows);
  Workers workers(options, total_work(groups, z.cols, pairs) +
                               0.25 * pairs * static_cast<double>(n_labellings));
  const auto words = pack_labels(workers, labels, n_labellings, z.rows);
  for (const Group& group : groups) {
    check_group(group, z.cols, n_outputs);
    ReadyGroup<T> ready(workers, {z}, group);
    if (!quad_forms_of_group(workers, ready, z.rows, words, n_labellings, n_outputs,
                             1.0 / static_cast<double>(groups.size()), out)) {
      return false;
    }
  }
  return true;
}

// Median -----------------------------------------------------------------------------------------

namespace {

// The value of the given rank (from 0) among all tile values, by 16-bit digits of their bits.
template <class T>
bool select(Workers& workers, const ReadyGroup<T>& ready, const TileList& tiles, std::uint64_t rank,
            double share, T* value) {
  constexpr std::size_t digits = 1 << 16;
  constexpr int passes = sizeof(T) / 2;
  const auto memory = buffers<T>(workers.threads(), tile_size);
  std::vector<std::vector<std::uint64_t>> counts(static_cast<std::size_t>(workers.threads()));
  std::uint64_t prefix = 0;
  for (int pass = passes - 1; pass >= 0; --pass) {
    for (auto& c : counts) {
      c.assign(digits, 0);
    }
    const auto work = [&](const TileList::Unit& unit, int thread, double*) {
      const auto id = static_cast<std::size_t>(thread);
      bool direct_hint = false;
      tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
        ready.fill(0, unit.row, 0, col, e, memory[id].data(), direct_hint);
        isa().ops<T>().count_digits(memory[id].data(), e, 16 * pass, prefix, counts[id].data());
      });
    };
    if (!run_ordered(workers, tiles, 0, share / passes, work,
                     [](const TileList::Unit&, double*) {})) {
      return false;
    }
    for (std::size_t digit = 0;; ++digit) {
      std::uint64_t count = 0;
      for (const auto& c : counts) {
        count += c[digit];
      }
      if (rank < count) {
        prefix = prefix << 16 | digit;
        break;
      }
      rank -= count;
    }
  }
  std::memcpy(value, &prefix, sizeof(T));
  return true;
}

}  // namespace

template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options) {
  check_sample(x, x.cols);
  if (x.rows < 2 || metric == Base::dot) {
    throw std::invalid_argument("median_distance needs two rows and a metric");
  }
  const Block block{0, x.rows, 0, x.rows, true};
  Workers workers(options, block.pairs() * static_cast<double>(x.cols + 20));
  Group group;
  group.base = metric;
  const ReadyGroup<T> ready(workers, {x}, group, true);
  const TileList tiles({block}, ready.pair_work());
  const auto pairs = static_cast<std::uint64_t>(block.pairs());
  T low, high;
  const bool even = pairs % 2 == 0;
  if (!select(workers, ready, tiles, (pairs - 1) / 2, even ? 0.5 : 1.0, &low)) {
    return false;
  }
  high = low;
  if (even && !select(workers, ready, tiles, pairs / 2, 0.5, &high)) {
    return false;
  }
  const auto distance = [&](T value) {
    const double base = ready.unit() * static_cast<double>(value);
    return metric == Base::l1 ? base : std::sqrt(base);
  };
  *out = 0.5 * (distance(low) + distance(high));
  return true;
}

#define FASTDIV_INSTANTIATE(T)                                                                    \
  template bool pair_sums(MatrixView<T>, MatrixView<T>, const std::vector<Group>&, int, double*,  \
                          const Options&);                                                        \
  template bool quad_forms(MatrixView<T>, const std::uint8_t*, std::int64_t,                      \
                           const std::vector<Group>&, int, double*, const Options&);              \
  template bool row_sums(MatrixView<T>, MatrixView<T>, const std::vector<Group>&, int, double*,   \
                         const Options&);                                                         \
  template void paired_values(MatrixView<T>, MatrixView<T>, const std::vector<Group>&, int,       \
                              double*);                                                           \
  template bool median_distance(MatrixView<T>, Base, double*, const Options&);                    \
  template std::int64_t first_nonfinite(MatrixView<T>);                                           \
  template Peaks measure_peaks<T>(int, double);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
