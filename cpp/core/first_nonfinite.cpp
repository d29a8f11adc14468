#include <cmath>

#include "fastdiv/matrix_view.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
std::int64_t first_nonfinite(MatrixView<T> x) {
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    // x - x is 0 for every finite x and NaN otherwise. The sum keeps the inner loop free of
    // branches.
    T sum = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      sum += x(i, k) - x(i, k);
    }
    if (sum != 0 || sum != sum) {
      for (ptrdiff_t k = 0; k < x.cols; ++k) {
        if (!std::isfinite(x(i, k))) {
          return i * x.cols + k;
        }
      }
    }
  }
  return -1;
}

template std::int64_t first_nonfinite(MatrixView<float>);
template std::int64_t first_nonfinite(MatrixView<double>);

}  // namespace fastdiv
