#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "fastdiv/pair_sums.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Sum and maximum of absolute entries above the diagonal.
struct Magnitudes {
  double sum = 0;
  double largest = 0;

  void add(const Magnitudes& other) {
    sum += other.sum;
    largest = std::max(largest, other.largest);
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

// Sums over the entries of one group, in fixed point. The quantum is guessed from a few tiles, and
// checked against the resulting sums. If the guess fails, all entries are measured.
template <class T>
class FixedPoint {
 public:
  FixedPoint(Workers& workers, const ReadyGroup<T>& ready, ptrdiff_t n, int n_outputs,
             const std::vector<std::uint64_t>& words, ptrdiff_t n_labellings)
      : workers_(workers),
        ready_(ready),
        n_(n),
        words_(words),
        n_labellings_(n_labellings),
        limb_bits_(limb_bits_for(n)),
        forms_(make_forms(ready.terms(), n_outputs)) {}

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
    const auto reduce = [&](const Tile<T>& tile) {
      for_each_form(tile.values, tile.extent, [&](std::size_t o, const T* mapped) {
        const Magnitudes m = magnitudes(mapped, tile.extent);
        tile.slot[2 * o] += m.sum;
        tile.slot[2 * o + 1] = std::max(tile.slot[2 * o + 1], m.largest);
      });
    };
    const auto merge = [&](const TileList::Unit&, const double* slot) {
      for (std::size_t o = 0; o < forms_.size(); ++o) {
        forms_[o].entries.add({slot[2 * o], slot[2 * o + 1]});
      }
    };
    return walk_tiles<T>(workers_, ready_, tile_list(0), {2 * forms_.size(), 0, tile_size}, reduce,
                         merge);
  }

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
        form.limbs = limbs_for(bits_for(form.entries.sum / unit / pairs()));
      }
    }
  }

  bool sum(double share);

  // Tells whether the rounding to the quantum, and underflow in T, are harmless beside the sum of
  // the absolute entries. The resulting sum is a lower bound of it.
  bool is_accurate() const {
    return std::all_of(forms_.begin(), forms_.end(), [&](const Form<T>& form) {
      double total = 0;
      for_each_limb(static_cast<std::size_t>(&form - forms_.data()),
                    [&](ptrdiff_t slot, double unit) {
                      total += unit * static_cast<double>(limb_total(slot));
                    });
      return is_accurate(form, 0.5 * std::abs(total));
    });
  }
  // Like is_accurate, but from the result of measure().
  bool is_accurate_as_measured() const {
    return std::all_of(forms_.begin(), forms_.end(),
                       [&](const Form<T>& form) { return is_accurate(form, form.entries.sum); });
  }

  // Adds the triples to `out`.
  bool write(double* out);

 private:
  // Integer sums of one thread: for each limb of each form, pairs inside the x group per labelling,
  // and all pairs per row.
  struct LabelSums {
    std::vector<std::int64_t> inside;  // [limb slot][labelling]
    std::vector<std::int64_t> row;     // [limb slot][row, padded]
  };

  ptrdiff_t strips() const { return (n_ + tile_rows - 1) / tile_rows; }
  ptrdiff_t padded() const { return strips() * tile_rows; }
  double pairs() const { return 0.5 * static_cast<double>(n_) * static_cast<double>(n_ - 1); }
  // Cuts all pairs into units of tiles.
  TileList tile_list(ptrdiff_t labellings) const {
    return {{{0, n_, 0, n_, true}},
            ready_.pair_work() + labelling_work * static_cast<double>(labellings) + 10};
  }

  // Returns the bits that entries of this mean magnitude, in units of the scale, need. The rounding
  // of what is left is then harmless for their sum.
  static double bits_for(double mean) { return -std::log2(tolerance<T> / 4 * mean) - 1; }
  int limbs_for(double bits) const {
    return static_cast<int>(std::ceil(std::max(bits, 1.0) / limb_bits_));
  }

  bool is_accurate(const Form<T>& form, double sum) const {
    const double error = std::ldexp(0.5, -limb_bits_ * form.limbs) + ready_.underflow_error();
    return form.terms.empty() || error * pairs() <= tolerance<T> / 2 * sum;
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
  // Returns the sum of a limb over ordered pairs.
  std::int64_t limb_total(ptrdiff_t slot) const {
    const std::int64_t* row = sums_[0].row.data() + slot * padded();
    return std::accumulate(row, row + padded(), std::int64_t{0});
  }

  Workers& workers_;
  const ReadyGroup<T>& ready_;
  ptrdiff_t n_;
  const std::vector<std::uint64_t>& words_;
  ptrdiff_t n_labellings_;
  int limb_bits_;
  std::vector<Form<T>> forms_;
  std::vector<LabelSums> sums_;  // per thread; the first ends up with the total
};

