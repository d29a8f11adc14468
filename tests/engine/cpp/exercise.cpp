// Runs everything that the engine offers, at sizes around every edge, and compares it with loops
// over single pairs. Made for sanitizers and emulators; tests/ checks accuracy far more thoroughly.
//
//   exercise [LEVEL]   fails unless the level in use is LEVEL; takes fewer sizes then, for
//   emulators

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <fastdiv/fastdiv.hpp>

#include "harness.hpp"
#include "isa/isa.hpp"

namespace {

using fastdiv::Base;
using fastdiv::KernelGroup;
using fastdiv::MatrixView;
using std::ptrdiff_t;

template <class T>
void check_close(const std::vector<double>& got, const std::vector<double>& expected,
                 const std::vector<double>& bound, const char* what) {
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool close = std::abs(got[i] - expected[i]) <= tolerance * bound[i];
    check(close, what);
    if (!close) {
      std::printf("  entry %zu: %.17g, expected %.17g\n", i, got[i], expected[i]);
    }
  }
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

template <class T>
struct Sample {
  std::vector<T> values;
  MatrixView<T> view;

  Sample(ptrdiff_t rows, ptrdiff_t cols, unsigned seed, double shift = 0, double spread = 0)
      : values(static_cast<std::size_t>(rows * cols)), view{values.data(), rows, cols, cols, 1} {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0.2, 1 / std::sqrt(static_cast<double>(cols)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto cluster = static_cast<double>(static_cast<ptrdiff_t>(i) / cols % 3);
      values[i] = static_cast<T>(normal(random) + shift + spread * cluster);
    }
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
};

// All kernels of the level, one output each, those of a base in one group.
std::vector<KernelGroup> all_kernels(double first_param, ptrdiff_t dim, bool scaled) {
  std::vector<KernelGroup> groups;
  for (const Base base : {Base::sqdist, Base::l1, Base::dot}) {
    KernelGroup group;
    group.base = base;
    for (ptrdiff_t k = 0; scaled && k < dim; ++k) {
      group.scale.push_back(0.5 + 0.3 * static_cast<double>(k % 4));
    }
    const auto& ops = fastdiv::isa().f32;
    for (int k = 0; k < ops.n_kernels; ++k) {
      if (ops.kernels[k].base == base) {
        std::vector<double> params = {first_param, 0.7, 0.9};
        params.resize(static_cast<std::size_t>(ops.kernels[k].n_params));
        group.terms.push_back({ops.kernels[k].name, params, k % 2 == 0 ? 1.0 : -0.25, k});
      }
    }
    groups.push_back(group);
  }
  return groups;
}

std::vector<KernelGroup> one_kernel(const char* name, Base base, std::vector<double> params) {
  KernelGroup group;
  group.base = base;
  group.terms = {{name, std::move(params), 1.0, 0}};
  return {group};
}

// [output][i][j], pair by pair.
template <class T>
class Matrix {
 public:
  Matrix(const MatrixView<T>& x, const MatrixView<T>& y, const std::vector<KernelGroup>& groups,
         int n_outputs)
      : rows_(x.rows), cols_(y.rows) {
    const auto size = static_cast<std::size_t>(n_outputs * cols_);
    fastdiv::Options alone;
    alone.n_threads = 1;
    for (ptrdiff_t i = 0; i < rows_; ++i) {
      const MatrixView<T> row{x.data + i * x.row_stride, cols_, x.cols, 0, x.col_stride};
      values_.emplace_back(size);
      fastdiv::paired_values<T>(row, y, groups, n_outputs, values_.back().data(), alone);
    }
  }
  double operator()(int output, ptrdiff_t i, ptrdiff_t j) const {
    return values_[static_cast<std::size_t>(i)][static_cast<std::size_t>(output * cols_ + j)];
  }
  // Sum of the values, or of their magnitudes, over the pairs of rows [first, last) and all columns
  // that count.
  template <class Counts>
  double sum(int output, bool magnitudes, ptrdiff_t first, ptrdiff_t last,
             const Counts& counts) const {
    double total = 0;
    for (ptrdiff_t i = first; i < last; ++i) {
      for (ptrdiff_t j = 0; j < cols_; ++j) {
        const double value = (*this)(output, i, j);
        total += counts(i, j) ? (magnitudes ? std::abs(value) : value) : 0;
      }
    }
    return total;
  }
  template <class Counts>
  double sum(int output, bool magnitudes, const Counts& counts) const {
    return sum(output, magnitudes, 0, rows_, counts);
  }

