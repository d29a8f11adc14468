#include "pairs/walk/quantized_tiles.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "isa/isa.hpp"
#include "pairs/walk/packing.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Pairs of features that become floating point at a time. The 48 + 144 rows of a tile then take
// 48 KiB of the stack, and the sums of more features another 110 KiB.
template <class U>
constexpr ptrdiff_t few_pairs = 128 / sizeof(U);

// Packs everything but the scales, which wait for the unit of the tiles. Sets reach[i] to the
// largest |value * weight| of row i, and its error to the sum of these, or of their squares.
template <class T>
PackedInt8 pack(Workers& workers, const MatrixView<T>& x, Base base, const double* weights,
                double* reach) {
  const int panel = isa().ops<float>().panel;
  const ptrdiff_t strips = (x.rows + tile_rows - 1) / tile_rows;
  const auto padded = static_cast<std::size_t>(strips * tile_rows);
  const ptrdiff_t width = x.cols + x.cols % 2;
  PackedInt8 packed;
  packed.values = Buffer<std::int8_t>(padded * static_cast<std::size_t>(width));
  packed.zero = Buffer<std::int16_t>(2 * padded);
  packed.scale = Buffer<double>(padded);
  packed.half_norm = Buffer<double>(padded);
  packed.scaled_norm = Buffer<double>(padded);
  packed.error = Buffer<double>(padded);
  const auto pack_row = [&](ptrdiff_t i) {
    const bool inside = i < x.rows;
    const int zero = inside ? x.quantized->zero(i) : 0;
    std::int8_t* out = packed.values.data() + i / panel * panel * width + i % panel * 2;
    std::int64_t norm = 0;
    double largest = 0;
    double sum = 0;
    for (ptrdiff_t k = 0; k < width; ++k) {
      const int whole = inside && k < x.cols ? x.integer(i, k) : 0;
      out[k / 2 * 2 * panel + k % 2] = static_cast<std::int8_t>(whole + zero);
      norm += whole * whole;
      const double value = std::abs(whole) * weights[k];
      largest = std::max(largest, value);
      sum += base == Base::l1 ? value : value * value;
    }
    const auto at = static_cast<std::size_t>(i);
    packed.zero[2 * at] = packed.zero[2 * at + 1] = static_cast<std::int16_t>(zero);
    packed.half_norm[at] = 0.5 * static_cast<double>(norm);
    packed.error[at] = sum;
    // The scale of a row of zeros has no meaning, but would cancel in differences of scales.
    packed.scale[at] = norm > 0 ? static_cast<double>(x.quantized->scale[i]) : 0;
    if (inside) {
      reach[i] = largest * packed.scale[at];
    }
  };
  const auto pack_strip = [&](std::int64_t strip, int) {
    for (ptrdiff_t i = strip * tile_rows; i < (strip + 1) * tile_rows; ++i) {
      pack_row(i);
    }
  };
  workers.for_each(strips, 0, pack_strip,
                   6.0 * static_cast<double>(x.rows) * static_cast<double>(x.cols));
  return packed;
}

}  // namespace

template <class T>
QuantizedTiles<T>::QuantizedTiles(Workers& workers, const std::vector<MatrixView<T>>& samples,
                                  Base base, const std::vector<double>& feature_scale, bool unit)
    : base_(base),
      by_feature_(base == Base::l1 || !feature_scale.empty()),
      pairs_((samples[0].cols + 1) / 2) {
  if (base == Base::dot && by_feature_) {
    throw std::invalid_argument("dot products of quantised rows take no scale per feature");
  }
  feature_scale_ = feature_scale;
  feature_scale_.resize(static_cast<std::size_t>(2 * pairs_), feature_scale.empty() ? 1 : 0);
  double largest = 0;
  for (const MatrixView<T>& x : samples) {
    std::vector<double> reach(static_cast<std::size_t>(x.rows));
    packed_.push_back(pack(workers, x, base, feature_scale_.data(), reach.data()));
    largest = std::max(largest, *std::max_element(reach.begin(), reach.end()));
  }
  if (!std::isfinite(largest)) {
    throw std::invalid_argument("the scales of the features are too large for these data");
  }
  scale_ = unit ? 1 : scale_for(largest);
  // An expanded squared distance of x and y is rounded four times, each time by up to half of
  // eps (|x|^2 + |y|^2) / 2. Differences of rows that float holds are off by up to half of
  // eps (|x| + |y|) along a feature.
  const double eps = !by_feature_                 ? std::numeric_limits<double>::epsilon()
                     : sizeof(T) == sizeof(float) ? std::numeric_limits<float>::epsilon()
                                                  : 0;
  const bool l1 = base == Base::l1;
  for (PackedInt8& packed : packed_) {
    for (std::size_t i = 0; i < packed.scale.size(); ++i) {
      packed.scale[i] *= scale_;
      packed.scaled_norm[i] = packed.scale[i] * packed.half_norm[i];
      const double half_norm = packed.scale[i] * packed.scaled_norm[i];
      next_norm_ = std::max(next_norm_, std::min(max_norm_, half_norm));
      max_norm_ = std::max(max_norm_, half_norm);
      packed.error[i] *= l1 ? eps / 2 * packed.scale[i] : eps * packed.scale[i] * packed.scale[i];
      max_error_ = std::max(max_error_, packed.error[i]);
    }
  }
}

