// Tests sums over the rows of clusters, at sizes around every edge, against loops over single rows.

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <fastdiv/clusters.hpp>

#include "draws.hpp"
#include "harness.hpp"
#include "threads.hpp"

namespace {

using fastdiv::cluster_scalars;
using fastdiv::ClusterSum;
using fastdiv::MatrixView;
using std::ptrdiff_t;

template <class T>
std::vector<double> expected(const MatrixView<T>& x, const std::vector<std::int64_t>& codes,
                             const double* weights, const std::vector<double>& centers,
                             const std::vector<double>& offsets, ptrdiff_t clusters,
                             ClusterSum kind) {
  const ptrdiff_t stride = cluster_scalars + x.cols;
  std::vector<double> sums(static_cast<std::size_t>(clusters * stride));
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    const ptrdiff_t code = codes[static_cast<std::size_t>(i)];
    if (code < 0) {
      continue;
    }
    double squares = 0, absolutes = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      const auto at = static_cast<std::size_t>(code * x.cols + k);
      const double v = static_cast<double>(x(i, k)) - centers[at] - offsets[at];
      squares += v * v;
      absolutes += std::abs(v);
    }
    const double w = weights == nullptr ? 1 : weights[i], distance = std::sqrt(squares);
    double* out = sums.data() + code * stride;
    double factor = w;
    if (kind == ClusterSum::directions) {
      factor = distance > 0 ? w / distance : 0;
      out[0] += distance > 0 ? 0 : 1;
      out[1] += factor;
      out[2] += distance > 0 ? 0 : w;
      out[3] += w * distance;
    } else {
      out[0] += 1;
      out[1] += w;
      out[2] += w * squares;
      out[3] += kind == ClusterSum::euclidean ? w * distance
                : kind == ClusterSum::l1      ? w * absolutes
                                              : 0;
    }
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      const auto at = static_cast<std::size_t>(code * x.cols + k);
      out[cluster_scalars + k] +=
          factor * (static_cast<double>(x(i, k)) - centers[at] - offsets[at]);
    }
  }
  return sums;
}

template <class T>
void compare(const MatrixView<T>& x, ptrdiff_t clusters, bool shifted, const char* what) {
  const auto rows = static_cast<std::size_t>(x.rows);
  std::vector<std::int64_t> codes(rows);
  std::vector<double> weights(rows), centers(static_cast<std::size_t>(clusters * x.cols));
  std::vector<double> offsets(centers.size());
  for (std::size_t i = 0; i < rows; ++i) {
    codes[i] = std::uniform_int_distribution<std::int64_t>(-1, clusters - 1)(bits);
    weights[i] = std::abs(normal());
  }
  for (double& value : centers) {
    value = normal();
  }
  codes[0] = 0;
  for (ptrdiff_t k = 0; k < x.cols; ++k) {
    centers[static_cast<std::size_t>(k)] = static_cast<double>(x(0, k));
  }
  for (std::size_t i = static_cast<std::size_t>(x.cols); shifted && i < offsets.size(); ++i) {
    offsets[i] = normal();
  }
  const std::vector<std::int32_t> narrow(codes.begin(), codes.end());
  for (const ClusterSum kind :
       {ClusterSum::squares, ClusterSum::euclidean, ClusterSum::l1, ClusterSum::directions}) {
    for (const bool weighted : {false, true}) {
      const double* w = weighted ? weights.data() : nullptr;
      const std::vector<double> right = expected(x, codes, w, centers, offsets, clusters, kind);
      const auto sums_by = [&](const auto& codes_of_a_type) {
        return with_threads(right.size(), [&](const fastdiv::Options& options, double* out) {
          return fastdiv::cluster_sums<T>(x, codes_of_a_type.data(), w, centers.data(),
                                          shifted ? offsets.data() : nullptr, clusters, kind, out,
                                          options);
        });
      };
      const std::vector<double> sums = sums_by(codes);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        check(std::abs(sums[i] - right[i]) <= 1e-11 * static_cast<double>(rows), what);
      }
      check(same_bits(sums, sums_by(narrow)), "the same bits for codes of either type");
    }
  }
}

