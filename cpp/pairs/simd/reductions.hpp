#pragma once

#include "isa/simd.hpp"
#include "isa/tile_ops.hpp"

// Reductions over a tile: sums of mapped values, maps in place, limbs and label sums for
// permutations, digit counts for order statistics. They use one thread and allocate nothing.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Returns 0, 1, 2, ... in the integer lanes of T.
template <class T>
inline IntVec<T> iota() {
  IntVec<T> v;
  for (int i = 0; i < lanes<T>; ++i) {
    v[i] = i;
  }
  return v;
}

// Returns the first column of a row that counts.
inline int first_column(Extent e, int row) {
  const int column = e.diagonal + row + 1;
  return column > 0 ? column : 0;
}

// Calls visit(begin, end) for the columns of a row that count.
template <class Visit>
[[gnu::always_inline]] inline void for_each_run(Extent e, int row, const Visit& visit) {
  const int begin = first_column(e, row);
  const int gap = e.gap + row;
  const bool has_gap = begin <= gap && gap < e.cols;
  // One call in a loop, because it is inlined.
  for (int run = 0; run <= (has_gap ? 1 : 0); ++run) {
    visit(run == 0 ? begin : gap + 1, has_gap && run == 0 ? gap : e.cols);
  }
}

// Calls whole(j) for the full vectors of a row and part(j, mask) for its ragged ends.
template <class T, class Whole, class Part>
inline void for_each_vector(int begin, int end, Whole whole, Part part) {
  using Int = typename Simd<T>::Int;
  int j = begin / lanes<T> * lanes<T>;
  if (j < begin && j < end) {
    part(j, (iota<T>() >= static_cast<Int>(begin - j)) & (iota<T>() < static_cast<Int>(end - j)));
    j += lanes<T>;
  }
  for (; j + lanes<T> <= end; j += lanes<T>) {
    whole(j);
  }
  if (j < end) {
    part(j, iota<T>() < static_cast<Int>(end - j));
  }
}

// Sums vectors of T in double precision, lane by lane.
template <class T>
class LaneSums {
 public:
  [[gnu::always_inline]] void add(Vec<T> v) {
    T values[lanes<T>];
    store(values, v);
    for (int part = 0; part < parts; ++part) {
      sums_[part] += load_wide(values + part * lanes<double>);
    }
  }

  // Returns the sum of all lanes, and starts again at 0.
  double drain() {
    double total = 0;
    for (Vec<double>& sum : sums_) {
      for (int i = 0; i < lanes<double>; ++i) {
        total += sum[i];
      }
      sum = Vec<double>{};
    }
    return total;
  }

 private:
  static constexpr int parts = sizeof(double) / sizeof(T);
  Vec<double> sums_[parts] = {};
};

// Neighbouring vectors that are added in the precision of the tile before they go to double. 9
// vectors are a row of a float tile of 64-byte vectors. That adds at most 8 roundings of values of
// like size. It saves eight ninths of the conversions, which at d = 2 would cost a fifth of the
// time.
constexpr int sum_group = 9;

// Adds f over columns [begin, end) of a row to `sums`.
template <class T, class F>
[[gnu::always_inline]] inline void sum_row(const F& f, const T* row, int begin, int end,
                                           LaneSums<T>& sums) {
  constexpr int group = sum_group * lanes<T>;
  int j = begin;
  for (; j % lanes<T> == 0 && j + group <= end; j += group) {
    Vec<T> total = f(load(row + j));
#pragma GCC unroll 8
    for (int v = 1; v < sum_group; ++v) {
      total += f(load(row + j + v * lanes<T>));
    }
    sums.add(total);
  }
  while (j < end) {
    const int next = j / lanes<T> * lanes<T> + group;
    Vec<T> total{};
    for_each_vector<T>(
        j, next < end ? next : end, [&](int at) { total += f(load(row + at)); },
        [&](int at, IntVec<T> mask) { total += as_real<T>(as_int<T>(f(load(row + at))) & mask); });
    sums.add(total);
    j = next;
  }
}

// See KernelOps::sum, and with by_row KernelOps::row_sums.
template <class T, class F, bool by_row>
void sum(const double* constants, const T* tile, Extent e, double* sums) {
  const F f(constants);
  LaneSums<T> lane_sums;
  for (int r = 0; r < e.rows; ++r) {
    for_each_run(
        e, r, [&](int begin, int end) { sum_row(f, tile + r * tile_cols, begin, end, lane_sums); });
    if constexpr (by_row) {
      sums[r] += lane_sums.drain();
    }
  }
  if constexpr (!by_row) {
    sums[0] += lane_sums.drain();
  }
}

