#include <limits>

#include "fastdiv/matrix_view.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Returns the first of n values that is not between `least` and infinity, or n.
template <class T>
ptrdiff_t first_outside(const T* values, ptrdiff_t stride, ptrdiff_t n, T least) {
  const auto outside = [least](T v) {
    return !(v > least && v < std::numeric_limits<T>::infinity());
  };
  // Look at all values first. A loop without an early exit is vectorised.
  int any = 0;
  if (stride == 1) {
    for (ptrdiff_t k = 0; k < n; ++k) {
      any |= static_cast<int>(outside(values[k]));
    }
  } else {
    for (ptrdiff_t k = 0; k < n; ++k) {
      any |= static_cast<int>(outside(values[k * stride]));
    }
  }
  ptrdiff_t k = any != 0 ? 0 : n;
  while (k < n && !outside(values[k * stride])) {
    ++k;
  }
  return k;
}

}  // namespace

template <class T>
std::int64_t first_nonfinite(MatrixView<T> x, bool positive) {
  const T least = positive ? T{0} : -std::numeric_limits<T>::infinity();
  const bool is_flat = x.col_stride == 1 && x.row_stride == x.cols;
  const ptrdiff_t rows = is_flat && x.rows > 0 ? 1 : x.rows;
  const ptrdiff_t cols = is_flat ? x.rows * x.cols : x.cols;
  for (ptrdiff_t i = 0; i < rows; ++i) {
    const ptrdiff_t k = first_outside(x.data + i * x.row_stride, x.col_stride, cols, least);
    if (k < cols) {
      return i * cols + k;
    }
  }
  return -1;
}

template std::int64_t first_nonfinite(MatrixView<float>, bool);
template std::int64_t first_nonfinite(MatrixView<double>, bool);

}  // namespace fastdiv
