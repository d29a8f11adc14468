// Tests sums over all pairs, by row and by labelling, against loops over single pairs.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "samples.hpp"

namespace {

template <class T>
void compare_sums(const Pairs<T>& pairs) {
  const MatrixView<T>& x = pairs.x;
  const MatrixView<T>& y = pairs.y;
  const std::vector<KernelGroup>& groups = pairs.groups;
  const int n_outputs = pairs.n_outputs;
  const auto outputs = static_cast<std::size_t>(n_outputs);
  const auto off_diagonal = [](ptrdiff_t i, ptrdiff_t j) { return i != j; };
  const auto all = [](ptrdiff_t, ptrdiff_t) { return true; };

  std::vector<double> expected, bound;
  for (const auto counted :
       {fastdiv::Pairs::distinct, fastdiv::Pairs::all, fastdiv::Pairs::off_diagonal}) {
    if (counted == fastdiv::Pairs::off_diagonal && x.rows != y.rows) {
      continue;
    }
    const auto within = [&](ptrdiff_t i, ptrdiff_t j) {
      return i != j || counted == fastdiv::Pairs::all;
    };
    const auto between = [&](ptrdiff_t i, ptrdiff_t j) {
      return i != j || counted != fastdiv::Pairs::off_diagonal;
    };
    expected.clear();
    bound.clear();
    for (int o = 0; o < n_outputs; ++o) {
      for (const bool magnitudes : {false, true}) {
        auto& to = magnitudes ? bound : expected;
        to.push_back(pairs.xx.sum(o, magnitudes, within));
        to.push_back(pairs.yy.sum(o, magnitudes, within));
        to.push_back(pairs.xy.sum(o, magnitudes, between));
      }
    }
    const auto sums = [&](const fastdiv::Options& options, double* out) {
      return fastdiv::pair_sums<T>(x, y, groups, n_outputs, out, options, counted);
    };
    std::vector<double> got = with_threads(3 * outputs, sums);
    // The power of an outlier with itself may be infinite.
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(expected[i]) && got[i] == expected[i]) {
        got[i] = expected[i] = bound[i] = 0;
      }
    }
    check_close<T>(got, expected, bound, "pair_sums");
  }

  expected.clear();
  bound.clear();
  for (int o = 0; o < n_outputs; ++o) {
    for (ptrdiff_t i = 0; i < x.rows; ++i) {
      expected.push_back(pairs.xy.sum(o, false, i, i + 1, all));
      bound.push_back(pairs.xy.sum(o, true, i, i + 1, all));
    }
  }
  check_close<T>(with_threads(outputs * static_cast<std::size_t>(x.rows),
                              [&](const fastdiv::Options& options, double* out) {
                                return fastdiv::row_sums<T>(x, y, nullptr, groups, n_outputs, out,
                                                            options);
                              }),
                 expected, bound, "row_sums");

  constexpr int labellings = 3;  // none, all, some
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(labellings * x.rows));
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    labels[static_cast<std::size_t>(x.rows + i)] = 1;
    labels[static_cast<std::size_t>(2 * x.rows + i)] = i * i % 7 < 3;
  }
  expected.clear();
  bound.clear();
  for (int o = 0; o < n_outputs; ++o) {
    for (ptrdiff_t b = 0; b < labellings; ++b) {
      const auto label = [&](ptrdiff_t i) {
        return labels[static_cast<std::size_t>(b * x.rows + i)] != 0;
      };
      const auto in_x = [&](ptrdiff_t i, ptrdiff_t j) { return i != j && label(i) && label(j); };
      const auto in_y = [&](ptrdiff_t i, ptrdiff_t j) { return i != j && !label(i) && !label(j); };
      const auto between = [&](ptrdiff_t i, ptrdiff_t j) { return label(i) && !label(j); };
      expected.push_back(pairs.xx.sum(o, false, in_x));
      expected.push_back(pairs.xx.sum(o, false, in_y));
      expected.push_back(pairs.xx.sum(o, false, between));
      bound.insert(bound.end(), 3, pairs.xx.sum(o, true, off_diagonal));
    }
  }
  check_close<T>(with_threads(3 * outputs * labellings,
                              [&](const fastdiv::Options& options, double* out) {
                                return fastdiv::quad_forms<T>(x, labels.data(), labellings, groups,
                                                              n_outputs, out, options);
                              }),
                 expected, bound, "quad_forms");
}

