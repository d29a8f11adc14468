#pragma once

#include <vector>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "isa/tile_ops.hpp"

namespace fastdiv {

// Shift and scales of the samples of one call, applied before they are packed. They keep squares
// inside the range of float. Scales are powers of two, so they cost no accuracy.
struct Frame {
  std::vector<double> centre;         // per feature; empty: 0
  std::vector<double> feature_scale;  // per feature; empty: 1
  double scale = 1;                   // of centred, feature-scaled values
  std::vector<double> raw_scale;      // per feature, of the values as given
  std::vector<bool> constant;         // per feature
};

// A sample in panels of `panel` rows interleaved feature by feature, padded with zero rows to whole
// strips of tile_rows.
template <class T>
struct Packed {
  std::ptrdiff_t rows = 0;
  std::ptrdiff_t dim = 0;
  Buffer<T> centred;     // (x - centre) * feature_scale * scale, rounded once
  Buffer<T> half_norm;   // |centred|^2 / 2 per row
  double max_norm = 0;   // the largest of them
  double next_norm = 0;  // the second largest
  // Largest rounding error per strip of a half squared distance from half norms and products, as
  // far as it is due to this strip.
  std::vector<double> strip_error;
  double max_error = 0;
  Buffer<T> raw;  // x * raw_scale, exact: for differences that keep every bit of the data

  std::ptrdiff_t strips() const { return (rows + tile_rows - 1) / tile_rows; }
};

// Returns the power of two that brings `largest` into [1/2, 1).
double scale_for(double largest);

// Measures the samples and chooses their frame. Dot products keep the origin of the group.
template <class T>
Frame make_frame(Workers& workers, const std::vector<MatrixView<T>>& samples,
                 const KernelGroup& group);

// Fills `packed.centred` and all that depends on it.
template <class T>
void pack_centred(Workers& workers, const MatrixView<T>& x, const Frame& frame, Packed<T>& packed);

// Fills `packed.raw`.
template <class T>
void pack_raw(Workers& workers, const MatrixView<T>& x, const Frame& frame, Packed<T>& packed);

// Returns x in double precision: x itself, or a copy in `memory`.
template <class T>
MatrixView<double> widen(Workers& workers, const MatrixView<T>& x, Buffer<double>& memory);

}  // namespace fastdiv