template <class T>
void QuantizedTiles<T>::fill(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e, T* tile) const {
  if (by_feature_) {
    return fill_from_differences<T>(s, i, t, j, e, tile);
  }
  if (pairs_ > max_pairs) {
    return multiply_long(s, i, t, j, e, tile);
  }
  alignas(64) std::int32_t products[tile_size];
  isa().multiply_int8(operands(s, i, t, j, e, 0, pairs_), products);
  finish(products, nullptr, s, i, t, j, e, tile);
}

// Fills a tile from more features than an int32 can add up.
template <class T>
[[gnu::noinline]] void QuantizedTiles<T>::multiply_long(int s, ptrdiff_t i, int t, ptrdiff_t j,
                                                        Extent e, T* tile) const {
  alignas(64) std::int32_t products[tile_size];
  alignas(64) double before[tile_size] = {};
  for (ptrdiff_t pair = 0;; pair += max_pairs) {
    const ptrdiff_t pairs = std::min(max_pairs, pairs_ - pair);
    isa().multiply_int8(operands(s, i, t, j, e, pair, pairs), products);
    if (pair + pairs == pairs_) {
      return finish(products, before, s, i, t, j, e, tile);
    }
    for (int r = 0; r < e.rows; ++r) {
      for (int at = r * tile_cols; at < r * tile_cols + e.cols; ++at) {
        before[at] += products[at];
      }
    }
  }
}

template <class T>
void QuantizedTiles<T>::finish(const std::int32_t* products, const double* before, int s,
                               ptrdiff_t i, int t, ptrdiff_t j, Extent e, T* tile) const {
  const auto rows = [&](int sample, ptrdiff_t first) {
    const PackedInt8& p = packed_[static_cast<std::size_t>(sample)];
    return Int8Rows{p.scale.data() + first, p.half_norm.data() + first,
                    p.scaled_norm.data() + first};
  };
  const Int8Ops<T>& ops = isa().int8<T>();
  (base_ == Base::dot ? ops.dot : ops.sqdist)(products, before, rows(s, i), rows(t, j), e.rows,
                                              e.cols, tile);
}

template <class T>
template <class U>
[[gnu::noinline]] void QuantizedTiles<T>::fill_from_differences(int s, ptrdiff_t i, int t,
                                                                ptrdiff_t j, Extent e,
                                                                T* tile) const {
  alignas(64) U x[tile_rows * 2 * few_pairs<U>];
  alignas(64) U y[tile_cols * 2 * few_pairs<U>];
  const TileOps<U>& tiles = isa().ops<U>();
  const Int8Ops<U>& ops = isa().int8<U>();
  const double* x_scale = packed_[static_cast<std::size_t>(s)].scale.data() + i;
  const double* y_scale = packed_[static_cast<std::size_t>(t)].scale.data() + j;
  const auto fill_part = [&](ptrdiff_t pair, U* out) {
    const ptrdiff_t pairs = std::min(few_pairs<U>, pairs_ - pair);
    const Extent swapped{e.cols, e.rows, no_diagonal};
    const double* feature_scale = feature_scale_.data() + 2 * pair;
    ops.dequantise(operands(s, i, t, j, e, pair, pairs), x_scale, feature_scale, x);
    ops.dequantise(operands(t, j, s, i, swapped, pair, pairs), y_scale, feature_scale, y);
    TileOperands<U> o{};
    o.x = x;
    o.y = y;
    o.dim = o.stride = 2 * pairs;
    o.rows = e.rows;
    o.cols = e.cols;
    o.factor = base_ == Base::l1 ? U{1} : U{0.5};
    (base_ == Base::l1 ? tiles.l1 : tiles.sqdist_direct)(o, out);
  };
  if constexpr (std::is_same_v<T, U>) {
    if (pairs_ <= few_pairs<U>) {
      return fill_part(0, tile);
    }
  }
  alignas(64) U part[tile_size];
  alignas(64) double sum[tile_size] = {};
  for (ptrdiff_t pair = 0; pair < pairs_; pair += few_pairs<U>) {
    fill_part(pair, part);
    for (int r = 0; r < e.rows; ++r) {
      for (int at = r * tile_cols; at < r * tile_cols + e.cols; ++at) {
        sum[at] += part[at];
      }
    }
  }
  for (int r = 0; r < e.rows; ++r) {
    for (int at = r * tile_cols; at < r * tile_cols + e.cols; ++at) {
      tile[at] = static_cast<T>(sum[at]);
    }
  }
}

template <class T>
Int8Operands QuantizedTiles<T>::operands(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e,
                                         ptrdiff_t first_pair, ptrdiff_t pairs) const {
  const ptrdiff_t skipped = 2 * first_pair * isa().ops<float>().panel;
  const PackedInt8& x = packed_[static_cast<std::size_t>(s)];
  const PackedInt8& y = packed_[static_cast<std::size_t>(t)];
  return {x.values.data() + 2 * i * pairs_ + skipped,
          x.zero.data() + 2 * i,
          y.values.data() + 2 * j * pairs_ + skipped,
          y.zero.data() + 2 * j,
          pairs,
          pairs_,
          e.rows,
          e.cols};
}

template class QuantizedTiles<float>;
template class QuantizedTiles<double>;
template void QuantizedTiles<float>::fill_from_differences<double>(int, ptrdiff_t, int, ptrdiff_t,
                                                                   Extent, float*) const;
template void QuantizedTiles<double>::fill_from_differences<double>(int, ptrdiff_t, int, ptrdiff_t,
                                                                    Extent, double*) const;

}  // namespace fastdiv
