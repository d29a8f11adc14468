#pragma once

#include "isa/simd.hpp"
#include "isa/tile_ops.hpp"

// Fills one tile of half squared distances, L1 distances or dot products.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Shape of the register block. The register file holds 32 registers with 64-byte vectors, else 16.
// block_rows x block_vectors accumulators, block_vectors column vectors and one broadcast fill it.
constexpr int block_rows = vector_bytes == 64 ? 8 : 4;
constexpr int block_vectors = vector_bytes == 16 ? 2 : 3;
template <class T>
constexpr int panel_rows = block_vectors * lanes<T>;
static_assert(tile_rows % panel_rows<float> == 0 && tile_rows % panel_rows<double> == 0);
static_assert(tile_rows % block_rows == 0 && tile_cols % tile_rows == 0);

// Computes D/2 = |x|^2/2 + |y|^2/2 - x.y. It cancels when the rows are far from the centre and
// close to each other. The engine bounds the error, and uses DirectSqDist where it would be too
// large. Rounding may leave values just below 0.
template <class T>
struct ExpandedSqDist {
  static constexpr std::ptrdiff_t chain = chain_features<T>;
  static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> y, T) { return sum - x * y; }
  static Vec<T> finish(Vec<T> sum, T) { return sum; }
  static constexpr bool biased = true, scaled = false;
};

template <class T, bool Scaled>
struct DirectSqDist {
  static constexpr std::ptrdiff_t chain = difference_chain<T>;
  static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> y, T scale) {
    const Vec<T> difference = Scaled ? (x - y) * scale : x - y;
    return sum + difference * difference;
  }
  static Vec<T> finish(Vec<T> sum, T factor) { return sum * factor; }
  static constexpr bool biased = false, scaled = Scaled;
};

template <class T, bool Scaled>
struct L1 {
  static constexpr std::ptrdiff_t chain = difference_chain<T>;
  static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> y, T scale) {
    const Vec<T> difference = abs<T>(x - y);
    return Scaled ? sum + difference * scale : sum + difference;
  }
  static Vec<T> finish(Vec<T> sum, T factor) { return sum * factor; }
  static constexpr bool biased = false, scaled = Scaled;
};

template <class T>
struct Dot {
  static constexpr std::ptrdiff_t chain = chain_features<T>;
  static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> y, T) { return sum + x * y; }
  static Vec<T> finish(Vec<T> sum, T) { return sum; }
  static constexpr bool biased = false, scaled = false;
};

// A pass over some features: one chain of additions for each entry, in a block of chains.
struct FeaturePass {
  std::ptrdiff_t dim;
  bool first_chain;
  bool last_chain;
  bool first_block;
  bool last_block;
};

// Adds `part` to `sum`, and the rounding error of that to `lost`. The two-sum of Knuth, The Art of
// Computer Programming, volume 2, section 4.2.2, theorem B.
template <class T>
inline void add_compensated(Vec<T>& sum, Vec<T>& lost, Vec<T> part) {
  const Vec<T> total = sum + part;
  const Vec<T> added = total - sum;
  lost += (sum - (total - added)) + (part - added);
  sum = total;
}

// Where the entries of a tile add up. With one block of features `block` is the tile itself, and
// `lost` is null. With one chain nothing adds up.
template <class T>
struct TileSums {
  T* tile;
  T* block;  // the sums of a block of features so far
  T* lost;   // what the additions of blocks to `tile` have rounded away
};

// Fills one register block: rows x[0..block_rows), columns of one panel y. With Short there is one
// chain, of at most `short_chain` features.
template <class T, class Op, bool Short>
[[gnu::always_inline]] inline void fill_block(const TileOperands<T>& t, const T* x, const T* y,
                                              const T* scale, const FeaturePass& pass,
                                              const T* x_bias, const T* y_bias,
                                              const TileSums<T>& to) {
  constexpr int panel = panel_rows<T>;
  // The loops over the block are unrolled, so that `sum` is in registers.
  Vec<T> sum[block_rows][block_vectors];
  const auto for_each_vector = [&](auto&& visit) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int i = 0; i < block_rows; ++i) {
#pragma GCC unroll 3
      for (int v = 0; v < block_vectors; ++v) {
        visit(sum[i][v], i, v * lanes<T>);
      }
    }
  };
  const auto bias = [&](int i, int at) {
    if constexpr (Op::biased) {
      return load(y_bias + at) + x_bias[i];
    } else {
      return Vec<T>{};
    }
  };
  for_each_vector([&](Vec<T>& s, int i, int at) { s = Short ? bias(i, at) : Vec<T>{}; });
  for (std::ptrdiff_t k = 0; k < pass.dim; ++k, x += panel, y += panel) {
    const T scale_k = Op::scaled ? scale[k] : T{1};
    Vec<T> column[block_vectors];
#pragma GCC unroll 3
    for (int v = 0; v < block_vectors; ++v) {
      column[v] = load(y + v * lanes<T>);
    }
#pragma GCC unroll 8
    for (int i = 0; i < block_rows; ++i) {
      const Vec<T> row = splat(x[i]);
#pragma GCC unroll 3
      for (int v = 0; v < block_vectors; ++v) {
        sum[i][v] = Op::step(sum[i][v], row, column[v], scale_k);
      }
    }
  }
  if (!Short && !pass.first_chain) {
    for_each_vector([&](Vec<T>& s, int i, int at) { s += load(to.block + i * tile_cols + at); });
  }
  if (!Short && !pass.last_chain) {
    for_each_vector([&](Vec<T>& s, int i, int at) { store(to.block + i * tile_cols + at, s); });
    return;
  }
  if (Short || to.lost == nullptr) {
    for_each_vector([&](Vec<T>& s, int i, int at) {
      store(to.tile + i * tile_cols + at, Op::finish(Short ? s : s + bias(i, at), t.factor));
    });
    return;
  }
  for_each_vector([&](Vec<T>& s, int i, int at) {
    const int entry = i * tile_cols + at;
    Vec<T> total = pass.first_block ? bias(i, at) : load(to.tile + entry);
    Vec<T> error = pass.first_block ? Vec<T>{} : load(to.lost + entry);
    add_compensated<T>(total, error, s);
    store(to.tile + entry, pass.last_block ? Op::finish(total + error, t.factor) : total);
    store(to.lost + entry, error);
  });
}