// Computes `weigh` row by row. It is flattened, because inlining decides which products are fused,
// and all variants must give the same bits.
template <class T, class F, bool Columns, bool Slopes>
[[gnu::flatten]] void weigh_rows(const F& f, const T* tile, Extent e, const Weighing<T>& w) {
  T columns[tile_cols] = {};
  for (int r = 0; r < e.rows; ++r) {
    const T* row = tile + r * tile_cols;
    T* slopes = Slopes ? w.slopes + r * tile_cols : nullptr;
    const T row_weight = w.row_weights[r];
    const T slope_weight = row_weight * w.slope_weight;
    const bool has_gap = e.gap > no_diagonal;  // then vectors of slopes are written twice
    Vec<T> sum{};
    const auto weigh_vector = [&](int j, const auto& inside) {
      const Vec<T> t = load(row + j);
      const Vec<T> weight = load(w.col_weights + j);
      const Vec<T> value = f(t);
      sum += inside(value * weight);
      if constexpr (Columns) {
        store(columns + j, load(columns + j) + inside(value * row_weight));
      }
      if constexpr (Slopes) {
        const Vec<T> slope = inside(f.slope(t, value) * (weight * slope_weight));
        store(slopes + j, w.first && !has_gap ? slope : load(slopes + j) + slope);
      }
    };
    if (Slopes && w.first) {
      // The ends of this row's first and last vector are written again below.
      const int begin = has_gap ? tile_cols : first_column(e, r);
      for (int j = 0; j < begin && j < tile_cols; j += lanes<T>) {
        store(slopes + j, Vec<T>{});
      }
      for (int j = e.cols / lanes<T> * lanes<T>; j < tile_cols; j += lanes<T>) {
        store(slopes + j, Vec<T>{});
      }
    }
    for_each_run(e, r, [&](int begin, int end) {
      for_each_vector<T>(
          begin, end, [&](int j) { weigh_vector(j, [](Vec<T> v) { return v; }); },
          [&](int j, IntVec<T> mask) {
            weigh_vector(j, [&](Vec<T> v) { return as_real<T>(as_int<T>(v) & mask); });
          });
    });
    w.row_sums[r] += w.weight * total<T>(sum);
  }
  if (Slopes && w.first) {
    for (int j = e.rows * tile_cols; j < tile_rows * tile_cols; j += lanes<T>) {
      store(w.slopes + j, Vec<T>{});
    }
  }
  if constexpr (Columns) {
    for (int j = 0; j < e.cols; ++j) {
      w.col_sums[j] += w.weight * static_cast<double>(columns[j]);
    }
  }
}

// See KernelOps::weigh.
template <class T, class F>
void weigh(const double* constants, const T* tile, Extent e, const Weighing<T>& w) {
  const F f(constants);
  const auto run =
      w.slopes == nullptr
          ? (w.col_sums == nullptr ? weigh_rows<T, F, false, false> : weigh_rows<T, F, true, false>)
          : (w.col_sums == nullptr ? weigh_rows<T, F, false, true> : weigh_rows<T, F, true, true>);
  run(f, tile, e, w);
}

// See KernelOps::map.
template <class T, class F>
void map(const double* constants, const T* tile, T* out, int rows, int cols, T coefficient,
         bool accumulate) {
  const F f(constants);
  for (int r = 0; r < rows; ++r) {
    const T* in_row = tile + r * tile_cols;
    T* out_row = out + r * tile_cols;
    if (accumulate) {
      for (int j = 0; j < cols; j += lanes<T>) {
        store(out_row + j, load(out_row + j) + f(load(in_row + j)) * coefficient);
      }
    } else {
      for (int j = 0; j < cols; j += lanes<T>) {
        store(out_row + j, f(load(in_row + j)) * coefficient);
      }
    }
  }
}

// Returns the value over the extent that comes first by `before(a, b)`, or `last` if the extent is
// empty.
template <class T, class Before>
T first_of(const T* tile, Extent e, T last, const Before& before) {
  // One chain of comparisons would wait for each of them. 9 divides the vectors of a row.
  constexpr int chains = sum_group;
  Vec<T> best[chains];
  for (Vec<T>& b : best) {
    b = splat(last);
  }
  const auto compare = [&](Vec<T>& b, Vec<T> v) { b = before(v, b) ? v : b; };
  for (int r = 0; r < e.rows; ++r) {
    const T* row = tile + r * tile_cols;
    int begin = first_column(e, r);
    for (; begin % lanes<T> == 0 && begin + chains * lanes<T> <= e.cols;
         begin += chains * lanes<T>) {
#pragma GCC unroll 9
      for (int v = 0; v < chains; ++v) {
        compare(best[v], load(row + begin + v * lanes<T>));
      }
    }
    for_each_vector<T>(
        begin, e.cols, [&](int j) { compare(best[0], load(row + j)); },
        [&](int j, IntVec<T> mask) { compare(best[0], mask ? load(row + j) : splat(last)); });
  }
  T result = last;
  for (const Vec<T>& b : best) {
    for (int i = 0; i < lanes<T>; ++i) {
      result = before(b[i], result) ? b[i] : result;
    }
  }
  return result;
}

