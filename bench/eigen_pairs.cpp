#include "eigen_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/workers.hpp"
#include "isa/eigen.hpp"

namespace bench {
namespace {

// A tile of float32 takes half of a 1 MiB cache, and is large enough to make packing cheap.
constexpr Eigen::Index tile_rows = 256;
constexpr Eigen::Index tile_cols = 512;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Column = Eigen::Matrix<T, Eigen::Dynamic, 1>;

template <class T>
struct Sample {
  Sample(fastdiv::MatrixView<T> view, double sigma)
      : rows(Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>(
                 view.data, view.rows, view.cols, Eigen::OuterStride<>(view.row_stride)) /
             static_cast<T>(sigma)),
        half_norms(rows.rowwise().squaredNorm() / T{2}) {}
  Matrix<T> rows;
  Column<T> half_norms;
};

// Sums over all pairs of a and b, or over i < j for a sample with itself.
template <class T>
double sum(const Sample<T>& a, const Sample<T>& b, int n_threads) {
  const bool same = &a == &b;
  const Eigen::Index strips = (a.rows.rows() + tile_rows - 1) / tile_rows;
  std::vector<double> sums(static_cast<std::size_t>(strips));
  fastdiv::Options options;
  options.n_threads = n_threads;
  fastdiv::Workers workers(options, HUGE_VAL);
  std::vector<Matrix<T>> tiles(static_cast<std::size_t>(workers.threads()));
  workers.for_each(strips, 1, [&](std::int64_t strip, int thread) {
    const Eigen::Index i = strip * tile_rows;
    const Eigen::Index rows = std::min(tile_rows, a.rows.rows() - i);
    Matrix<T>& tile = tiles[static_cast<std::size_t>(thread)];
    double total = 0;
    for (Eigen::Index j = same ? i : 0; j < b.rows.rows(); j += tile_cols) {
      const Eigen::Index cols = std::min(tile_cols, b.rows.rows() - j);
      tile.resize(rows, cols);
      tile.noalias() = a.rows.middleRows(i, rows) * b.rows.middleRows(j, cols).transpose();
      for (Eigen::Index r = 0; r < rows; ++r) {
        const Eigen::Index first = same ? std::max<Eigen::Index>(i + r + 1 - j, 0) : 0;
        if (first < cols) {
          const auto norms = b.half_norms.segment(j + first, cols - first).transpose().array();
          total += static_cast<double>(
              (tile.row(r).tail(cols - first).array() - norms - a.half_norms[i + r]).exp().sum());
        }
      }
    }
    sums[static_cast<std::size_t>(strip)] = total;
  });
  double total = 0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

}  // namespace

template <class T>
std::array<double, 3> eigen_pair_sums(fastdiv::MatrixView<T> x, fastdiv::MatrixView<T> y,
                                      double sigma, int n_threads) {
  const Sample<T> a(x, sigma);
  const Sample<T> b(y, sigma);
  return {2 * sum(a, a, n_threads), 2 * sum(b, b, n_threads), sum(a, b, n_threads)};
}

template std::array<double, 3> eigen_pair_sums(fastdiv::MatrixView<float>,
                                               fastdiv::MatrixView<float>, double, int);
template std::array<double, 3> eigen_pair_sums(fastdiv::MatrixView<double>,
                                               fastdiv::MatrixView<double>, double, int);

}  // namespace bench
