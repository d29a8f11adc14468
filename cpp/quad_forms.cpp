#include <algorithm>
#include <cmath>
#include <functional>

#include "engine.hpp"
#include "group.hpp"
#include "tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

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
    terms[index].ops->map(terms[index].constants, tile, out, e.rows, e.cols, coefficient,
                          accumulate);
    accumulate = true;
  }
}

// Bits of a limb: |limb| <= 2^22 fits the int32 sums of add_labelled; a sum over N^2 entries has to
// fit an int64.
int limb_bits_for(ptrdiff_t n) {
  const int log2_n = static_cast<int>(std::ceil(std::log2(static_cast<double>(n) + 1)));
  return std::clamp(62 - 2 * log2_n, 4, 22);
}

template <class T>
double sum_of_magnitudes(const T* tile, Extent e) {
  double total = 0;
  for (int r = 0; r < e.rows; ++r) {
    for (int c = std::max(0, e.diagonal + r + 1); c < e.cols; ++c) {
      total += std::abs(static_cast<double>(tile[r * tile_cols + c]));
    }
  }
  return total;
}

// How many limbs make the rounding of the entries harmless for their sum: estimated from the tiles
// among four strips spread evenly over the sample.
template <class T>
void choose_limbs(const ReadyGroup<T>& ready, ptrdiff_t n, int limb_bits,
                  std::vector<Form<T>>& forms) {
  const ptrdiff_t strips = (n + tile_rows - 1) / tile_rows;
  const ptrdiff_t sampled = std::min<ptrdiff_t>(strips, 4);
  const ptrdiff_t step = strips / sampled * tile_rows;
  Buffer<T> tile(tile_size);
  Buffer<T> mapped(tile_size);
  std::vector<double> sums(forms.size());
  double pairs = 0;
  bool direct_hint = false;
  for (ptrdiff_t i = 0; i < sampled * step; i += step) {
    for (ptrdiff_t j = i; j < sampled * step; j += step) {
      const Extent e{static_cast<int>(std::min<ptrdiff_t>(tile_rows, n - i)),
                     static_cast<int>(std::min<ptrdiff_t>(tile_rows, n - j)),
                     i == j ? 0 : no_diagonal};
      ready.fill(0, i, 0, j, e, tile.data(), direct_hint);
      pairs += i == j ? 0.5 * e.rows * (e.rows - 1) : 1.0 * e.rows * e.cols;
      for (std::size_t o = 0; o < forms.size(); ++o) {
        if (!forms[o].terms.empty()) {
          map_form(ready.terms(), forms[o], tile.data(), mapped.data(), e);
          sums[o] += sum_of_magnitudes(mapped.data(), e);
        }
      }
    }
  }
  for (std::size_t o = 0; o < forms.size(); ++o) {
    // 88 bits hold every bit of any entry that matters beside the largest.
    const double bits = sums[o] > 0 ? -std::log2(tolerance<T> / 4 * sums[o] / pairs) - 1 : 88.0;
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
  if (workers.stopped()) {
    return false;
  }
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
  check<T>({z}, groups, n_outputs);
  std::fill(out, out + 3 * n_outputs * n_labellings, 0.0);
  const double pairs = 0.5 * static_cast<double>(z.rows) * static_cast<double>(z.rows);
  Workers workers(options, total_work(groups, z.cols, pairs) +
                               0.25 * pairs * static_cast<double>(n_labellings));
  const auto words = pack_labels(workers, labels, n_labellings, z.rows);
  for (const Group& group : groups) {
    ReadyGroup<T> ready(workers, {z}, group);
    if (!quad_forms_of_group(workers, ready, z.rows, words, n_labellings, n_outputs,
                             1.0 / static_cast<double>(groups.size()), out)) {
      return false;
    }
  }
  return true;
}

template bool quad_forms(MatrixView<float>, const std::uint8_t*, std::int64_t,
                         const std::vector<Group>&, int, double*, const Options&);
template bool quad_forms(MatrixView<double>, const std::uint8_t*, std::int64_t,
                         const std::vector<Group>&, int, double*, const Options&);

}  // namespace fastdiv
