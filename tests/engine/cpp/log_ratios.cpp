// Tests estimates of KL divergences from draws against loops over single draws.

#include <cmath>
#include <utility>
#include <vector>

#include "samples.hpp"

namespace {

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
void everything() {
  for (const auto& [rows, cols] :
       {std::pair<ptrdiff_t, ptrdiff_t>{1, 1}, {7, 3}, {9000, 1}, {40000, 2}, {130, 33}}) {
    compare_log_ratios<T>(rows, cols);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