template <class T>
void compare_squares(const MatrixView<T>& x, ptrdiff_t clusters) {
  std::vector<double> centers(static_cast<std::size_t>(clusters * x.cols));
  std::generate(centers.begin(), centers.end(), normal);
  const std::vector<double> offsets(centers.size(), 0.5);
  fastdiv::Options options;
  options.n_threads = 2;
  std::vector<double> squares(static_cast<std::size_t>(clusters * x.rows));
  check(
      fastdiv::center_squares(x, centers.data(), offsets.data(), clusters, squares.data(), options),
      "the call ends");
  for (ptrdiff_t c = 0; c < clusters; ++c) {
    for (ptrdiff_t i = 0; i < x.rows; ++i) {
      double right = 0;
      for (ptrdiff_t k = 0; k < x.cols; ++k) {
        const double center = centers[static_cast<std::size_t>(c * x.cols + k)] + 0.5;
        right += (static_cast<double>(x(i, k)) - center) * (static_cast<double>(x(i, k)) - center);
      }
      check(std::abs(squares[static_cast<std::size_t>(c * x.rows + i)] - right) <= 1e-11 * right,
            "squared distances from centres");
    }
  }
}

template <class Code>
void compare_first_rows() {
  for (const std::size_t n : {1U, 31U, 32U, 33U, 1000U}) {
    std::vector<Code> codes(n);
    for (Code& code : codes) {
      code = std::uniform_int_distribution<Code>(-1, 5)(bits);
    }
    for (int sorted = 0; sorted < 2; ++sorted) {
      std::int64_t first[7];
      fastdiv::first_rows(codes.data(), static_cast<ptrdiff_t>(n), 7, first);
      for (Code c = 0; c < 7; ++c) {
        const auto at = std::find(codes.begin(), codes.end(), c);
        check(first[c] == (at == codes.end() ? -1 : at - codes.begin()), "the first rows");
      }
      std::sort(codes.begin(), codes.end());
    }
  }
}

template <class T>
void everything() {
  for (const ptrdiff_t dim : {1, 2, 7, 8, 17, 64}) {
    for (const ptrdiff_t rows : {1, 3, 100, 5000}) {
      if (few_sizes && rows > 100) {
        break;
      }
      std::vector<T> values(static_cast<std::size_t>(2 * rows * dim));
      for (T& value : values) {
        value = static_cast<T>(normal());
      }
      const MatrixView<T> x{values.data(), rows, dim, dim, 1};
      for (const bool shifted : {false, true}) {
        compare<T>(x, 5, shifted, "rows side by side");
      }
      compare<T>({values.data(), rows, dim, 2 * dim, 1}, 3, true, "every other row");
      compare<T>({values.data(), rows, dim, 1, rows}, 3, false, "features side by side");
      compare<T>({values.data() + (rows - 1) * dim, rows, dim, -dim, 1}, 1, true, "backwards");
      compare_squares<T>(x, 5);
      compare_squares<T>({values.data(), rows, dim, 1, rows}, 3);
    }
  }
  if (!few_sizes) {
    std::vector<T> long_rows(600 * 2000);
    for (T& value : long_rows) {
      value = static_cast<T>(normal());
    }
    compare<T>({long_rows.data(), 600, 2000, 2000, 1}, 100, true, "parts of several steps");
    compare_squares<T>({long_rows.data(), 70, 2000, 2000, 1}, 3);
  }
  compare_first_rows<std::int32_t>();
  compare_first_rows<std::int64_t>();
  const T one[2] = {1, 2};
  const std::int64_t beyond[2] = {0, 1};
  const double center = 0;
  double out[cluster_scalars + 1];
  check(refused([&] {
          fastdiv::cluster_sums<T>({one, 2, 1, 1, 1}, beyond, nullptr, &center, nullptr, 1,
                                   ClusterSum::squares, out);
        }),
        "a code beyond the clusters");
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
