#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include "isa/simd.hpp"
#include "isa/tile_ops.hpp"
#include "pairs/simd/tile.hpp"
#endif

// Tiles of exact products of int8 rows, and their conversion to base values. The register block is
// that of tile.hpp, with an int32 accumulator in the place of each float and two features to a
// step.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

using Int32s = Simd<float>::I;
typedef std::int16_t Int16s __attribute__((vector_size(vector_bytes)));

// Pairs of features per pass. Two panels of them as int16 stay in the L1 cache.
constexpr std::ptrdiff_t pair_block = 64;

// Returns the sum of products over both halves of every int32 lane. Vector extensions have no word
// for that single instruction.
inline Int32s pair_products(Int16s a, Int16s b) {
#if defined(__AVX512BW__) && FASTDIV_VECTOR_BYTES == 64
  return reinterpret_cast<Int32s>(
      _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__) && FASTDIV_VECTOR_BYTES == 32
  return reinterpret_cast<Int32s>(
      _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__) && FASTDIV_VECTOR_BYTES == 16
  return reinterpret_cast<Int32s>(
      _mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  const auto low = [](Int16s v) { return reinterpret_cast<Int32s>(v) << 16 >> 16; };
  const auto high = [](Int16s v) { return reinterpret_cast<Int32s>(v) >> 16; };
  return low(a) * low(b) + high(a) * high(b);
#endif
}

// Widens `pairs` pairs of features of a panel, and subtracts the zero points.
inline void widen_panel(const std::int8_t* from, const std::int16_t* zero, std::ptrdiff_t pairs,
                        std::int16_t* to) {
  constexpr int width = 2 * panel_rows<float>;
  for (std::ptrdiff_t k = 0; k < pairs; ++k, from += width, to += width) {
    for (int i = 0; i < width; ++i) {
      to[i] = static_cast<std::int16_t>(from[i] - zero[i]);
    }
  }
}

// Adds the products of one register block over some pairs of features.
[[gnu::always_inline]] inline void multiply_block(const std::int16_t* x, const std::int16_t* y,
                                                  std::ptrdiff_t pairs, bool first,
                                                  std::int32_t* out) {
  constexpr int panel = panel_rows<float>;
  Int32s sum[block_rows][block_vectors];
#pragma GCC unroll 8
  for (int i = 0; i < block_rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < block_vectors; ++v) {
      sum[i][v] = Int32s{};
      if (!first) {
        __builtin_memcpy(&sum[i][v], out + i * tile_cols + v * lanes<float>, vector_bytes);
      }
    }
  }
  for (std::ptrdiff_t k = 0; k < pairs; ++k, x += 2 * panel, y += 2 * panel) {
    Int16s column[block_vectors];
#pragma GCC unroll 3
    for (int v = 0; v < block_vectors; ++v) {
      __builtin_memcpy(&column[v], y + v * 2 * lanes<float>, vector_bytes);
    }
#pragma GCC unroll 8
    for (int i = 0; i < block_rows; ++i) {
      std::int32_t pair;
      __builtin_memcpy(&pair, x + 2 * i, sizeof pair);
      const Int16s row = reinterpret_cast<Int16s>(Int32s{} + pair);
#pragma GCC unroll 3
      for (int v = 0; v < block_vectors; ++v) {
        sum[i][v] += pair_products(row, column[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < block_rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < block_vectors; ++v) {
      __builtin_memcpy(out + i * tile_cols + v * lanes<float>, &sum[i][v], vector_bytes);
    }
  }
}

// See IsaOps::multiply_int8.
inline void multiply_int8(const Int8Operands& t, std::int32_t* tile) {
  constexpr int panel = panel_rows<float>;
  alignas(64) std::int16_t x[tile_rows * 2 * pair_block];
  alignas(64) std::int16_t y[panel * 2 * pair_block];
  for (std::ptrdiff_t k = 0; k < t.pairs; k += pair_block) {
    const std::ptrdiff_t remaining = t.pairs - k;
    const std::ptrdiff_t pairs = remaining < pair_block ? remaining : pair_block;
    for (int p = 0; p < t.rows; p += panel) {
      widen_panel(t.x + 2 * (p * t.stride + k * panel), t.x_zero + 2 * p, pairs, x + 2 * p * pairs);
    }
    for (int j = 0; j < t.cols; j += panel) {
      widen_panel(t.y + 2 * (j * t.stride + k * panel), t.y_zero + 2 * j, pairs, y);
      for (int p = 0; p < t.rows; p += panel) {
        for (int i = p; i < p + panel && i < t.rows; i += block_rows) {
          multiply_block(x + 2 * (p * pairs + (i - p)), y, pairs, k == 0, tile + i * tile_cols + j);
        }
      }
    }
  }
}

// Calls value(row, column, product) for whole vectors of doubles, and stores what it returns.
template <class T, class Value>
[[gnu::always_inline]] inline void from_products(const std::int32_t* products, const double* before,
                                                 int rows, int cols, T* tile, const Value& value) {
  constexpr int width = lanes<double>;
  typedef T Out __attribute__((vector_size(vector_bytes / 8 * sizeof(T))));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; c += width) {
      const int at = r * tile_cols + c;
      Vec<double> product = load_wide(products + at);
      if (before != nullptr) {
        product += load(before + at);
      }
      const Vec<double> wide = value(r, c, product);
      const Out out = __builtin_convertvector(wide, Out);
      __builtin_memcpy(tile + at, &out, sizeof out);
    }
  }
}

// See Int8Ops::sqdist. With integer rows u, v of half squared norms N, M and scales s, t,
//   |su - tv|^2 / 2 = st (N + M - u.v) + (s - t)(sN - tM).
// For one scale, no rounding comes before a difference. Equal rows then give exactly 0, whether or
// not multiply and add are fused.
template <class T>
void sqdist_of_products(const std::int32_t* products, const double* before, const Int8Rows& x,
                        const Int8Rows& y, int rows, int cols, T* tile) {
  from_products(products, before, rows, cols, tile, [&](int r, int c, Vec<double> product) {
    const Vec<double> scale = load(y.scale + c);
    const Vec<double> squares = load(y.half_norm + c) + x.half_norm[r] - product;
    const Vec<double> scale_term =
        (x.scale[r] - scale) * (x.scaled_norm[r] - load(y.scaled_norm + c));
    const Vec<double> half = squares * (scale * x.scale[r]) + scale_term;
    return half > 0.0 ? half : Vec<double>{};
  });
}

// See Int8Ops::dot.
template <class T>
void dot_of_products(const std::int32_t* products, const double* before, const Int8Rows& x,
                     const Int8Rows& y, int rows, int cols, T* tile) {
  from_products(products, before, rows, cols, tile, [&](int r, int c, Vec<double> product) {
    return product * (load(y.scale + c) * x.scale[r]);
  });
}

// See Int8Ops::dequantise. A panel of T is a panel of float or a part of one.
template <class T>
void dequantise(const Int8Operands& t, const double* scale, const double* feature_scale, T* out) {
  constexpr int from = panel_rows<float>;
  constexpr int to = panel_rows<T>;
  static_assert(from % to == 0);
  for (int p = 0; p < t.rows; p += to) {
    const std::int8_t* x = t.x + 2 * (p / from * from * t.stride + p % from);
    for (std::ptrdiff_t k = 0; k < 2 * t.pairs; ++k, out += to) {
      const std::int8_t* pairs = x + k / 2 * 2 * from + k % 2;
      for (int r = 0; r < to; ++r) {
        const auto whole = static_cast<double>(pairs[2 * r] - t.x_zero[2 * (p + r)]);
        out[r] = static_cast<T>(whole * (scale[p + r] * feature_scale[k]));
      }
    }
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
