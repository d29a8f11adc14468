#pragma once

#include <cstddef>
#include <cstdint>

namespace fastdiv {

// Rows of int8 with the strides of their view: a value v of row i stands for
// scale[i] * (v - zero_point[i]).
struct Quantized {
  const std::int8_t* values;
  const float* scale;
  const std::int8_t* zero_point;  // null: 0

  int zero(std::ptrdiff_t i) const { return zero_point == nullptr ? 0 : zero_point[i]; }
};

// A read-only matrix with arbitrary strides (in elements, also zero or negative): the only thing
// that crosses the boundary between a caller and the engine. It is one of T in memory, or one of
// int8 to be computed with in T.
template <class T>
struct MatrixView {
  const T* data;  // null if quantised
  std::ptrdiff_t rows;
  std::ptrdiff_t cols;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t col_stride;
  const Quantized* quantized = nullptr;

  T operator()(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return quantized == nullptr ? data[i * row_stride + j * col_stride]
                                : quantized->scale[i] * static_cast<T>(integer(i, j));
  }
  // Of a quantised matrix: its value less the zero point.
  int integer(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return quantized->values[i * row_stride + j * col_stride] - quantized->zero(i);
  }
};

// The row-major index of the first NaN or infinity, or -1.
template <class T>
std::int64_t first_nonfinite(MatrixView<T> x);

}  // namespace fastdiv
