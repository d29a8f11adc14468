// Tests weighted sums, log-slopes and gradients against loops over single pairs.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "samples.hpp"

namespace {

// Returns weighted sums, sums of t f'(t) for distances, row sums, gradients and values, one after
// the other.
template <class T>
std::vector<double> weighted_sums(const MatrixView<T>& x, const MatrixView<T>& y,
                                  const std::vector<double>& weights,
                                  const std::vector<KernelGroup>& groups, int n_outputs,
                                  fastdiv::Pairs counted) {
  const auto rows = static_cast<std::size_t>(n_outputs * (x.rows + y.rows));
  const auto sums = static_cast<std::size_t>(3 * n_outputs);
  const double counts[] = {2.0, -4.0, -4.0 / 3};
  const ptrdiff_t x_values = n_outputs * x.rows;
  const auto outputs = static_cast<std::size_t>(n_outputs);
  std::vector<KernelGroup> distances;
  std::copy_if(groups.begin(), groups.end(), std::back_inserter(distances),
               [](const KernelGroup& group) { return group.base != Base::dot; });
  return with_threads(2 * sums + rows * static_cast<std::size_t>(2 + x.cols) + outputs,
                      [&](const fastdiv::Options& options, double* out) {
                        double* row_sums = out + 2 * sums;
                        std::vector<T> gradient(rows * static_cast<std::size_t>(x.cols));
                        fastdiv::WeightedSample<T> wx{x, weights.data()};
                        fastdiv::WeightedSample<T> wy{y, weights.data() + x.rows};
                        wx.within = row_sums;
                        wy.within = row_sums + x_values;
                        wx.between = row_sums + rows;
                        wy.between = row_sums + static_cast<ptrdiff_t>(rows) + x_values;
                        wx.gradient = gradient.data();
                        wy.gradient = gradient.data() + x_values * x.cols;
                        // The second call replaces the sums by those of all groups.
                        const bool finished =
                            fastdiv::weighted_sums<T>({x, wx.weights}, {y, wy.weights}, counts,
                                                      distances, n_outputs, out, nullptr,
                                                      out + sums, options, counted) &&
                            fastdiv::weighted_sums<T>(wx, wy, counts, groups, n_outputs, out,
                                                      row_sums + 2 * rows + gradient.size(),
                                                      nullptr, options, counted);
                        std::copy(gradient.begin(), gradient.end(), row_sums + 2 * rows);
                        return finished;
                      });
}

template <class T>
void compare_weighted(const Pairs<T>& pairs, fastdiv::Pairs counted) {
  const MatrixView<T>& x = pairs.x;
  const MatrixView<T>& y = pairs.y;
  const std::vector<KernelGroup>& groups = pairs.groups;
  const int n_outputs = pairs.n_outputs;
  std::vector<double> weights;
  for (ptrdiff_t i = 0; i < x.rows + y.rows; ++i) {
    weights.push_back(static_cast<double>(i * i % 11) / 10);
  }
  const double* v = weights.data() + x.rows;
  std::vector<double> sums, sum_bounds, within, within_bounds, between, between_bounds;
  const auto add_rows = [&](const Matrix<T>& k, bool transposed, int o, ptrdiff_t rows,
                            ptrdiff_t cols, const double* w, bool diagonal, auto& to,
                            auto& bounds) {
    for (ptrdiff_t i = 0; i < rows; ++i) {
      double total = 0, magnitude = 0;
      for (ptrdiff_t j = 0; j < cols; ++j) {
        if (diagonal || i != j) {
          const double value = w[j] * (transposed ? k(o, j, i) : k(o, i, j));
          total += value;
          magnitude += std::abs(value);
        }
      }
      to.push_back(total);
      bounds.push_back(magnitude);
    }
  };
  for (const bool first : {true, false}) {
    for (int o = 0; o < n_outputs; ++o) {
      const MatrixView<T>& self = first ? x : y;
      const MatrixView<T>& other = first ? y : x;
      const double* self_weights = first ? weights.data() : v;
      add_rows(first ? pairs.xx : pairs.yy, false, o, self.rows, self.rows, self_weights,
               counted == fastdiv::Pairs::all, within, within_bounds);
      add_rows(pairs.xy, !first, o, self.rows, other.rows, first ? v : weights.data(),
               counted != fastdiv::Pairs::off_diagonal, between, between_bounds);
    }
  }
  const auto dot = [&](const std::vector<double>& rows, ptrdiff_t first, ptrdiff_t n,
                       const double* w) {
    double total = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
      total += w[i] * rows[static_cast<std::size_t>(first + i)];
    }
    return total;
  };
  for (int o = 0; o < n_outputs; ++o) {
    const ptrdiff_t at_x = o * x.rows;
    const ptrdiff_t at_y = n_outputs * x.rows + o * y.rows;
    for (const bool bounds : {false, true}) {
      const auto& self_values = bounds ? within_bounds : within;
      auto& to = bounds ? sum_bounds : sums;
      to.push_back(dot(self_values, at_x, x.rows, weights.data()));
      to.push_back(dot(self_values, at_y, y.rows, v));
      to.push_back(dot(bounds ? between_bounds : between, at_x, x.rows, weights.data()));
    }
  }
  const std::vector<double> got = weighted_sums(x, y, weights, groups, n_outputs, counted);
  auto at = got.begin();
  const auto compare = [&](const std::vector<double>& expected, const std::vector<double>& bound,
                           const char* what) {
    const auto end = at + static_cast<ptrdiff_t>(expected.size());
    check_close<T>({at, end}, expected, bound, what);
    at = end;
  };
  compare(sums, sum_bounds, "weighted_sums");
  // For powers, t f'(t) is the exponent times f(t).
  for (const KernelGroup& group : groups) {
    for (const auto& term : group.terms) {
      const double exponent = term.kernel == "energy"      ? term.params[0] / 2
                              : term.kernel == "cityblock" ? term.params[0]
                                                           : 0;
      if (exponent > 0) {
        const ptrdiff_t first = 3 * term.output;
        for (ptrdiff_t i = first; i < first + 3; ++i) {
          const auto block = static_cast<std::size_t>(i);
          check(std::abs(*(at + i) - exponent * sums[block]) <=
                    (sizeof(T) == 4 ? 1e-5 : 1e-12) * exponent * sum_bounds[block],
                "the sums of t f'(t)");
        }
      }
    }
  }
  at += static_cast<ptrdiff_t>(sums.size());
  compare(within, within_bounds, "sums within");
  compare(between, between_bounds, "sums between");
  // Moving a row by h changes the combined sums by h times its gradient.
  const auto combined = [&](const std::vector<double>& all, int o) {
    const auto first = static_cast<std::size_t>(3 * o);
    return 0.5 * all[first] - 0.25 * all[first + 1] + 1.5 * all[first + 2];
  };
  const auto end_of_gradient = got.end() - n_outputs;
  for (int o = 0; o < n_outputs; ++o) {
    const auto first = static_cast<std::size_t>(3 * o);
    const double size = sum_bounds[first] + sum_bounds[first + 1] + sum_bounds[first + 2];
    check(std::abs(*(end_of_gradient + o) - combined(got, o)) <= 1e-14 * size, "the value");
  }
  if constexpr (sizeof(T) == 8) {
    const ptrdiff_t row = x.rows - 1;
    const ptrdiff_t feature = x.cols / 2;
    constexpr double step = 1e-5;
    std::vector<double> moved(x.data, x.data + x.rows * x.cols);
    const MatrixView<double> moved_x{moved.data(), x.rows, x.cols, x.cols, 1};
    double& value = moved[static_cast<std::size_t>(row * x.cols + feature)];
    const double before = value;
    value = before + step;
    const auto up = weighted_sums(moved_x, y, weights, groups, n_outputs, counted);
    value = before - step;
    const auto down = weighted_sums(moved_x, y, weights, groups, n_outputs, counted);
    for (int o = 0; o < n_outputs; ++o) {
      const double expected = (combined(up, o) - combined(down, o)) / (2 * step);
      const double gradient = *(at + (o * x.rows + row) * x.cols + feature);
      double size = 0;
      for (std::size_t block = 0; block < 3; ++block) {
        size += sum_bounds[static_cast<std::size_t>(3 * o) + block];
      }
      check(std::abs(gradient - expected) <= 1e-5 * (std::abs(expected) + size), "the gradient");
    }
  } else {
    std::vector<double> wide_x(x.data, x.data + x.rows * x.cols);
    std::vector<double> wide_y(y.data, y.data + y.rows * y.cols);
    const auto wide = weighted_sums<double>({wide_x.data(), x.rows, x.cols, x.cols, 1},
                                            {wide_y.data(), y.rows, y.cols, y.cols, 1}, weights,
                                            groups, n_outputs, counted);
    const auto first = static_cast<std::size_t>(at - got.begin());
    double size = 0;
    const auto end = static_cast<std::size_t>(end_of_gradient - got.begin());
    for (std::size_t i = first; i < end; ++i) {
      size = std::max(size, std::abs(wide[i]));
    }
    for (std::size_t i = first; i < end; ++i) {
      check(std::abs(got[i] - wide[i]) <= 1e-4 * size, "the gradient in float");
    }
  }
}

template <class T>
void everything() {
  for_each_size<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    for (const bool scaled : {false, true}) {
      const Pairs<T> pairs = all_pairs(x, y, scaled);
      compare_weighted(pairs, fastdiv::Pairs::distinct);
      compare_weighted(pairs, fastdiv::Pairs::all);
      if (x.rows == y.rows) {
        compare_weighted(pairs, fastdiv::Pairs::off_diagonal);
      }
    }
  });
  for_large_samples<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_weighted(all_pairs(x, y, false), fastdiv::Pairs::distinct);
  });
  for_wide_samples<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_weighted(Pairs<T>(x, y, one_kernel("energy", Base::sqdist, {1.0}), 1),
                     fastdiv::Pairs::all);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