template <class T>
T smallest(const T* tile, Extent e) {
  constexpr T last = sizeof(T) == 4 ? static_cast<T>(__FLT_MAX__) : static_cast<T>(__DBL_MAX__);
  return first_of(tile, e, last, [](auto a, auto b) { return a < b; });
}

template <class T>
T largest(const T* tile, Extent e) {
  constexpr T last = sizeof(T) == 4 ? static_cast<T>(-__FLT_MAX__) : static_cast<T>(-__DBL_MAX__);
  return first_of(tile, e, last, [](auto a, auto b) { return a > b; });
}

// See TileOps::row_products.
template <class T>
void row_products(const T* a, const T* b, Extent e, double* sums) {
  for (int r = 0; r < e.rows; ++r, a += tile_cols, b += tile_cols) {
    Vec<T> sum{};
    for_each_vector<T>(
        first_column(e, r), e.cols, [&](int j) { sum += load(a + j) * load(b + j); },
        [&](int j, IntVec<T> mask) {
          sum += as_real<T>(as_int<T>(load(a + j) * load(b + j)) & mask);
        });
    sums[r] += total<T>(sum);
  }
}

// See TileOps::count_digits. Non-negative IEEE numbers are ordered as their bits are, so an order
// statistic is a radix selection over 16-bit digits.
template <class T>
void count_digits(const T* tile, Extent e, int shift, std::uint64_t prefix, std::uint64_t* counts) {
  for (int r = 0; r < e.rows; ++r) {
    for (int j = first_column(e, r); j < e.cols; ++j) {
      std::uint64_t bits = 0;
      __builtin_memcpy(&bits, tile + r * tile_cols + j, sizeof(T));
      bits >>= shift;
      if (bits >> 16 == prefix) {
        ++counts[bits & 0xffff];
      }
    }
  }
}

// Tells whether any lane of a mask is set.
inline bool any(const void* lanes_of_mask) {
  std::uint64_t words[vector_bytes / 8];
  __builtin_memcpy(words, lanes_of_mask, sizeof words);
  std::uint64_t all = 0;
  for (const std::uint64_t word : words) {
    all |= word;
  }
  return all != 0;
}

// See TileOps::keep_smallest.
template <class T>
void keep_smallest(const T* tile, Extent e, int k, T* least) {
  for (int r = 0; r < e.rows; ++r, least += k) {
    const T* row = tile + r * tile_cols;
    const int begin = first_column(e, r);
    // After a few tiles, most rows hold no smaller value.
    IntVec<T> smaller{};
    for_each_vector<T>(
        begin, e.cols, [&](int j) { smaller |= load(row + j) < least[k - 1]; },
        [&](int j, IntVec<T> mask) { smaller |= (load(row + j) < least[k - 1]) & mask; });
    if (!any(&smaller)) {
      continue;
    }
    for (int j = begin; j < e.cols; ++j) {
      if (row[j] < least[k - 1]) {
        int i = k - 1;
        for (; i > 0 && row[j] < least[i - 1]; --i) {
          least[i] = least[i - 1];
        }
        least[i] = row[j];
      }
    }
  }
}

// See TileOps::split_limb.
template <class T>
void split_limb(T* tile, std::int32_t* limb, Extent e, int limb_bits) {
  const T scale = static_cast<T>(1 << limb_bits);
  for (int r = 0; r < tile_rows; ++r) {
    T* row = tile + r * tile_cols;
    std::int32_t* out = limb + r * tile_cols;
    const int begin = r < e.rows ? first_column(e, r) : e.cols;
    for (int j = 0; j < tile_cols; ++j) {
      const T scaled = row[j] * scale;
      const T rounded = (scaled + Simd<T>::magic) - Simd<T>::magic;
      row[j] = scaled - rounded;
      out[j] = j >= begin && j < e.cols ? static_cast<std::int32_t>(rounded) : 0;
    }
  }
}

