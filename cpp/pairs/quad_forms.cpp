#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "core/thread_sums.hpp"
#include "fastdiv/pair_sums.hpp"
#include "isa/isa.hpp"
#include "pairs/rows/self_terms.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Sum and range of absolute entries above the diagonal.
struct Magnitudes {
  double sum = 0;
  double largest = 0;
  double smallest = HUGE_VAL;  // of those that are not 0

  void add(const Magnitudes& other) {
    sum += other.sum;
    largest = std::max(largest, other.largest);
    smallest = std::min(smallest, other.smallest);
  }
};

template <class T>
Magnitudes magnitudes(const T* tile, Extent e) {
  Magnitudes m;
  for (int r = 0; r < e.rows; ++r) {
    for (int c = std::max(0, e.diagonal + r + 1); c < e.cols; ++c) {
      const double value = std::abs(static_cast<double>(tile[r * tile_cols + c]));
      m.sum += value;
      m.largest = std::max(m.largest, value);
      m.smallest = std::min(m.smallest, value > 0 ? value : HUGE_VAL);
    }
  }
  return m;
}

// One output of quad_forms: its terms, and the fixed-point format of their sum in units of scale.
template <class T>
struct Form {
  std::vector<std::pair<std::size_t, T>> terms;  // index into the group's terms, coefficient
  double scale = 1;                              // a power of two
  int limbs = 0;
  Magnitudes entries;  // of the entries measured so far, in units of scale
};

// Groups the terms by output. Scales are such that |entry| <= 1 if the terms are.
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
    if (terms[t].weight != 0) {
      form.terms.emplace_back(t, static_cast<T>(terms[t].weight / form.scale));
    }
  }
  return forms;
}

// Maps a tile of base values to entries of a form.
template <class T>
void map_form(const std::vector<ReadyTerm<T>>& terms, const Form<T>& form, const T* tile, T* out,
              Extent e) {
  bool accumulate = false;
  for (const auto& [index, coefficient] : form.terms) {
    terms[index].ops->map(terms[index].constants, tile, out, e.rows, e.cols, coefficient,
                          accumulate);
    accumulate = true;
  }
}

// Multiply-adds that a labelling costs per entry.
constexpr double labelling_work = 0.25;

// Returns the bits of a limb. |limb| <= 2^22 fits the int32 sums of add_labelled. A sum over n^2
// entries has to fit an int64.
int limb_bits_for(ptrdiff_t n) {
  const int log2_n = static_cast<int>(std::ceil(std::log2(static_cast<double>(n) + 1)));
  return std::clamp(62 - 2 * log2_n, 4, 22);
}

// Packs labels (n_labellings x n bytes) into one word of tile_rows bits per strip and labelling,
// strip after strip.
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

// Adds row and column sums of a limb to `sums`, for an upper-triangular part of the matrix.
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

// Sums within x, within y and between them, or their numbers of ordered pairs.
using Triple = std::array<double, 3>;

// Labels of rows, packed by pack_labels.
struct Labellings {
  std::vector<std::uint64_t> words;
  ptrdiff_t count;
  Accurate accurate;

  // Returns the numbers of pairs of a labelling of n rows.
  Triple pairs(ptrdiff_t labelling, ptrdiff_t n) const {
    double n_x = 0;
    for (auto at = static_cast<std::size_t>(labelling); at < words.size();
         at += static_cast<std::size_t>(count)) {
      n_x += __builtin_popcountll(words[at]);
    }
    const double n_y = static_cast<double>(n) - n_x;
    return {n_x * (n_x - 1), n_y * (n_y - 1), n_x * n_y};
  }

  // Returns some of the labellings.
  Labellings subset(const std::vector<ptrdiff_t>& some) const {
    Labellings result{{}, static_cast<ptrdiff_t>(some.size()), accurate};
    for (std::size_t strip = 0; strip < words.size(); strip += static_cast<std::size_t>(count)) {
      for (const ptrdiff_t b : some) {
        result.words.push_back(words[strip + static_cast<std::size_t>(b)]);
      }
    }
    return result;
  }
};

