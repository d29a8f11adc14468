#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "core/buffer.hpp"
#include "core/turns.hpp"
#include "core/workers.hpp"
#include "fastdiv/clusters.hpp"
#include "isa/isa.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Values gathered at a time from rows whose features do not lie side by side.
constexpr ptrdiff_t gathered_values = 4096;
// Codes widened to int64 at a time.
constexpr ptrdiff_t widened_codes = 512;

// Returns the number of parts of the rows. It depends on the shape alone. Each part has sums of its
// own, which are merged in order. Many parts keep many threads busy, and rounding errors of long
// sums small. Their sums should be few beside the data, or small, and never fill the memory.
ptrdiff_t part_count(ptrdiff_t rows, ptrdiff_t dim, ptrdiff_t sums_size) {
  const ptrdiff_t by_length =
      std::max<ptrdiff_t>(1, std::min(rows, rows * (dim + 8) / (ptrdiff_t{1} << 16)));
  const ptrdiff_t beside_data = std::min({rows * dim / 16, 64 * sums_size, ptrdiff_t{1} << 24});
  const ptrdiff_t by_memory = std::max(ptrdiff_t{1} << 17, beside_data) / sums_size;
  return std::clamp<ptrdiff_t>(by_memory, std::min<ptrdiff_t>(by_length, 4), by_length);
}

// Returns the rows of a part that are added at a time. They take some milliseconds, though the sums
// of every row may have to come from memory.
ptrdiff_t step_rows(ptrdiff_t dim) {
  return (ptrdiff_t{1} << 19) / (dim + 8) + 1;
}

// Adds rows of one call to sums, on a given thread.
template <class T, class Code>
class Adder {
 public:
  Adder(const MatrixView<T>& x, const Code* codes, const double* weights, const double* centers,
        const double* offsets, std::int64_t n_clusters, ClusterSum kind, int threads)
      : x_(x),
        codes_(codes),
        weights_(weights),
        centers_(centers),
        offsets_(offsets),
        n_clusters_(n_clusters),
        add_(isa().ops<T>().add_cluster_rows[static_cast<int>(kind)]),
        gathers_(x.quantized != nullptr || x.col_stride != 1),
        rows_at_once_(gathers_ ? std::min(widened_codes, gathered_values / x.cols + 1)
                               : widened_codes),
        gathered_(
            buffers<T>(threads, gathers_ ? static_cast<std::size_t>(rows_at_once_ * x.cols) : 0)),
        widened_(buffers<std::int64_t>(threads, static_cast<std::size_t>(rows_at_once_))) {}

  // Returns false if a code is not below the number of clusters.
  bool add(ptrdiff_t begin, ptrdiff_t end, int thread, double* sums) const {
    for (ptrdiff_t row = begin; row < end; row += rows_at_once_) {
      const ptrdiff_t n = std::min(rows_at_once_, end - row);
      std::int64_t* codes = widened_[static_cast<std::size_t>(thread)].data();
      std::copy(codes_ + row, codes_ + row + n, codes);
      ClusterRows<T> rows{x_.data + row * x_.row_stride,
                          x_.row_stride,
                          codes,
                          weights_ == nullptr ? nullptr : weights_ + row,
                          n,
                          x_.cols,
                          centers_,
                          offsets_,
                          n_clusters_};
      if (gathers_) {
        T* block = gathered_[static_cast<std::size_t>(thread)].data();
        for (ptrdiff_t k = 0; k < x_.cols; ++k) {
          for (ptrdiff_t i = 0; i < n; ++i) {
            block[i * x_.cols + k] = x_(row + i, k);
          }
        }
        rows.x = block;
        rows.stride = x_.cols;
      }
      if (!add_(rows, sums)) {
        return false;
      }
    }
    return true;
  }

 private:
  const MatrixView<T>& x_;
  const Code* codes_;
  const double* weights_;
  const double* centers_;
  const double* offsets_;
  std::int64_t n_clusters_;
  AddClusterRows<T> add_;
  bool gathers_;
  ptrdiff_t rows_at_once_;
  std::vector<Buffer<T>> gathered_;
  std::vector<Buffer<std::int64_t>> widened_;
};

}  // namespace