// Sums over selected rows, for many selections at once. The 48 rows of a tile make 8 groups of 6.
// The 64 subset sums of each group are tabulated for 16 columns. A labelling then costs 8 loads and
// adds for 48 x 16 entries instead of 48 multiply-adds. Integers have equal sums in every order, so
// equal sets of entries give equal bits.
constexpr int group_rows = 6;
constexpr int subsets = 1 << group_rows;
constexpr int groups = tile_rows / group_rows;
constexpr int block_cols = 16;
constexpr int block_parts = block_cols / lanes<float>;  // vectors of int32 in a block of columns
using Int32s = Simd<float>::I;

struct LabelScratch {
  alignas(64) Int32s table[groups][subsets][block_parts];
  // followed by Int32s lane_sums[n_labellings][block_parts]
};

inline std::size_t labelled_scratch_bytes(std::ptrdiff_t n_labellings) {
  return sizeof(LabelScratch) + static_cast<std::size_t>(n_labellings) * block_cols * 4;
}

// Tabulates the subset sums of each group of rows, for one block of columns.
inline void tabulate(const std::int32_t* limb, LabelScratch& scratch) {
  for (int g = 0; g < groups; ++g) {
    auto& table = scratch.table[g];
    for (int v = 0; v < block_parts; ++v) {
      table[0][v] = Int32s{};
    }
    for (int r = 0; r < group_rows; ++r) {
      Int32s row[block_parts];
      __builtin_memcpy(row, limb + (g * group_rows + r) * tile_cols, sizeof row);
      for (int s = 0; s < 1 << r; ++s) {
        for (int v = 0; v < block_parts; ++v) {
          table[(1 << r) + s][v] = table[s][v] + row[v];
        }
      }
    }
  }
}

// See IsaOps::add_labelled.
void add_labelled(const std::int32_t* limb, int col_strips, const std::uint64_t* row_labels,
                  const std::uint64_t* col_labels, std::ptrdiff_t n_labellings,
                  std::int64_t* totals, void* memory) {
  LabelScratch& scratch = *static_cast<LabelScratch*>(memory);
  auto* lane_sums = reinterpret_cast<Int32s(*)[block_parts]>(&scratch + 1);
  Int32s lane_bit[block_parts];
  for (int v = 0; v < block_parts; ++v) {
    for (int i = 0; i < lanes<float>; ++i) {
      lane_bit[v][i] = 1 << (v * lanes<float> + i);
    }
  }
  // |limb| <= 2^22: 48 rows x 9 blocks of columns add up to less than 2^31 in a lane.
  const int blocks = col_strips * (tile_rows / block_cols);
  for (int block = 0; block < blocks; ++block) {
    tabulate(limb + block * block_cols, scratch);
    const int col_shift = block % (tile_rows / block_cols) * block_cols;
    const std::uint64_t* cols = col_labels + block / (tile_rows / block_cols) * n_labellings;
    for (std::ptrdiff_t b = 0; b < n_labellings; ++b) {
      std::uint64_t rows = row_labels[b];
      Int32s sum[block_parts] = {};
      for (int g = 0; g < groups; ++g, rows >>= group_rows) {
        const Int32s* entry = scratch.table[g][rows & (subsets - 1)];
        for (int v = 0; v < block_parts; ++v) {
          sum[v] += entry[v];
        }
      }
      const std::int32_t chosen = static_cast<std::int32_t>(cols[b] >> col_shift & 0xffff);
      for (int v = 0; v < block_parts; ++v) {
        const Int32s mask = (lane_bit[v] & chosen) != 0;
        lane_sums[b][v] = (block == 0 ? Int32s{} : lane_sums[b][v]) + (sum[v] & mask);
      }
    }
  }
  for (std::ptrdiff_t b = 0; b < n_labellings; ++b) {
    std::int64_t total = 0;
    for (int v = 0; v < block_parts; ++v) {
      for (int i = 0; i < lanes<float>; ++i) {
        total += lane_sums[b][v][i];
      }
    }
    totals[b] += total;
  }
}

// Computes independent chains of multiply-adds from registers, for the peak of the roofline.
template <class T>
double fma_burst(std::int64_t n, T* sink) {
  constexpr int chains = vector_bytes == 64 ? 24 : 12;
  Vec<T> sums[chains];
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) {
    sums[i] = splat(static_cast<T>(i));
  }
  Vec<T> x = splat(sink[0]);
  const Vec<T> y = splat(sink[1]);
  for (std::int64_t k = 0; k < n; k += chains) {
    asm volatile("" : "+m"(x));
    const Vec<T> factor = x;
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) {
      sums[i] = sums[i] * factor + y;
    }
  }
  Vec<T> total = sums[0];
#pragma GCC unroll 24
  for (int i = 1; i < chains; ++i) {
    total += sums[i];
  }
  sink[2] = total[0];
  return 2.0 * lanes<T> * static_cast<double>((n + chains - 1) / chains * chains);
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