// Sums over the entries of one group, in fixed point. The quantum is guessed from a few tiles, and
// checked against the resulting sums. If the guess fails, all entries are measured.
template <class T>
class FixedPoint {
 public:
  FixedPoint(Workers& workers, const ReadyGroup<T>& ready, ptrdiff_t n, int n_outputs,
             const Labellings& labellings)
      : workers_(workers),
        ready_(ready),
        n_(n),
        labellings_(labellings),
        words_(labellings.words),
        n_labellings_(labellings.count),
        limb_bits_(limb_bits_for(n)),
        forms_(make_forms(ready.terms(), n_outputs)) {}

  // Takes the formats that `other` has found, for other labellings.
  FixedPoint(const FixedPoint& other, const Labellings& labellings)
      : workers_(other.workers_),
        ready_(other.ready_),
        n_(other.n_),
        labellings_(labellings),
        words_(labellings.words),
        n_labellings_(labellings.count),
        limb_bits_(other.limb_bits_),
        forms_(other.forms_) {}

  // Chooses the limbs by the tiles among four strips spread evenly over the sample. Returns false
  // if it would take too many, because the entries there are tiny beside the scale, or 0.
  bool guess() {
    constexpr double most_guessed_bits = 88;  // four limbs of 22 bits
    const ptrdiff_t sampled = std::min<ptrdiff_t>(strips(), 4);
    const ptrdiff_t step = strips() / sampled * tile_rows;
    const Buffer<T> memory(2 * tile_size);
    bool direct_hint = false;
    double pairs = 0;
    for (ptrdiff_t i = 0; i < sampled * step; i += step) {
      for (ptrdiff_t j = i; j < sampled * step; j += step) {
        const Extent e{static_cast<int>(std::min<ptrdiff_t>(tile_rows, n_ - i)),
                       static_cast<int>(std::min<ptrdiff_t>(tile_rows, n_ - j)),
                       i == j ? 0 : no_diagonal};
        pairs += i == j ? 0.5 * e.rows * (e.rows - 1) : 1.0 * e.rows * e.cols;
        ready_.fill(0, i, 0, j, e, memory.data(), direct_hint);
        for_each_form(memory.data(), e, [&](std::size_t o, const T* mapped) {
          forms_[o].entries.add(magnitudes(mapped, e));
        });
      }
    }
    return std::all_of(forms_.begin(), forms_.end(), [&](Form<T>& form) {
      const double bits = bits_for(form.entries.sum / pairs);
      const bool few = bits <= most_guessed_bits && std::isfinite(form.entries.sum);
      form.limbs = few ? limbs_for(bits) : 0;
      return few || form.terms.empty();
    });
  }

  // Measures the magnitudes of all entries.
  bool measure() {
    for (Form<T>& form : forms_) {
      form.entries = {};
    }
    // A slot has three numbers for each form, and one that says whether digits were lost.
    const std::size_t lost = 3 * forms_.size();
    const auto reduce = [&](const Tile<T>& tile) {
      for_each_form(tile.values, tile.extent, [&](std::size_t o, const T* mapped) {
        const Magnitudes m = magnitudes(mapped, tile.extent);
        double* slot = tile.slot + 3 * o;
        slot[0] += m.sum;
        slot[1] = std::max(slot[1], m.largest);
        slot[2] = std::max(slot[2], -std::log2(m.smallest));
      });
      if (loses_digits(tile)) {
        tile.slot[lost] = 1;
      }
    };
    const auto merge = [&](const TileList::Unit&, const double* slot) {
      for (std::size_t o = 0; o < forms_.size(); ++o) {
        const double* form = slot + 3 * o;
        forms_[o].entries.add({form[0], form[1], std::exp2(-form[2])});
      }
      lost_digits_ = lost_digits_ || slot[lost] != 0;
    };
    return walk_tiles<T>(workers_, ready_, tile_list(0), {lost + 1, 0, tile_size}, reduce, merge);
  }
  // Tells whether T may hold too few digits of the smallest entries measured.
  bool lost_digits() const { return lost_digits_; }

