// Tests quantised samples, at sizes around every edge, against the same rows in double precision.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include <fastdiv/fastdiv.hpp>

#include "harness.hpp"
#include "isa/tile_ops.hpp"

namespace {

using fastdiv::Base;
using fastdiv::KernelGroup;
using fastdiv::MatrixView;
using fastdiv::Options;
using std::ptrdiff_t;

void check(bool ok, const char* what, ptrdiff_t rows, ptrdiff_t cols) {
  ::check(ok, what);
  if (!ok) {
    std::printf("  %td x %td\n", rows, cols);
  }
}

struct Rows {
  std::vector<std::int8_t> values;
  std::vector<float> scale;
  std::vector<std::int8_t> zero;
  std::vector<double> exact;
  fastdiv::Quantized quantized;
  ptrdiff_t rows, cols;

  Rows(ptrdiff_t n, ptrdiff_t d, unsigned seed, bool symmetric)
      : values(static_cast<std::size_t>(n * d)),
        scale(static_cast<std::size_t>(n)),
        zero(static_cast<std::size_t>(n)),
        exact(values.size()),
        quantized{values.data(), scale.data(), symmetric ? nullptr : zero.data()},
        rows(n),
        cols(d) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> integer(-128, 127);
    for (auto& value : values) {
      value = static_cast<std::int8_t>(integer(random));
    }
    for (std::size_t i = 0; i < scale.size(); ++i) {
      scale[i] =
          1e-4F * static_cast<float>(200 + integer(random)) / std::sqrt(static_cast<float>(d));
      zero[i] = static_cast<std::int8_t>(integer(random));
    }
    for (std::size_t at = 0; at < values.size(); ++at) {
      const std::size_t i = at / static_cast<std::size_t>(d);
      exact[at] = static_cast<double>(scale[i]) * (values[at] - (symmetric ? 0 : zero[i]));
    }
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  template <class T>
  MatrixView<T> view() const {
    return {nullptr, rows, cols, cols, 1, &quantized};
  }
  MatrixView<double> dense() const { return {exact.data(), rows, cols, cols, 1}; }
};

std::vector<KernelGroup> groups(ptrdiff_t d) {
  std::vector<double> weights;
  for (ptrdiff_t k = 0; k < d; ++k) {
    weights.push_back(0.5 + 0.3 * static_cast<double>(k % 4));
  }
  return {{Base::sqdist, {}, {{"rbf", {2.0}, 1.0, 0}, {"energy", {1.0}, 1.0, 1}}},
          {Base::sqdist, weights, {{"rbf", {2.0}, 1.0, 2}}},
          {Base::l1, {}, {{"laplacian", {2.0 * std::sqrt(static_cast<double>(d))}, 1.0, 3}}},
          {Base::dot, {}, {{"polynomial", {2.0, 0.3, 1.0}, 1.0, 4}}}};
}
constexpr int n_outputs = 5;

// Tells whether entries are equal within `tolerance` of the largest.
bool close(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  double size = 0;
  for (const double value : expected) {
    size = std::max(size, std::abs(value));
  }
  return std::equal(got.begin(), got.end(), expected.begin(),
                    [&](double a, double b) { return std::abs(a - b) <= tolerance * size; });
}

template <class T>
void all_sums(ptrdiff_t n, ptrdiff_t m, ptrdiff_t d, bool symmetric, double tolerance) {
  const Rows x(n, d, 1, symmetric);
  const Rows y(m, d, 2, true);
  const std::vector<KernelGroup> all = groups(d);
  const auto size = static_cast<std::size_t>(n_outputs);
  std::vector<double> got(3 * size), expected(3 * size);
  fastdiv::pair_sums<T>(x.view<T>(), y.view<T>(), all, n_outputs, got.data());
  fastdiv::pair_sums<double>(x.dense(), y.dense(), all, n_outputs, expected.data());
  for (std::size_t o = 0; o < size; ++o) {
    const auto part = [o](const std::vector<double>& v) {
      const auto begin = v.begin() + static_cast<ptrdiff_t>(3 * o);
      return std::vector<double>(begin, begin + 3);
    };
    check(close(part(got), part(expected), tolerance), "pair_sums", n, d);
  }
  for (const int threads : {1, 2, 3}) {
    std::vector<double> again(3 * size);
    Options options;
    options.n_threads = threads;
    fastdiv::pair_sums<T>(x.view<T>(), y.view<T>(), all, n_outputs, again.data(), options);
    check(again == got, "the same bits for any number of threads", n, d);
  }
  std::vector<double> rows(size * static_cast<std::size_t>(n)), exact(rows.size());
  fastdiv::row_sums<T>(x.view<T>(), y.view<T>(), nullptr, all, n_outputs, rows.data());
  fastdiv::row_sums<double>(x.dense(), y.dense(), nullptr, all, n_outputs, exact.data());
  check(close(rows, exact, tolerance), "row_sums", n, d);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < labels.size(); i += 3) {
    labels[i] = 1;
  }
  fastdiv::quad_forms<T>(y.view<T>(), labels.data(), 1, all, n_outputs, got.data());
  fastdiv::quad_forms<double>(y.dense(), labels.data(), 1, all, n_outputs, expected.data());
  check(close(got, expected, tolerance), "quad_forms", m, d);
  for (const Base metric : {Base::sqdist, Base::l1}) {
    double median = 0, other = 0;
    fastdiv::median_distance<T>(y.view<T>(), metric, &median);
    fastdiv::median_distance<double>(y.dense(), metric, &other);
    check(std::abs(median - other) <= tolerance * other, "median_distance", m, d);
  }
  std::vector<double> near(static_cast<std::size_t>(n)), neighbour(near.size());
  fastdiv::kth_distances<T>(x.view<T>(), y.view<T>(), 1, false, near.data());
  fastdiv::kth_distances<double>(x.dense(), y.dense(), 1, false, neighbour.data());
  check(close(near, neighbour, tolerance), "kth_distances", n, d);
}

