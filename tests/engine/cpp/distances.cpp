// Tests median, ranked and neighbour distances against sorted distances.

#include <algorithm>
#include <cmath>
#include <vector>

#include "samples.hpp"

namespace {

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
  const bool exclude_self = at.data == x.data;
  for (const int k : {1, 5, fastdiv::max_neighbours}) {
    if (k > x.rows - exclude_self) {
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
        distances.push_back(exclude_self && i == j ? HUGE_VAL : std::sqrt(sum));
      }
      std::sort(distances.begin(), distances.end());
      expected.push_back(distances[static_cast<std::size_t>(k - 1)]);
    }
    check_close<T>(with_threads(expected.size(),
                                [&](const fastdiv::Options& options, double* out) {
                                  return fastdiv::kth_distances<T>(at, x, k, exclude_self, out,
                                                                   options);
                                }),
                   expected, expected, "kth_distances");
  }
}

template <class T>
void everything() {
  for_each_size<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_ranked<T>(x, y);
    compare_neighbours<T>(x, y);
    compare_neighbours<T>(x, x);
    if (x.rows > 1) {
      compare_median<T>(x);
    }
  });
  for_large_samples<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_median<T>(x);
    compare_neighbours<T>(x, y);
  });
  compare_median<T>(Sample<T>(400, 2, 17).view);  // too many pairs to be copied
  for_tight_clusters<T>([](const MatrixView<T>& x, const MatrixView<T>& y) {
    compare_median<T>(x);
    compare_neighbours<T>(x, y);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