 private:
  ptrdiff_t rows_, cols_;
  std::vector<std::vector<double>> values_;
};

bool few_sizes = false;
constexpr int thread_counts[] = {1, 2, 5};

// compute(options, out) for several numbers of threads: the same bits each time.
template <class Compute>
std::vector<double> with_threads(std::size_t size, const Compute& compute) {
  std::vector<double> first;
  for (const int threads : thread_counts) {
    if (few_sizes && threads > 2) {
      break;  // a team of another size is made of new threads, which take emulators long
    }
    std::vector<double> out(size, std::numeric_limits<double>::quiet_NaN());
    fastdiv::Options options;
    options.n_threads = threads;
    check(compute(options, out.data()), "the call finishes");
    if (first.empty()) {
      first = out;
    }
    check(same_bits(first, out), "the same bits for any number of threads");
  }
  return first;
}

// Two samples and their kernel values.
template <class T>
struct Pairs {
  Pairs(const MatrixView<T>& x_, const MatrixView<T>& y_, const std::vector<KernelGroup>& groups_,
        int n_outputs_)
      : x(x_),
        y(y_),
        groups(groups_),
        n_outputs(n_outputs_),
        xx(x, x, groups, n_outputs),
        yy(y, y, groups, n_outputs),
        xy(x, y, groups, n_outputs) {}