  // Chooses scale and limbs from the result of measure(), which makes them right.
  void fit() {
    for (Form<T>& form : forms_) {
      form.limbs = 0;
      if (!(form.entries.sum <= std::numeric_limits<double>::max() / 2)) {
        form.scale = std::numeric_limits<double>::quiet_NaN();
      } else if (form.entries.largest > 0) {
        int exponent;
        std::frexp(form.entries.largest, &exponent);
        exponent = std::max(exponent, std::numeric_limits<T>::min_exponent);
        const double unit = std::ldexp(1.0, exponent);
        form.scale *= unit;
        for (auto& [index, coefficient] : form.terms) {
          coefficient /= static_cast<T>(unit);
        }
        const double typical = each() ? form.entries.smallest : form.entries.sum / pairs();
        form.limbs = limbs_for(bits_for(typical / unit));
      }
    }
  }

  bool sum(double share);

  // Returns the labellings for which the rounding to the quantum, or underflow in T, may not be
  // harmless beside the sums. It depends on the entries and the labelling alone.
  std::vector<ptrdiff_t> inaccurate() const {
    std::vector<ptrdiff_t> result;
    for (ptrdiff_t b = 0; b < n_labellings_; ++b) {
      const Triple counts = each() ? labellings_.pairs(b, n_) : Triple{};
      for (std::size_t o = 0; o < forms_.size(); ++o) {
        if (!is_accurate(forms_[o], triple(o, b), counts)) {
          result.push_back(b);
          break;
        }
      }
    }
    return result;
  }
  // Tells whether all labellings are accurate, from the result of measure().
  bool is_accurate_as_measured() const {
    return std::all_of(forms_.begin(), forms_.end(), [&](const Form<T>& form) {
      return each() ? is_accurate(form, form.entries.smallest, 1)
                    : is_accurate(form, form.entries.sum, pairs());
    });
  }
  // Tells whether T holds too few digits of the base values, from the result of sum() or, with
  // `measured`, of measure(). All labellings have the same pairs.
  bool is_deep(bool measured) const {
    for (std::size_t o = 0; o < forms_.size(); ++o) {
      double sum = forms_[o].entries.sum;
      if (!measured) {
        const Triple& sums = triple(o, 0);
        sum = std::abs(sums[0] + sums[1] + 2 * sums[2]) / 2;
      }
      const double mean = sum / pairs();
      for (const auto& [index, coefficient] : forms_[o].terms) {
        const double largest = static_cast<double>(std::abs(coefficient));
        if (ready_.is_deep(ready_.terms()[index], mean / largest)) {
          return true;
        }
      }
    }
    return false;
  }
  // Adds the triples to `out`.
  void write(double* out) const;

 private:
  ptrdiff_t strips() const { return (n_ + tile_rows - 1) / tile_rows; }
  ptrdiff_t padded() const { return strips() * tile_rows; }
  double pairs() const { return 0.5 * static_cast<double>(n_) * static_cast<double>(n_ - 1); }
  // Cuts all pairs into units of tiles.
  TileList tile_list(ptrdiff_t labellings) const {
    return {{{0, n_, 0, n_, true}},
            ready_.pair_work() + labelling_work * static_cast<double>(labellings) + 10,
            ready_.row_bytes()};
  }

  // Returns the bits that entries of this mean magnitude, in units of the scale, need. The rounding
  // of what is left is then harmless for their sum.
  static double bits_for(double mean) { return -std::log2(tolerance<T> / 4 * mean) - 1; }
  int limbs_for(double bits) const {
    return static_cast<int>(std::ceil(std::max(bits, 1.0) / limb_bits_));
  }

