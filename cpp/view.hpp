#pragma once

#include <cstddef>

namespace fastdiv {

// A read-only matrix with arbitrary strides (in elements, also zero or negative): the only thing
// that crosses the boundary between a caller and the engine.
template <class T>
struct MatrixView {
  const T* data;
  std::ptrdiff_t rows;
  std::ptrdiff_t cols;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t col_stride;

  const T& operator()(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return data[i * row_stride + j * col_stride];
  }
};

}  // namespace fastdiv