  MatrixView<T> x, y;
  std::vector<KernelGroup> groups;
  int n_outputs;
  Matrix<T> xx, yy, xy;
};

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
  for (int o = 0; o < n_outputs; ++o) {
    for (const bool magnitudes : {false, true}) {
      auto& to = magnitudes ? bound : expected;
      to.push_back(pairs.xx.sum(o, magnitudes, off_diagonal));
      to.push_back(pairs.yy.sum(o, magnitudes, off_diagonal));
      to.push_back(pairs.xy.sum(o, magnitudes, all));
    }
  }
  check_close<T>(with_threads(3 * outputs,
                              [&](const fastdiv::Options& options, double* out) {
                                return fastdiv::pair_sums<T>(x, y, groups, n_outputs, out, options);
                              }),
                 expected, bound, "pair_sums");

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

template <class T>
void compare_label_sums(const Pairs<T>& pairs) {
  const MatrixView<T>& x = pairs.x;
  std::vector<KernelGroup> of_distances;
  std::vector<bool> counted(static_cast<std::size_t>(pairs.n_outputs));
  for (const KernelGroup& group : pairs.groups) {
    if (group.base != Base::dot) {
      of_distances.push_back(group);
      for (const auto& term : group.terms) {
        counted[static_cast<std::size_t>(term.output)] = true;
      }
    }
  }
  const std::vector<ptrdiff_t> sizes{x.rows / 3, 0, x.rows - x.rows / 3};
  std::vector<double> expected, bound;
  for (int o = 0; o < pairs.n_outputs; ++o) {
    for (ptrdiff_t label = 0; label < 3; ++label) {
      for (ptrdiff_t i = 0; i < x.rows; ++i) {
        const auto counts = [&](ptrdiff_t, ptrdiff_t j) {
          return counted[static_cast<std::size_t>(o)] && i != j && (j < sizes[0] ? 0 : 2) == label;
        };
        expected.push_back(pairs.xx.sum(o, false, i, i + 1, counts));
        bound.push_back(pairs.xx.sum(o, true, i, i + 1, counts));
      }
    }
  }
  check_close<T>(with_threads(expected.size(),
                              [&](const fastdiv::Options& options, double* out) {
                                return fastdiv::label_sums<T>(x, nullptr, sizes, of_distances,
                                                              pairs.n_outputs, out, options);
                              }),
                 expected, bound, "label_sums");
}

template <class T>
void compare_label_extremes(const MatrixView<T>& x) {
  const std::vector<ptrdiff_t> sizes{x.rows / 3, 0, x.rows - x.rows / 3};
  for (const Base metric : {Base::sqdist, Base::l1}) {
    const char* name = metric == Base::l1 ? "cityblock" : "energy";
    const Matrix<T> negative(x, x, one_kernel(name, metric, {1.0}), 1);
    double within = 0;
    double between = std::numeric_limits<double>::infinity();
    for (ptrdiff_t i = 0; i < x.rows; ++i) {
      for (ptrdiff_t j = 0; j < i; ++j) {
        const double distance = -negative(0, i, j);
        if ((i < sizes[0]) == (j < sizes[0])) {
          within = std::max(within, distance);
        } else {
          between = std::min(between, distance);
        }
      }
    }
    check_close<T>(with_threads(2,
                                [&](const fastdiv::Options& options, double* out) {
                                  fastdiv::LabelExtremes found{};
                                  const bool finished =
                                      fastdiv::label_extremes<T>(x, metric, sizes, &found, options);
                                  out[0] = found.within;
                                  out[1] = found.between;
                                  return finished;
                                }),
                   {within, between}, {within, between}, "label_extremes");
  }
}

// Weighted sums, those of t f'(t), and what is wanted besides, one after the other.
template <class T>
std::vector<double> weighted_sums(const MatrixView<T>& x, const MatrixView<T>& y,
                                  const std::vector<double>& weights,
                                  const std::vector<KernelGroup>& groups, int n_outputs) {
  const auto rows = static_cast<std::size_t>(n_outputs * (x.rows + y.rows));
  const auto sums = static_cast<std::size_t>(3 * n_outputs);
  const double factors[] = {0.5, -0.25, 1.5};
  const ptrdiff_t of_x = n_outputs * x.rows;
  return with_threads(2 * sums + rows * static_cast<std::size_t>(2 + x.cols),
                      [&](const fastdiv::Options& options, double* out) {
                        double* row_sums = out + 2 * sums;
                        std::vector<T> gradient(rows * static_cast<std::size_t>(x.cols));
                        fastdiv::WeightedSample<T> wx{x, weights.data()};
                        fastdiv::WeightedSample<T> wy{y, weights.data() + x.rows};
                        wx.within = row_sums;
                        wy.within = row_sums + of_x;
                        wx.between = row_sums + rows;
                        wy.between = row_sums + static_cast<ptrdiff_t>(rows) + of_x;
                        wx.gradient = gradient.data();
                        wy.gradient = gradient.data() + of_x * x.cols;
                        const bool finished = fastdiv::weighted_sums<T>(
                            wx, wy, factors, groups, n_outputs, out, out + sums, options);
                        std::copy(gradient.begin(), gradient.end(), row_sums + 2 * rows);
                        return finished;
                      });
}

template <class T>
void compare_weighted(const Pairs<T>& pairs) {
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
      const MatrixView<T>& own = first ? x : y;
      const MatrixView<T>& other = first ? y : x;
      const double* own_weights = first ? weights.data() : v;
      add_rows(first ? pairs.xx : pairs.yy, false, o, own.rows, own.rows, own_weights, false,
               within, within_bounds);
      add_rows(pairs.xy, !first, o, own.rows, other.rows, first ? v : weights.data(), true, between,
               between_bounds);
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
      const auto& of_own = bounds ? within_bounds : within;
      auto& to = bounds ? sum_bounds : sums;
      to.push_back(dot(of_own, at_x, x.rows, weights.data()));
      to.push_back(dot(of_own, at_y, y.rows, v));
      to.push_back(dot(bounds ? between_bounds : between, at_x, x.rows, weights.data()));
    }
  }
  const std::vector<double> got = weighted_sums(x, y, weights, groups, n_outputs);
  auto at = got.begin();
  const auto compare = [&](const std::vector<double>& expected, const std::vector<double>& bound,
                           const char* what) {
    const auto end = at + static_cast<ptrdiff_t>(expected.size());
    check_close<T>({at, end}, expected, bound, what);
    at = end;
  };
  compare(sums, sum_bounds, "weighted_sums");
  // Of powers, t f'(t) is the exponent times f(t).
  for (const KernelGroup& group : groups) {
    for (const auto& term : group.terms) {
      const double exponent = term.kernel == "energy"      ? term.params[0] / 2
                              : term.kernel == "cityblock" ? term.params[0]
                              : term.kernel == "linear"    ? 1
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
  if constexpr (sizeof(T) == 8) {
    const ptrdiff_t row = x.rows - 1;
    const ptrdiff_t feature = x.cols / 2;
    constexpr double step = 1e-5;
    std::vector<double> moved(x.data, x.data + x.rows * x.cols);
    const MatrixView<double> moved_x{moved.data(), x.rows, x.cols, x.cols, 1};
    double& value = moved[static_cast<std::size_t>(row * x.cols + feature)];
    const double before = value;
    value = before + step;
    const auto up = weighted_sums(moved_x, y, weights, groups, n_outputs);
    value = before - step;
    const auto down = weighted_sums(moved_x, y, weights, groups, n_outputs);
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
                                            groups, n_outputs);
    const auto first = static_cast<std::size_t>(at - got.begin());
    double size = 0;
    for (std::size_t i = first; i < wide.size(); ++i) {
      size = std::max(size, std::abs(wide[i]));
    }
    for (std::size_t i = first; i < wide.size(); ++i) {
      check(std::abs(got[i] - wide[i]) <= 1e-4 * size, "the gradient in float");
    }
  }
}

template <class T>
void compare_median(const MatrixView<T>& x) {
  for (const Base metric : {Base::sqdist, Base::l1}) {
    std::vector<double> distances;
    for (ptrdiff_t i = 0; i < x.rows; ++i) {
      for (ptrdiff_t j = i + 1; j < x.rows; ++j) {
        double sum = 0;
        for (ptrdiff_t k = 0; k < x.cols; ++k) {
          const double difference = static_cast<double>(x(i, k)) - static_cast<double>(x(j, k));
          sum += metric == Base::l1 ? std::abs(difference) : difference * difference;
        }
        distances.push_back(metric == Base::l1 ? sum : std::sqrt(sum));
      }
    }
    std::sort(distances.begin(), distances.end());
    const std::size_t n = distances.size();
    const std::vector<double> expected = {0.5 * (distances[(n - 1) / 2] + distances[n / 2])};
    check_close<T>(with_threads(1,
                                [&](const fastdiv::Options& options, double* out) {
                                  return fastdiv::median_distance<T>(x, metric, out, options);
                                }),
                   expected, expected, "median_distance");
  }
}

template <class T>
void compare_ranked(const MatrixView<T>& x, const MatrixView<T>& y) {
  std::vector<double> distances;
  for (ptrdiff_t i = 0; i < x.rows; ++i) {
    for (ptrdiff_t j = 0; j < y.rows; ++j) {
      double sum = 0;
      for (ptrdiff_t k = 0; k < x.cols; ++k) {
        sum += std::abs(static_cast<double>(x(i, k)) - static_cast<double>(y(j, k)));
      }
      distances.push_back(sum);
    }
  }
  std::sort(distances.begin(), distances.end());
  for (const std::size_t rank : {std::size_t{0}, distances.size() / 3, distances.size() - 1}) {
    const std::vector<double> expected = {distances[rank]};
    check_close<T>(with_threads(1,
                                [&](const fastdiv::Options& options, double* out) {
                                  return fastdiv::ranked_distance<T>(x, &y, Base::l1, rank, out,
                                                                     options);
                                }),
                   expected, expected, "ranked_distance");
  }
}

template <class T>
void compare_neighbours(const MatrixView<T>& at, const MatrixView<T>& x) {
  const bool own = at.data == x.data;
  for (const int k : {1, 5, fastdiv::max_neighbours}) {
    if (k > x.rows - own) {
      continue;
    }
    std::vector<double> expected;
    for (ptrdiff_t i = 0; i < at.rows; ++i) {
      std::vector<double> distances;
      for (ptrdiff_t j = 0; j < x.rows; ++j) {
        double sum = 0;
        for (ptrdiff_t c = 0; c < x.cols; ++c) {
          const double difference = static_cast<double>(at(i, c)) - static_cast<double>(x(j, c));
          sum += difference * difference;
        }
        distances.push_back(own && i == j ? HUGE_VAL : std::sqrt(sum));
      }
      std::sort(distances.begin(), distances.end());
      expected.push_back(distances[static_cast<std::size_t>(k - 1)]);
    }
    check_close<T>(with_threads(expected.size(),
                                [&](const fastdiv::Options& options, double* out) {
                                  return fastdiv::kth_distances<T>(at, x, k, own, out, options);
                                }),
                   expected, expected, "kth_distances");
  }
}

template <class T>
void compare_log_ratios(ptrdiff_t rows, ptrdiff_t cols) {
  using fastdiv::LogRatio;
  const Sample<T> log_p(rows, cols, 15), log_q(rows, cols, 16);
  for (const LogRatio estimator : {LogRatio::k1, LogRatio::k2, LogRatio::k3}) {
    const auto value = [&](ptrdiff_t i, ptrdiff_t c) {
      const double l =
          static_cast<double>(log_q.view(i, c)) - static_cast<double>(log_p.view(i, c));
      return estimator == LogRatio::k1   ? -l
             : estimator == LogRatio::k2 ? l * l / 2
                                         : std::expm1(l) - l;
    };
    std::vector<double> expected, bound;
    for (ptrdiff_t c = 0; c < cols; ++c) {
      double mean = 0, magnitude = 0;
      for (ptrdiff_t i = 0; i < rows; ++i) {
        mean += value(i, c) / static_cast<double>(rows);
        magnitude += std::abs(value(i, c)) / static_cast<double>(rows);
      }
      expected.push_back(mean);
      bound.push_back(magnitude);
    }
    for (ptrdiff_t c = 0; c < cols; ++c) {
      double m2 = 0, square = 0;
      for (ptrdiff_t i = 0; i < rows; ++i) {
        const double difference = value(i, c) - expected[static_cast<std::size_t>(c)];
        m2 += difference * difference;
        square += value(i, c) * value(i, c);
      }
      expected.push_back(m2);
      bound.push_back(square);
    }
    check_close<double>(with_threads(expected.size(),
                                     [&](const fastdiv::Options& options, double* out) {
                                       return fastdiv::log_ratio_moments<T>(
                                           log_p.view, log_q.view, estimator, out, options);
                                     }),
                        expected, bound, "log_ratio_moments");
  }
}

template <class T>
void sizes_and_kernels() {
  const int kernels = fastdiv::isa().f32.n_kernels;
  const ptrdiff_t sizes[][2] = {{1, 1}, {1, 2}, {2, 47}, {48, 5}, {49, 144}, {145, 7}};
  for (const ptrdiff_t dim : {17, 1, 3, 65}) {
    if (few_sizes && dim != 17) {
      break;
    }
    for (const auto& [n, m] : sizes) {
      const Sample<T> x(n, dim, 1), y(m, dim, 2);
      for (const bool scaled : {false, true}) {
        const Pairs<T> pairs(x.view, y.view, all_kernels(scaled ? 2 : 1, dim, scaled), kernels);
        compare_sums(pairs);
        compare_label_sums(pairs);
        compare_weighted(pairs);
      }
      compare_ranked<T>(x.view, y.view);
      compare_neighbours<T>(x.view, y.view);
      compare_neighbours<T>(x.view, x.view);
      if (n > 2) {
        compare_label_extremes<T>(x.view);
      }
      if (n > 1) {
        compare_median<T>(x.view);
      }
    }
  }
  // Large enough for several threads.
  const Sample<T> x(few_sizes ? 150 : 301, 64, 3), y(few_sizes ? 49 : 203, 64, 4);
  const Pairs<T> pairs(x.view, y.view, all_kernels(1, 64, false), kernels);
  compare_sums(pairs);
  compare_label_sums(pairs);
  compare_weighted(pairs);
  compare_label_extremes<T>(x.view);
  compare_median<T>(x.view);
  compare_median<T>(Sample<T>(400, 2, 17).view);  // too many pairs to be copied
  compare_neighbours<T>(x.view, y.view);
  for (const auto& [rows, cols] :
       {std::pair<ptrdiff_t, ptrdiff_t>{1, 1}, {7, 3}, {9000, 1}, {40000, 2}, {130, 33}}) {
    compare_log_ratios<T>(rows, cols);
  }
}

template <class T>
void fall_back() {
  for (const ptrdiff_t dim : {2, 33}) {
    for (const double shift : {0.0, 1e6}) {
      const double spread = sizeof(T) == 4 ? 1e3 : 1e7;
      const Sample<T> x(290, dim, 5, shift, spread), y(151, dim, 6, shift, spread);
      compare_sums(Pairs<T>(x.view, y.view, one_kernel("rbf", Base::sqdist, {1.5}), 1));
      const Pairs<T> distances(x.view, y.view, one_kernel("energy", Base::sqdist, {1.0}), 1);
      compare_sums(distances);
      compare_label_sums(distances);
      compare_median<T>(x.view);
      compare_neighbours<T>(x.view, y.view);
    }
  }
}

// One row far out and orthogonal to all others: its norm says nothing about any pair.
template <class T>
void outlier(double size, double degree) {
  constexpr ptrdiff_t dim = 17;
  Sample<T> x(290, dim, 5), y(50, dim, 6);
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

  check(fastdiv::first_nonfinite<T>(x.view) == -1, "all finite");
  Sample<T> bad(9, 5, 9);
  bad.values[17] = std::numeric_limits<T>::quiet_NaN();
  bad.values[31] = std::numeric_limits<T>::infinity();
  check(fastdiv::first_nonfinite<T>(bad.view) == 17, "the first of two that are not finite");
}

// Items of a stack are computed as if they were alone, small ones several at once.
template <class T>
void stacks() {
  constexpr ptrdiff_t items = 7, n = 30, m = 50, dim = 9;
  const Sample<T> x(items * n, dim, 15), y(items * m, dim, 16);
  std::vector<double> weights(static_cast<std::size_t>(items * m), 0.5), factors, scales;
  for (ptrdiff_t item = 0; item < items; ++item) {
    factors.insert(factors.end(), {1.0, 0.5, -2.0 - static_cast<double>(item)});
    scales.push_back(1.0 + 0.25 * static_cast<double>(item));
    weights[static_cast<std::size_t>(item)] = 0.25;
  }
  const auto rows = [](const Sample<T>& sample, ptrdiff_t item, ptrdiff_t count) {
    MatrixView<T> view = sample.view;
    view.data += item * count * dim;
    view.rows = count;
    return view;
  };
  const auto groups = one_kernel("rbf", Base::sqdist, {1.0});
  const auto values = static_cast<std::size_t>(items * (n + m));
  const auto sums = [&](ptrdiff_t first, ptrdiff_t count, const fastdiv::Options& options,
                        double* out) {
    // the sums, those at the rows of x, and the gradients
    std::vector<T> of_x(values * dim), of_y(values * dim);
    std::vector<double> y_sums(2 * values);
    const auto size = static_cast<std::size_t>(count);
    double* of_rows = out + 3 * size;
    const MatrixView<T> a{rows(x, first, n).data, count * n, dim, dim, 1};
    const MatrixView<T> b{rows(y, first, m).data, count * m, dim, dim, 1};
    const fastdiv::WeightedSample<T> u{a, weights.data() + first * n, of_rows, of_rows + size * n,
                                       of_x.data()};
    const fastdiv::WeightedSample<T> v{b, weights.data() + first * m, y_sums.data(),
                                       y_sums.data() + values, of_y.data()};
    const bool finished = fastdiv::weighted_sums<T>(count, u, v, factors.data() + 3 * first,
                                                    scales.data() + first, groups, 1, out, options);
    double* gradients = of_rows + 2 * size * n;
    std::copy_n(of_x.data(), size * n * dim, gradients);
    std::copy_n(of_y.data(), size * m * dim, gradients + size * n * dim);
    return finished;
  };
  const std::size_t per_item = 3 + 2 * n + (n + m) * dim;
  const std::vector<double> all = with_threads(
      items * per_item,
      [&](const fastdiv::Options& options, double* out) { return sums(0, items, options, out); });
  const std::size_t ends[] = {0, 3, 3 + n, 3 + 2 * n, 3 + 2 * n + n * dim, per_item};
  for (ptrdiff_t item = 0; item < items; ++item) {
    std::vector<double> alone(per_item);
    sums(item, 1, {}, alone.data());
    for (int part = 0; part < 5; ++part) {
      const std::size_t begin = ends[part], size = ends[part + 1] - begin;
      const double* whole = all.data() + items * begin + static_cast<std::size_t>(item) * size;
      check(std::memcmp(whole, alone.data() + begin, size * sizeof(double)) == 0, "an item");
    }
  }
  const std::vector<ptrdiff_t> sizes{2, 5, items * n - 7};
  const std::vector<double> medians =
      with_threads(sizes.size(), [&](const fastdiv::Options& options, double* out) {
        return fastdiv::median_distances<T>(x.view, sizes, Base::l1, out, options);
      });
  double first_median = 0;
  fastdiv::median_distance<T>(rows(x, 0, 2), Base::l1, &first_median);
  check(medians[0] == first_median, "the median of an item");
  const std::vector<double> ranked =
      with_threads(items, [&](const fastdiv::Options& options, double* out) {
        return fastdiv::ranked_distances<T>(items, x.view, &y.view, Base::sqdist, 7, out, options);
      });
  const MatrixView<T> last = rows(y, items - 1, m);
  double last_distance = 0;
  fastdiv::ranked_distance<T>(rows(x, items - 1, n), &last, Base::sqdist, 7, &last_distance);
  check(ranked.back() == last_distance, "the ranked distance of an item");

  // What is thrown for an item comes out of the parallel loop.
  bool thrown = false;
  try {
    double out[3];
    fastdiv::median_distances<T>(x.view, {1, 2, items * n - 3}, Base::l1, out);
  } catch (const std::invalid_argument&) {
    thrown = true;
  }
  check(thrown, "an item of one row");
}

template <class T>
void stop_and_progress() {
  const Sample<T> x(20000, 64, 10);
  const auto groups = one_kernel("rbf", Base::sqdist, {1.0});
  for (const int threads : thread_counts) {
    double sums[3];
    int calls = 0;
    double last = -1;
    fastdiv::Options options;
    options.n_threads = threads;
    options.hook = [&](double done) {
      check(done >= last && done <= 1, "progress grows to 1");
      last = done;
      return ++calls < 2;
    };
    check(!fastdiv::pair_sums<T>(x.view, x.view, groups, 1, sums, options),
          "the hook stops a call");
    check(calls == 2, "and is not called again");
  }
}

void errors() {
  const Sample<float> x(4, 3, 11), y(4, 2, 12);
  double out[12];
  const auto refused = [&](const MatrixView<float>& other, const std::vector<KernelGroup>& groups) {
    try {
      fastdiv::pair_sums<float>(x.view, other, groups, 1, out);
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  check(refused(x.view, one_kernel("no such kernel", Base::sqdist, {1.0})), "an unknown kernel");
  check(refused(x.view, one_kernel("rbf", Base::l1, {1.0})), "a kernel of another base");
  check(refused(x.view, one_kernel("rbf", Base::sqdist, {})), "missing parameters");
  check(refused(y.view, one_kernel("rbf", Base::sqdist, {1.0})), "another number of features");
}

void callers_at_once() {
  const Sample<double> x(300, 40, 13), y(200, 40, 14);
  const auto groups = one_kernel("matern52", Base::sqdist, {1.0});
  std::vector<std::vector<double>> sums(4, std::vector<double>(3));
  std::vector<std::thread> callers;
  for (std::vector<double>& out : sums) {
    callers.emplace_back([&] {
      fastdiv::Options options;
      options.n_threads = 2;
      for (int repeat = 0; repeat < 5; ++repeat) {
        fastdiv::pair_sums<double>(x.view, y.view, groups, 1, out.data(), options);
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  for (const std::vector<double>& out : sums) {
    check(same_bits(out, sums[0]), "several callers at once");
  }
}

template <class T>
void everything(const char* name) {
  where = name;
  sizes_and_kernels<T>();
  fall_back<T>();
  outlier<T>(1e12, 3);
  outlier<T>(1e37, 20);
  layouts<T>();
  stacks<T>();
  stop_and_progress<T>();
  const fastdiv::Peaks peaks = fastdiv::measure_peaks<T>(2, 0.01);
  check(peaks.flops > 0 && peaks.maps > 0, "peaks");
}

}  // namespace

int main(int argc, char** argv) {
  few_sizes = argc > 1;
  return run(argc, argv, [] {
    everything<float>("float32");
    everything<double>("float64");
    where = "in general";
    errors();
    callers_at_once();
  });
}