  bool each() const { return labellings_.accurate == Accurate::each_sum; }
  // Tells whether a tile may hold too few digits, so that sums of its entries alone may be off.
  bool loses_digits(const Tile<T>& tile) const {
    constexpr double safe = 0x1p-40;  // the square of such a base value is far inside the range
    return each() && sizeof(T) == sizeof(float) && ready_.base() != Base::dot &&
           static_cast<double>(isa().ops<T>().smallest(tile.values, tile.extent)) < safe;
  }

  // Tells whether the errors of `pairs` entries are harmless beside their sum.
  bool is_accurate(const Form<T>& form, double sum, double pairs) const {
    const double error = std::ldexp(0.5, -limb_bits_ * form.limbs) + ready_.underflow_error();
    return form.terms.empty() || error * pairs <= tolerance<T> / 2 * std::abs(sum);
  }
  bool is_accurate(const Form<T>& form, const Triple& sums, const Triple& counts) const {
    if (each()) {
      return is_accurate(form, sums[0], counts[0]) && is_accurate(form, sums[1], counts[1]) &&
             is_accurate(form, sums[2], counts[2]);
    }
    // The sum over all pairs is a lower bound of that of their absolute values.
    return is_accurate(form, sums[0] + sums[1] + 2 * sums[2], 2 * pairs());
  }
  // Returns the sums of a labelling in units of the scale.
  Triple triple(std::size_t o, ptrdiff_t labelling) const {
    return triples_[o * static_cast<std::size_t>(n_labellings_) +
                    static_cast<std::size_t>(labelling)];
  }

  // Calls visit(form, entries) for each form that has terms. A second tile follows the values.
  template <class Visit>
  void for_each_form(T* values, Extent e, const Visit& visit) const {
    for (std::size_t o = 0; o < forms_.size(); ++o) {
      if (!forms_[o].terms.empty()) {
        map_form(ready_.terms(), forms_[o], values, values + tile_size, e);
        visit(o, values + tile_size);
      }
    }
  }

  // Calls visit(limb slot, quantum) for each limb of a form.
  template <class Visit>
  void for_each_limb(std::size_t o, const Visit& visit) const {
    ptrdiff_t slot = 0;
    for (std::size_t before = 0; before < o; ++before) {
      slot += forms_[before].limbs;
    }
    for (int l = 1; l <= forms_[o].limbs; ++l, ++slot) {
      visit(slot, std::ldexp(1.0, -limb_bits_ * l));
    }
  }

  bool read(ptrdiff_t rows_from);

  Workers& workers_;
  const ReadyGroup<T>& ready_;
  ptrdiff_t n_;
  const Labellings& labellings_;
  const std::vector<std::uint64_t>& words_;
  ptrdiff_t n_labellings_;
  int limb_bits_;
  bool lost_digits_ = false;
  std::vector<Form<T>> forms_;
  // Integer sums for each limb of each form: pairs inside the x group per labelling, [limb slot]
  // [labelling], and behind them all pairs per row, [limb slot][row, padded].
  std::vector<std::int64_t> sums_;
  std::vector<Triple> triples_;  // [form][labelling], in units of the form's scale
};

