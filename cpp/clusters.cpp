#include "clusters.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Rows whose features do not lie side by side are gathered, so many values at a time.
constexpr ptrdiff_t gathered_values = 4096;

// Parts of the rows, each with sums of its own, merged in order: a number that depends on the shape
// alone. Many parts keep many threads busy and the rounding errors of long sums small, but their
// sums should be few beside the data.
ptrdiff_t part_count(ptrdiff_t rows, ptrdiff_t size_of_sums) {
  const ptrdiff_t by_length = rows / 2048 + 1;
  const ptrdiff_t by_memory = (ptrdiff_t{1} << 17) / size_of_sums;
  return std::clamp<ptrdiff_t>(by_memory, std::min<ptrdiff_t>(by_length, 4), by_length);
}

}  // namespace

template <class T>
bool cluster_sums(MatrixView<T> x, const std::int64_t* codes, const double* weights,
                  const double* centers, const double* offsets, std::int64_t n_clusters,
                  ClusterSum kind, double* out, const Options& options) {
  if (n_clusters < 1 || x.cols < 1) {
    throw std::invalid_argument("there must be at least one cluster and one feature");
  }
  const auto add = isa().ops<T>().add_cluster_rows[static_cast<int>(kind)];
  const ptrdiff_t size = n_clusters * (cluster_scalars + x.cols);
  const ptrdiff_t parts = part_count(x.rows, size);
  const ptrdiff_t part_rows = (x.rows + parts - 1) / parts;
  const ptrdiff_t step = x.col_stride == 1 ? part_rows : gathered_values / x.cols + 1;
  Workers workers(options, 2 * static_cast<double>(x.rows) * static_cast<double>(x.cols + 8));
  const Buffer<double> sums(static_cast<std::size_t>(parts * size));
  const auto memory = buffers<T>(workers.threads(),
                                 x.col_stride == 1 ? 0 : static_cast<std::size_t>(step * x.cols));

  std::atomic<bool> wrong{false};
  const auto work = [&](std::int64_t part, int thread) {
    double* of_part = sums.data() + part * size;
    std::fill(of_part, of_part + size, 0.0);
    const ptrdiff_t end = std::min(x.rows, (part + 1) * part_rows);
    for (ptrdiff_t row = part * part_rows; row < end; row += step) {
      ClusterRows<T> rows{x.data + row * x.row_stride,
                          x.row_stride,
                          codes + row,
                          weights == nullptr ? nullptr : weights + row,
                          std::min(step, end - row),
                          x.cols,
                          centers,
                          offsets,
                          n_clusters};
      if (x.col_stride != 1) {
        T* block = memory[static_cast<std::size_t>(thread)].data();
        for (ptrdiff_t k = 0; k < x.cols; ++k) {
          for (ptrdiff_t i = 0; i < rows.rows; ++i) {
            block[i * x.cols + k] = x(row + i, k);
          }
        }
        rows.x = block;
        rows.stride = x.cols;
      }
      if (!add(rows, of_part)) {
        wrong = true;
      }
    }
  };
  if (!workers.for_each(parts, 1, work)) {
    return false;
  }
  if (wrong) {
    throw std::invalid_argument("codes must be below the number of clusters");
  }
  std::copy(sums.data(), sums.data() + size, out);
  for (ptrdiff_t part = 1; part < parts; ++part) {
    const double* of_part = sums.data() + part * size;
    std::transform(out, out + size, of_part, out, [](double a, double b) { return a + b; });
  }
  return true;
}

template bool cluster_sums(MatrixView<float>, const std::int64_t*, const double*, const double*,
                           const double*, std::int64_t, ClusterSum, double*, const Options&);
template bool cluster_sums(MatrixView<double>, const std::int64_t*, const double*, const double*,
                           const double*, std::int64_t, ClusterSum, double*, const Options&);

}  // namespace fastdiv