void products(ptrdiff_t n, ptrdiff_t m, ptrdiff_t d) {
  const Rows x(n, d, 3, true);
  const Rows w(m, d, 4, false);
  std::vector<float> out(static_cast<std::size_t>(n * m));
  fastdiv::quantized_products(x.view<double>(), w.view<double>(), out.data());
  bool exact = true;
  for (ptrdiff_t i = 0; i < n; ++i) {
    for (ptrdiff_t j = 0; j < m; ++j) {
      std::int64_t sum = 0;
      for (ptrdiff_t k = 0; k < d; ++k) {
        sum += x.view<double>().integer(i, k) * w.view<double>().integer(j, k);
      }
      const double scale = static_cast<double>(x.scale[static_cast<std::size_t>(i)]) *
                           static_cast<double>(w.scale[static_cast<std::size_t>(j)]);
      exact = exact && out[static_cast<std::size_t>(i * m + j)] ==
                           static_cast<float>(static_cast<double>(sum) * scale);
    }
  }
  check(exact, "quantized_products", n, d);
}

void errors() {
  const Rows x(3, 4, 1, true);
  double out[3];
  const std::vector<KernelGroup> rbf = {{Base::sqdist, {}, {{"rbf", {2.0}, 1.0, 0}}}};
  check(refused([&] { fastdiv::pair_sums<double>(x.view<double>(), x.dense(), rbf, 1, out); }),
        "quantised and plain samples in one call", 3, 4);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] {
    for (const ptrdiff_t d : {1, 2, 33, 128, 300}) {
      for (const ptrdiff_t n : {101, 2, 48}) {
        all_sums<float>(n, 150 - n, d, n % 2 == 0, 2e-5);
        all_sums<double>(n, 150 - n, d, n % 2 == 1, 1e-11);
        products(n, 150 - n, d);
        if (few_sizes) {
          break;
        }
      }
    }
    products(3, 50, 2 * fastdiv::max_pairs + 1);
    errors();
  });
}