template <class T>
bool FixedPoint<T>::sum(double share) {
  ptrdiff_t limb_slots = 0;
  for (const Form<T>& form : forms_) {
    limb_slots += form.limbs;
  }
  const IsaOps& level = isa();
  const int threads = workers_.threads();
  const ptrdiff_t rows_from = limb_slots * n_labellings_;
  ThreadSums<std::int64_t> thread_sums(
      threads, static_cast<std::size_t>(limb_slots * (n_labellings_ + padded())));
  const auto limb_memory = buffers<std::int32_t>(threads, tile_size);
  const auto scratch = buffers<char>(threads, level.labelled_scratch_bytes(n_labellings_));

  const auto reduce = [&](const Tile<T>& tile) {
    const auto id = static_cast<std::size_t>(tile.thread);
    std::int32_t* limb = limb_memory[id].data();
    std::int64_t* sums = thread_sums.of(tile.thread);
    const int col_strips = (tile.extent.cols + tile_rows - 1) / tile_rows;
    const auto labels_from = [&](ptrdiff_t row) {
      return words_.data() + row / tile_rows * n_labellings_;
    };
    for_each_form(tile.values, tile.extent, [&](std::size_t o, T* entries) {
      for_each_limb(o, [&](ptrdiff_t slot, double) {
        level.ops<T>().split_limb(entries, limb, tile.extent, limb_bits_);
        add_row_sums(limb, tile.row, tile.col, tile.extent.cols,
                     sums + rows_from + slot * padded());
        level.add_labelled(limb, col_strips, labels_from(tile.row), labels_from(tile.col),
                           n_labellings_, sums + slot * n_labellings_, scratch[id].data());
      });
    });
  };
  const TileList tiles = tile_list(n_labellings_ * limb_slots);
  return walk_tiles<T>(workers_, ready_, tiles, {0, share, tile_size}, reduce) &&
         thread_sums.move_to(workers_, sums_) && read(rows_from);
}

// Reads the triples from the integer sums: xx = q, xy = s - q, yy = total - 2s + q with q = z'Kz
// and s = z'K1 (K's diagonal is 0).
template <class T>
bool FixedPoint<T>::read(ptrdiff_t rows_from) {
  triples_.assign(forms_.size() * static_cast<std::size_t>(n_labellings_), Triple{});
  for (std::size_t o = 0; o < forms_.size(); ++o) {
    Triple* triples = triples_.data() + o * static_cast<std::size_t>(n_labellings_);
    for_each_limb(o, [&](ptrdiff_t slot, double quantum) {
      const std::int64_t* row = sums_.data() + rows_from + slot * padded();
      const std::int64_t* inside = sums_.data() + slot * n_labellings_;
      const std::int64_t total = std::accumulate(row, row + padded(), std::int64_t{0});
      workers_.for_each(n_labellings_, 0, [&](std::int64_t b, int) {
        std::int64_t s = 0;
        for (ptrdiff_t strip = 0; strip < strips(); ++strip) {
          const std::uint64_t word = words_[static_cast<std::size_t>(strip * n_labellings_ + b)];
          for (int r = 0; r < tile_rows; ++r) {
            s += (word >> r & 1) != 0 ? row[strip * tile_rows + r] : 0;
          }
        }
        const std::int64_t q = 2 * inside[b];
        triples[b][0] += quantum * static_cast<double>(q);
        triples[b][1] += quantum * static_cast<double>(total - 2 * s + q);
        triples[b][2] += quantum * static_cast<double>(s - q);
      });
    });
  }
  return !workers_.stopped();
}

template <class T>
void FixedPoint<T>::write(double* out) const {
  for (std::size_t o = 0; o < forms_.size(); ++o) {
    for (ptrdiff_t b = 0; b < n_labellings_; ++b) {
      for (const double sum : triple(o, b)) {
        *out++ += forms_[o].scale * sum;
      }
    }
  }
}