template <class T, class Code>
bool cluster_sums(MatrixView<T> x, const Code* codes, const double* weights, const double* centers,
                  const double* offsets, std::int64_t n_clusters, ClusterSum kind, double* out,
                  const Options& options) {
  if (n_clusters < 1 || x.cols < 1) {
    throw std::invalid_argument("there must be at least one cluster and one feature");
  }
  const ptrdiff_t stride = cluster_scalars + x.cols + cluster_partials;
  const ptrdiff_t size = n_clusters * stride;
  const ptrdiff_t parts = part_count(x.rows, x.cols, size);
  const ptrdiff_t part_rows = (x.rows + parts - 1) / parts;
  const ptrdiff_t step = step_rows(x.cols);
  const ptrdiff_t steps = (part_rows + step - 1) / step;
  Workers workers(options, 2 * static_cast<double>(x.rows) * static_cast<double>(x.cols + 8));
  const Buffer<double> sums(static_cast<std::size_t>(parts * size));
  const Adder<T, Code> adder(x, codes, weights, centers, offsets, n_clusters, kind,
                             workers.threads());

  // Units are the first steps of all parts, then the second ones, and so on. A step waits for the
  // one before it.
  Turns turns(static_cast<std::size_t>(parts));
  std::atomic<bool> wrong{false};
  const auto work = [&](std::int64_t unit, int thread) {
    const ptrdiff_t part = unit % parts;
    const ptrdiff_t at = unit / parts;
    turns.wait(static_cast<std::size_t>(part), at);
    double* part_sums = sums.data() + part * size;
    if (at == 0) {
      std::fill(part_sums, part_sums + size, 0.0);
    }
    const ptrdiff_t end = std::min(x.rows, (part + 1) * part_rows);
    const ptrdiff_t begin = part * part_rows + at * step;
    if (!adder.add(begin, std::min(end, begin + step), thread, part_sums)) {
      wrong = true;
    }
    turns.finish(static_cast<std::size_t>(part), at);
  };
  if (!workers.for_each(parts * steps, 1, work)) {
    return false;
  }
  if (wrong) {
    throw std::invalid_argument("codes must be below the number of clusters");
  }
  // Sums of parts are added in the order of the parts, for every cluster, on any thread.
  const ptrdiff_t clusters_at_once = (ptrdiff_t{1} << 17) / (parts * stride) + 1;
  const ptrdiff_t merges = (n_clusters + clusters_at_once - 1) / clusters_at_once;
  const auto merge = [&](std::int64_t unit, int) {
    const ptrdiff_t first = unit * clusters_at_once;
    const ptrdiff_t last = std::min<ptrdiff_t>(n_clusters, first + clusters_at_once);
    double* total = sums.data();
    for (ptrdiff_t part = 1; part < parts; ++part) {
      const double* part_sums = sums.data() + part * size;
      for (ptrdiff_t i = first * stride; i < last * stride; ++i) {
        total[i] += part_sums[i];
      }
    }
    for (ptrdiff_t cluster = first; cluster < last; ++cluster) {
      const double* cluster_total = total + cluster * stride;
      const ptrdiff_t result_size = cluster_scalars + x.cols;
      double* result = out + cluster * result_size;
      std::copy(cluster_total, cluster_total + result_size, result);
      result[2] = std::accumulate(cluster_total + result_size, cluster_total + stride, result[2]);
    }
  };
  return workers.for_each(merges, 0, merge, static_cast<double>(parts * size));
}

#define FASTDIV_INSTANTIATE(T, Code)                                                   \
  template bool cluster_sums(MatrixView<T>, const Code*, const double*, const double*, \
                             const double*, std::int64_t, ClusterSum, double*, const Options&);
FASTDIV_INSTANTIATE(float, std::int32_t)
FASTDIV_INSTANTIATE(float, std::int64_t)
FASTDIV_INSTANTIATE(double, std::int32_t)
FASTDIV_INSTANTIATE(double, std::int64_t)

}  // namespace fastdiv