// Adds the features [k, k + pass.dim) to a tile.
template <class T, class Op, bool Short>
void add_features(const TileOperands<T>& t, std::ptrdiff_t k, const FeaturePass& pass,
                  const TileSums<T>& to) {
  constexpr int panel = panel_rows<T>;
  const T* scale = Op::scaled ? t.feature_scale + k : nullptr;
  for (int j = 0; j < t.cols; j += panel) {
    const T* y = t.y + j * t.stride + k * panel;
    for (int p = 0; p < t.rows; p += panel) {
      const T* x = t.x + p * t.stride + k * panel;
      for (int i = p; i < p + panel && i < t.rows; i += block_rows) {
        const int entry = i * tile_cols + j;
        fill_block<T, Op, Short>(
            t, x + (i - p), y, scale, pass, Op::biased ? t.x_bias + i : nullptr,
            Op::biased ? t.y_bias + j : nullptr,
            {to.tile + entry, to.block + entry, to.lost == nullptr ? nullptr : to.lost + entry});
      }
    }
  }
}

// Fills a tile, some features after the other. A chain of n additions of equal values is off by up
// to n/8 units of eps. So the sums of short chains are added up, and those of blocks compensated.
template <class T, class Op>
void fill(const TileOperands<T>& t, T* tile) {
  if (t.dim <= short_chain<T>) {
    add_features<T, Op, true>(t, 0, {t.dim, true, true, true, true}, {tile, tile, nullptr});
    return;
  }
  T block_sums[tile_rows * tile_cols];
  T lost[tile_rows * tile_cols];
  const bool one_block = t.dim <= feature_block;
  const TileSums<T> to = {tile, one_block ? tile : block_sums, one_block ? nullptr : lost};
  const std::ptrdiff_t block = block_features(t.dim);
  for (std::ptrdiff_t begin = 0; begin < t.dim; begin += block) {
    const std::ptrdiff_t end = t.dim - begin <= block ? t.dim : begin + block;
    for (std::ptrdiff_t k = begin; k < end; k += Op::chain) {
      const bool last = end - k <= Op::chain;
      add_features<T, Op, false>(
          t, k, {last ? end - k : Op::chain, k == begin, last, begin == 0, end == t.dim}, to);
    }
  }
}

template <class T, template <class, bool> class Op>
void fill_maybe_scaled(const TileOperands<T>& t, T* tile) {
  if (t.feature_scale != nullptr) {
    fill<T, Op<T, true>>(t, tile);
  } else {
    fill<T, Op<T, false>>(t, tile);
  }
}

// See IsaOps::halve_products.
inline void halve_products(const double* tile, double unit, double offset, const double* offsets,
                           double norm, const double* norms, double error, int cols, double* out) {
  const double size = __builtin_fabs(offset);
  const auto halved = [&](Vec<double> product, Vec<double> offset_b, Vec<double> norm_b) {
    const Vec<double> value = unit * product + (offset_b + offset);
    const Vec<double> terms = norm * norm_b + (abs<double>(offset_b) + size);
    return value > error * terms ? value * 0.5 : splat(__builtin_nan(""));
  };
  int c = 0;
  for (; c + lanes<double> <= cols; c += lanes<double>) {
    store(out + c, halved(load(tile + c), load(offsets + c), load(norms + c)));
  }
  for (; c < cols; ++c) {
    out[c] = halved(splat(tile[c]), splat(offsets[c]), splat(norms[c]))[0];
  }
}

// See IsaOps::solve_strip. It divides by the diagonal instead of multiplying with the reciprocal,
// so that X = L^T gives exactly 1 there.
inline void solve_strip(double* x, std::ptrdiff_t stride, const double* l) {
  constexpr int panel = panel_rows<double>;
  for (int p = 0; p < tile_rows; p += panel, x += panel * stride) {
    for (int c = 0; c < tile_rows; ++c) {
      const double* row = l + c * tile_rows;
      Vec<double> sum[block_vectors];
      for (int v = 0; v < block_vectors; ++v) {
        sum[v] = load(x + c * panel + v * lanes<double>);
      }
      for (int k = 0; k < c; ++k) {
        for (int v = 0; v < block_vectors; ++v) {
          sum[v] -= row[k] * load(x + k * panel + v * lanes<double>);
        }
      }
      for (int v = 0; v < block_vectors; ++v) {
        store(x + c * panel + v * lanes<double>, sum[v] / row[c]);
      }
    }
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