// Adds a group's part to the result.
template <class T>
bool add_quad_forms(Workers& workers, const MatrixView<T>& z, const KernelGroup& group,
                    Formula formula, const Labellings& labellings, int n_outputs, double share,
                    double* out) {
  ReadyGroup<T> ready(workers, {z}, group, formula);
  if (workers.stopped()) {
    return false;
  }
  if (z.rows == 1) {
    return true;
  }
  if (labellings.accurate == Accurate::each_sum && ready.may_be_deep()) {
    return again_in_double<T>(workers, {z}, [&](const std::vector<MatrixView<double>>& wide) {
      return add_quad_forms(workers, wide[0], group, formula, labellings, n_outputs, share, out);
    });
  }
  ready.fix_formula();
  FixedPoint<T> entries(workers, ready, z.rows, n_outputs, labellings);
  const bool plain = formula == Formula::plain;
  std::vector<ptrdiff_t> remaining(static_cast<std::size_t>(labellings.count));
  std::iota(remaining.begin(), remaining.end(), 0);
  const bool guessed = !plain && entries.guess();
  if (guessed) {
    if (!entries.sum(share)) {
      return false;
    }
    if (!entries.is_deep(false)) {
      remaining = entries.inaccurate();
    }
    share = 0;
  }
  if (!remaining.empty() && !entries.measure()) {
    return false;
  }
  const bool lost_digits = entries.lost_digits() || (!remaining.empty() && entries.is_deep(true));
  if (remaining.empty() || (guessed && entries.is_accurate_as_measured() && !lost_digits)) {
    entries.write(out);
    return true;
  }
  // Labellings that are accurate keep their sums, so that those do not depend on other labellings.
  const std::size_t size = 3 * static_cast<std::size_t>(labellings.count);
  std::vector<double> sums(size * static_cast<std::size_t>(n_outputs));
  if (guessed) {
    entries.write(sums.data());
  }
  const Labellings few = labellings.subset(remaining);
  std::vector<double> again(3 * remaining.size() * static_cast<std::size_t>(n_outputs));
  if (lost_digits || (group.base == Base::dot && !plain)) {
    const Formula in_double = lost_digits ? formula : Formula::plain;
    if (!again_in_double<T>(workers, {z}, [&](const std::vector<MatrixView<double>>& wide) {
          return add_quad_forms(workers, wide[0], group, in_double, few, n_outputs, share,
                                again.data());
        })) {
      return false;
    }
  } else {
    entries.fit();
    FixedPoint<T> finer(entries, few);
    if (!finer.sum(share)) {
      return false;
    }
    finer.write(again.data());
  }
  auto from = again.begin();
  for (std::size_t o = 0; o < sums.size(); o += size) {
    for (const ptrdiff_t b : remaining) {
      std::copy(from, from + 3, sums.begin() + static_cast<ptrdiff_t>(o) + 3 * b);
      from += 3;
    }
  }
  std::transform(sums.begin(), sums.end(), out, out, std::plus<>());
  return true;
}

}  // namespace

template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options, Accurate accurate, Pairs pairs) {
  check<T>({z}, groups, n_outputs);
  if (pairs == Pairs::off_diagonal) {
    throw std::invalid_argument("labels do not say which rows match");
  }
  std::fill(out, out + 3 * n_outputs * n_labellings, 0.0);
  if (n_labellings == 0) {
    return true;
  }
  const double n_pairs = 0.5 * static_cast<double>(z.rows) * static_cast<double>(z.rows);
  Workers workers(options, total_work(groups, z.cols, n_pairs) +
                               labelling_work * n_pairs * static_cast<double>(n_labellings));
  const Labellings labellings{pack_labels(workers, labels, n_labellings, z.rows), n_labellings,
                              accurate};
  const bool finished = for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_quad_forms(workers, z, group, Formula::automatic, labellings, n_outputs, share, out);
  });
  return finished &&
         (pairs != Pairs::all ||
          add_labelled_self_terms(workers, z, labels, n_labellings, groups, n_outputs, out));
}

template bool quad_forms(MatrixView<float>, const std::uint8_t*, std::int64_t,
                         const std::vector<KernelGroup>&, int, double*, const Options&, Accurate,
                         Pairs);
template bool quad_forms(MatrixView<double>, const std::uint8_t*, std::int64_t,
                         const std::vector<KernelGroup>&, int, double*, const Options&, Accurate,
                         Pairs);

}  // namespace fastdiv