// Tests one row that is far out and orthogonal to all others. Its norm says nothing about any pair.
template <class T>
void outlier(double size, double degree) {
  constexpr ptrdiff_t dim = 17;
  Sample<T> x(few_sizes ? 145 : 290, dim, 5), y(50, dim, 6);
  for (Sample<T>* sample : {&x, &y}) {
    for (ptrdiff_t i = 0; i < sample->view.rows; ++i) {
      sample->values[static_cast<std::size_t>(i * dim)] = 0;
    }
  }
  std::fill_n(x.values.begin(), dim, T{0});
  x.values[0] = static_cast<T>(size);
  compare_sums(
      Pairs<T>(x.view, y.view, one_kernel("polynomial", Base::dot, {degree, 1.0, 0.5}), 1));
}

template <class T>
void layouts() {
  const Sample<T> x(100, 7, 7), y(60, 7, 8);
  const auto groups = one_kernel("laplacian", Base::l1, {10.0});
  const MatrixView<T> transposed{x.values.data(), 7, 100, 1, 7};
  const MatrixView<T> reversed{x.values.data() + 7 * 100 - 1, 100, 7, -7, -1};
  const MatrixView<T> thinned{x.values.data(), 50, 4, 14, 2};
  const MatrixView<T> repeated{x.values.data(), 20, 7, 0, 1};
  const MatrixView<T> some{y.values.data(), 30, 4, 7, 1};
  compare_sums(Pairs<T>(transposed, transposed, groups, 1));
  compare_sums(Pairs<T>(reversed, y.view, groups, 1));
  compare_sums(Pairs<T>(thinned, some, groups, 1));
  compare_sums(Pairs<T>(repeated, y.view, groups, 1));

  const auto first = [](const std::vector<T>& values, const std::vector<std::ptrdiff_t>& shape,
                        const std::vector<std::ptrdiff_t>& strides) {
    return fastdiv::first_nonfinite(values.data(), shape, strides, false, {});
  };
  check(first(x.values, {100, 7}, {7, 1}) == -1, "all finite");
  Sample<T> bad(9, 5, 9);
  bad.values[17] = std::numeric_limits<T>::quiet_NaN();
  bad.values[31] = std::numeric_limits<T>::infinity();
  check(first(bad.values, {9, 5}, {5, 1}) == 17, "the first of two that are not finite");
  check(first(bad.values, {5, 9}, {1, 5}) == 15, "the first of two across the rows");
  check(first(bad.values, {3, 3, 4, 5}, {15, 5, 0, 1}) == 62, "the first of those repeated");
  check(first(bad.values, {9, 0}, {5, 1}) == -1, "nothing to look at");
}

template <class T>
void everything() {
  for_each_size<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    for (const bool scaled : {false, true}) {
      compare_sums(all_pairs(x, y, scaled));
    }
  });
  for_large_samples<T>(
      [](const MatrixView<T>& x, const MatrixView<T>& y) { compare_sums(all_pairs(x, y, false)); });
  for_tight_clusters<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_sums(Pairs<T>(x, y, one_kernel("rbf", Base::sqdist, {1.5}), 1));
    compare_sums(Pairs<T>(x, y, one_kernel("energy", Base::sqdist, {1.0}), 1));
  });
  for_wide_samples<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_sums(Pairs<T>(x, y, one_kernel("energy", Base::sqdist, {1.0}), 1));
    compare_sums(Pairs<T>(x, y, one_kernel("cityblock", Base::l1, {1.0}), 1));
    compare_sums(Pairs<T>(x, y, one_kernel("linear", Base::dot, {}), 1));
  });
  outlier<T>(1e12, 3);
  outlier<T>(1e37, 20);
  layouts<T>();
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
