#include <algorithm>
#include <stdexcept>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "fastdiv/clusters.hpp"
#include "isa/isa.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
bool center_squares(MatrixView<T> x, const double* anchors, const double* offsets,
                    std::int64_t n_clusters, double* out, const Options& options) {
  if (n_clusters < 1 || x.cols < 1) {
    throw std::invalid_argument("there must be at least one cluster and one feature");
  }
  // Features of a strip that stay in the cache together.
  constexpr ptrdiff_t features = 256;
  const double row_work = static_cast<double>(n_clusters) * static_cast<double>(x.cols + 4);
  Workers workers(options, static_cast<double>(x.rows) * row_work);
  const auto memory = buffers<double>(workers.threads(), features * strip_rows);
  const ptrdiff_t units = (x.rows + strip_rows - 1) / strip_rows;
  return workers.for_each(units, 1, [&](std::int64_t unit, int thread) {
    double* strip = memory[static_cast<std::size_t>(thread)].data();
    const ptrdiff_t row = unit * strip_rows;
    const int rows = static_cast<int>(std::min<ptrdiff_t>(strip_rows, x.rows - row));
    for (std::int64_t c = 0; c < n_clusters; ++c) {
      std::fill(out + c * x.rows + row, out + c * x.rows + row + rows, 0.0);
    }
    std::fill(strip, strip + features * strip_rows, 0.0);
    for (ptrdiff_t first = 0; first < x.cols; first += features) {
      const ptrdiff_t dim = std::min(features, x.cols - first);
      for (ptrdiff_t k = 0; k < dim; ++k) {
        for (int i = 0; i < rows; ++i) {
          strip[k * strip_rows + i] = static_cast<double>(x(row + i, first + k));
        }
      }
      isa().add_center_squares({strip, dim, anchors + first, offsets + first, x.cols, n_clusters,
                                out + row, x.rows, rows});
    }
  });
}

template bool center_squares(MatrixView<float>, const double*, const double*, std::int64_t, double*,
                             const Options&);
template bool center_squares(MatrixView<double>, const double*, const double*, std::int64_t,
                             double*, const Options&);

}  // namespace fastdiv
