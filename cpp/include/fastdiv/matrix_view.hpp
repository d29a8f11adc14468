#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastdiv/threads.hpp"

namespace fastdiv {

// Rows of int8, with the strides of their view. A value v of row i means
// scale[i] * (v - zero_point[i]).
struct Quantized {
  const std::int8_t* values;
  const float* scale;
  const std::int8_t* zero_point;  // null: 0

  int zero(std::ptrdiff_t i) const { return zero_point == nullptr ? 0 : zero_point[i]; }
};

// A read-only matrix, the only form in which samples enter the engine. Strides count elements and
// may be zero or negative. The matrix holds values of T, or int8 values that stand for values of T.
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
  // Return a quantised value less its zero point.
  int integer(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return quantized->values[i * row_stride + j * col_stride] - quantized->zero(i);
  }
};

// Return the row-major index of the first NaN or infinity in an array of any shape, or -1. With
// `positive`, values that are not above 0 are looked for too. Entries that a stride of 0 repeats
// are looked at once. Also returns -1 when the hook stopped the call.
template <class T>
std::int64_t first_nonfinite(const T* data, const std::vector<std::ptrdiff_t>& shape,
                             const std::vector<std::ptrdiff_t>& strides, bool positive,
                             const Options& options);

}  // namespace fastdiv
