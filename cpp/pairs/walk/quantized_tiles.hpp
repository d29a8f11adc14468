#pragma once

#include <vector>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "fastdiv/matrix_view.hpp"
#include "isa/tile_ops.hpp"

namespace fastdiv {

// A quantised sample in the layout of Int8Operands, padded with rows of zeros to whole strips of
// tile_rows.
struct PackedInt8 {
  Buffer<std::int8_t> values;
  Buffer<std::int16_t> zero;  // twice per row
  // One per row, see Int8Rows. Scales are in the unit of the tiles.
  Buffer<double> scale;
  Buffer<double> half_norm;
  Buffer<double> scaled_norm;
  Buffer<double> error;  // the most that a row adds to the error of a distance
};

// Quantised samples packed for tiles of T. Squared distances and dot products come from exact
// integer products, and are rounded to T once. L1 distances and scales per feature need the
// features one by one. Some features of a tile's rows at a time then become floating point.
// Both lose digits where rows are much closer to each other than to 0. Differences of rows in
// double precision lose few: the product of a row's scale and an integer is exact there.
template <class T>
class QuantizedTiles {
 public:
  // Scales the rows so that values are below 1, or, with `unit`, not at all.
  QuantizedTiles(Workers& workers, const std::vector<MatrixView<T>>& samples, Base base,
                 const std::vector<double>& feature_scale, bool unit);

  double scale() const { return scale_; }  // the scale of the values, a power of two
  // Return the two largest half squared norms, in units of the tiles.
  double max_norm() const { return max_norm_; }
  double next_norm() const { return next_norm_; }

  // Return the most that each row of sample s, and that any row, adds to the error of a distance.
  const double* error(int s) const { return packed_[static_cast<std::size_t>(s)].error.data(); }
  double max_error() const { return max_error_; }

  // Fills the tile of rows [i, i + e.rows) of sample s and [j, j + e.cols) of sample t.
  void fill(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile) const;
  // Like the above, for `walk_tiles`. Products of integers are exact and need no hint.
  void fill(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile, bool&) const {
    fill(s, i, t, j, e, tile);
  }
  // Like the above, from differences of rows as numbers of U.
  template <class U>
  void fill_from_differences(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e,
                             T* tile) const;

 private:
  Int8Operands operands(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e,
                        std::ptrdiff_t first_pair, std::ptrdiff_t pairs) const;
  void multiply_long(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile) const;
  void finish(const std::int32_t* products, const double* before, int s, std::ptrdiff_t i, int t,
              std::ptrdiff_t j, Extent e, T* tile) const;

  Base base_;
  bool by_feature_;
  std::ptrdiff_t pairs_;
  double scale_ = 1;
  double max_norm_ = 0;
  double next_norm_ = 0;
  double max_error_ = 0;
  std::vector<PackedInt8> packed_;
  std::vector<double> feature_scale_;  // 2 * pairs_ of them
};

}  // namespace fastdiv