template <class T>
bool FixedPoint<T>::sum(double share) {
  ptrdiff_t limb_slots = 0;
  for (const Form<T>& form : forms_) {
    limb_slots += form.limbs;
  }
  const IsaOps& level = isa();
  const int threads = workers_.threads();
  sums_.assign(static_cast<std::size_t>(threads), {});
  for (LabelSums& s : sums_) {
    s.inside.assign(static_cast<std::size_t>(limb_slots * n_labellings_), 0);
    s.row.assign(static_cast<std::size_t>(limb_slots * padded()), 0);
  }
  const auto limb_memory = buffers<std::int32_t>(threads, tile_size);
  const auto scratch = buffers<char>(threads, level.labelled_scratch_bytes(n_labellings_));

  const auto reduce = [&](const Tile<T>& tile) {
    const auto id = static_cast<std::size_t>(tile.thread);
    std::int32_t* limb = limb_memory[id].data();
    const int col_strips = (tile.extent.cols + tile_rows - 1) / tile_rows;
    const auto labels_from = [&](ptrdiff_t row) {
      return words_.data() + row / tile_rows * n_labellings_;
    };
    for_each_form(tile.values, tile.extent, [&](std::size_t o, T* entries) {
      for_each_limb(o, [&](ptrdiff_t slot, double) {
        level.ops<T>().split_limb(entries, limb, tile.extent, limb_bits_);
        add_row_sums(limb, tile.row, tile.col, tile.extent.cols,
                     sums_[id].row.data() + slot * padded());
        level.add_labelled(limb, col_strips, labels_from(tile.row), labels_from(tile.col),
                           n_labellings_, sums_[id].inside.data() + slot * n_labellings_,
                           scratch[id].data());
      });
    });
  };
  const TileList tiles = tile_list(n_labellings_ * limb_slots);
  if (!walk_tiles<T>(workers_, ready_, tiles, {0, share, tile_size}, reduce)) {
    return false;
  }
  for (int t = 1; t < threads; ++t) {  // integers: any order gives the same sum
    const LabelSums& from = sums_[static_cast<std::size_t>(t)];
    std::transform(from.inside.begin(), from.inside.end(), sums_[0].inside.begin(),
                   sums_[0].inside.begin(), std::plus<>());
    std::transform(from.row.begin(), from.row.end(), sums_[0].row.begin(), sums_[0].row.begin(),
                   std::plus<>());
  }
  return true;
}

// xx = q, xy = s - q, yy = total - 2s + q with q = z'Kz and s = z'K1 (K's diagonal is 0).
template <class T>
bool FixedPoint<T>::write(double* out) {
  for (std::size_t o = 0; o < forms_.size(); ++o, out += 3 * n_labellings_) {
    if (std::isnan(forms_[o].scale)) {
      std::fill(out, out + 3 * n_labellings_, forms_[o].scale);
    }
    for_each_limb(o, [&](ptrdiff_t slot, double unit) {
      const double quantum = forms_[o].scale * unit;
      const std::int64_t* row = sums_[0].row.data() + slot * padded();
      const std::int64_t* inside = sums_[0].inside.data() + slot * n_labellings_;
      const std::int64_t total = limb_total(slot);
      workers_.for_each(n_labellings_, 0, [&](std::int64_t b, int) {
        std::int64_t s = 0;
        for (ptrdiff_t strip = 0; strip < strips(); ++strip) {
          const std::uint64_t word = words_[static_cast<std::size_t>(strip * n_labellings_ + b)];
          for (int r = 0; r < tile_rows; ++r) {
            s += (word >> r & 1) != 0 ? row[strip * tile_rows + r] : 0;
          }
        }
        const std::int64_t q = 2 * inside[b];
        double* triple = out + 3 * b;
        triple[0] += quantum * static_cast<double>(q);
        triple[1] += quantum * static_cast<double>(total - 2 * s + q);
        triple[2] += quantum * static_cast<double>(s - q);
      });
    });
  }
  return !workers_.stopped();
}

// Adds a group's part to the result.
template <class T>
bool add_quad_forms(Workers& workers, const MatrixView<T>& z, const KernelGroup& group,
                    Formula formula, const std::vector<std::uint64_t>& words,
                    ptrdiff_t n_labellings, int n_outputs, double share, double* out) {
  ReadyGroup<T> ready(workers, {z}, group, formula);
  if (workers.stopped()) {
    return false;
  }
  if (z.rows == 1) {
    return true;
  }
  ready.fix_formula();
  FixedPoint<T> entries(workers, ready, z.rows, n_outputs, words, n_labellings);
  const bool plain = formula == Formula::plain;
  const bool guessed = !plain && entries.guess();
  if (guessed) {
    if (!entries.sum(share)) {
      return false;
    }
    if (entries.is_accurate()) {
      return entries.write(out);
    }
    share = 0;
  }
  if (!entries.measure()) {
    return false;
  }
  if (guessed && entries.is_accurate_as_measured()) {
    return entries.write(out);
  }
  if (group.base == Base::dot && !plain) {
    return again_in_double<T>(workers, {z}, [&](const std::vector<MatrixView<double>>& wide) {
      return add_quad_forms(workers, wide[0], group, Formula::plain, words, n_labellings, n_outputs,
                            share, out);
    });
  }
  entries.fit();
  return entries.sum(share) && entries.write(out);
}

}  // namespace

template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options) {
  check<T>({z}, groups, n_outputs);
  std::fill(out, out + 3 * n_outputs * n_labellings, 0.0);
  const double pairs = 0.5 * static_cast<double>(z.rows) * static_cast<double>(z.rows);
  Workers workers(options, total_work(groups, z.cols, pairs) +
                               labelling_work * pairs * static_cast<double>(n_labellings));
  const auto words = pack_labels(workers, labels, n_labellings, z.rows);
  return for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_quad_forms(workers, z, group, Formula::automatic, words, n_labellings, n_outputs,
                          share, out);
  });
}

template bool quad_forms(MatrixView<float>, const std::uint8_t*, std::int64_t,
                         const std::vector<KernelGroup>&, int, double*, const Options&);
template bool quad_forms(MatrixView<double>, const std::uint8_t*, std::int64_t,
                         const std::vector<KernelGroup>&, int, double*, const Options&);

}  // namespace fastdiv
