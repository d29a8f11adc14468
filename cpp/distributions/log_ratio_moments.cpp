#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "fastdiv/distributions.hpp"
#include "isa/isa.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

// Values in a block of draws of neighbouring columns, which stays in the cache. A block of few
// columns is long. A block of many is wide enough to read whole cache lines.
constexpr ptrdiff_t block_values = 4096;
constexpr ptrdiff_t most_block_cols = 32;
constexpr ptrdiff_t segment_blocks = 8;  // blocks in a unit of work

struct Moments {
  double n = 0;
  double mean = 0;
  double m2 = 0;  // sum of squared deviations from the mean

  // Adds the moments of other draws: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for
  // computing the sample variance", Am. Stat. 37 (1983) 242-247. The mean is a weighted one, which
  // infinity does not turn into NaN.
  void merge(const Moments& other) {
    const double total = n + other.n;
    const double delta = other.mean - mean;
    mean = (n * mean + other.n * other.mean) / total;
    m2 += other.m2 + (n > 0 ? delta * delta * (n / total * other.n) : 0);
    n = total;
  }
};

// Sums f(v[i]) over 8 independent chains.
template <class F>
double sum(const double* v, ptrdiff_t n, const F& f) {
  constexpr ptrdiff_t chains = 8;
  double part[chains] = {};
  ptrdiff_t i = 0;
  for (; i + chains <= n; i += chains) {
    for (ptrdiff_t c = 0; c < chains; ++c) {
      part[c] += f(v[i + c]);
    }
  }
  for (ptrdiff_t c = 0; i < n; ++i, ++c) {
    part[c] += f(v[i]);
  }
  double total = 0;
  for (const double p : part) {
    total += p;
  }
  return total;
}

Moments moments(const double* v, ptrdiff_t n) {
  const double count = static_cast<double>(n);
  const double mean = sum(v, n, [](double value) { return value; }) / count;
  return {count, mean, sum(v, n, [mean](double value) { return (value - mean) * (value - mean); })};
}

// Copies columns one after the other to `out`, `stride` apart.
template <class T>
void gather(const MatrixView<T>& x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t col, ptrdiff_t cols,
            ptrdiff_t stride, double* out) {
  for (ptrdiff_t i = 0; i < rows; ++i) {
    for (ptrdiff_t c = 0; c < cols; ++c) {
      out[c * stride + i] = static_cast<double>(x(row + i, col + c));
    }
  }
}

}  // namespace

template <class T>
bool log_ratio_moments(MatrixView<T> log_p, MatrixView<T> log_q, LogRatio estimator, double* out,
                       const Options& options) {
  if (log_p.rows < 1 || log_p.rows != log_q.rows || log_p.cols != log_q.cols) {
    throw std::invalid_argument("log_p and log_q must have one shape and at least one row");
  }
  const ptrdiff_t rows = log_p.rows;
  const ptrdiff_t cols = log_p.cols;
  const ptrdiff_t block_cols = std::clamp<ptrdiff_t>(cols, 1, most_block_cols);
  const ptrdiff_t block_rows = block_values / block_cols / 8 * 8;
  const ptrdiff_t segment_rows = segment_blocks * block_rows;
  const ptrdiff_t groups = (cols + block_cols - 1) / block_cols;
  const ptrdiff_t segments = (rows + segment_rows - 1) / segment_rows;
  const MapLogRatios map = isa().log_ratios[static_cast<int>(estimator)];
  std::vector<Moments> parts(static_cast<std::size_t>(segments * cols));

  Workers workers(options, 20 * static_cast<double>(rows) * static_cast<double>(cols));
  const auto memory = buffers<double>(workers.threads(), 2 * block_values);
  for (const Buffer<double>& block : memory) {
    std::fill(block.data(), block.data() + block.size(), 0.0);
  }
  const auto work = [&](std::int64_t unit, int thread) {
    double* p = memory[static_cast<std::size_t>(thread)].data();
    double* q = p + block_values;
    const ptrdiff_t segment = unit / groups;
    const ptrdiff_t col = unit % groups * block_cols;
    const ptrdiff_t n_cols = std::min(cols - col, block_cols);
    const ptrdiff_t end = std::min(rows, (segment + 1) * segment_rows);
    for (ptrdiff_t row = segment * segment_rows; row < end; row += block_rows) {
      const ptrdiff_t n = std::min(block_rows, end - row);
      const ptrdiff_t stride = (n + 7) / 8 * 8;
      gather(log_p, row, n, col, n_cols, stride, p);
      gather(log_q, row, n, col, n_cols, stride, q);
      map(p, q, n_cols * stride, p);
      for (ptrdiff_t c = 0; c < n_cols; ++c) {
        const auto at = static_cast<std::size_t>(segment * cols + col + c);
        parts[at].merge(moments(p + c * stride, n));
      }
    }
  };
  if (!workers.for_each(segments * groups, 1, work)) {
    return false;
  }
  for (ptrdiff_t col = 0; col < cols; ++col) {
    Moments all;
    for (ptrdiff_t segment = 0; segment < segments; ++segment) {
      all.merge(parts[static_cast<std::size_t>(segment * cols + col)]);
    }
    out[col] = all.mean;
    out[cols + col] = std::isinf(all.mean) ? HUGE_VAL : all.m2;
  }
  return true;
}

template bool log_ratio_moments(MatrixView<float>, MatrixView<float>, LogRatio, double*,
                                const Options&);
template bool log_ratio_moments(MatrixView<double>, MatrixView<double>, LogRatio, double*,
                                const Options&);

}  // namespace fastdiv
