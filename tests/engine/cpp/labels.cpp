// Tests sums and extremes by label against loops over single pairs.

#include <algorithm>
#include <limits>
#include <vector>

#include "samples.hpp"

namespace {

template <class T>
void compare_label_sums(const MatrixView<T>& x, const std::vector<KernelGroup>& groups,
                        int n_outputs) {
  std::vector<KernelGroup> distance_groups;
  std::vector<bool> counted(static_cast<std::size_t>(n_outputs));
  for (const KernelGroup& group : groups) {
    if (group.base != Base::dot) {
      distance_groups.push_back(group);
      for (const auto& term : group.terms) {
        counted[static_cast<std::size_t>(term.output)] = true;
      }
    }
  }
  const Matrix<T> values(x, x, distance_groups, n_outputs);
  const std::vector<ptrdiff_t> sizes{x.rows / 3, 0, x.rows - x.rows / 3};
  std::vector<double> expected, bound;
  for (int o = 0; o < n_outputs; ++o) {
    for (ptrdiff_t label = 0; label < 3; ++label) {
      for (ptrdiff_t i = 0; i < x.rows; ++i) {
        const auto counts = [&](ptrdiff_t, ptrdiff_t j) {
          return counted[static_cast<std::size_t>(o)] && i != j && (j < sizes[0] ? 0 : 2) == label;
        };
        expected.push_back(values.sum(o, false, i, i + 1, counts));
        bound.push_back(values.sum(o, true, i, i + 1, counts));
      }
    }
  }
  check_close<T>(with_threads(expected.size(),
                              [&](const fastdiv::Options& options, double* out) {
                                return fastdiv::label_sums<T>(x, nullptr, sizes, distance_groups,
                                                              n_outputs, out, options);
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
                                  fastdiv::LabelExtremes extremes{};
                                  const bool finished = fastdiv::label_extremes<T>(
                                      x, metric, sizes, &extremes, options);
                                  out[0] = extremes.within;
                                  out[1] = extremes.between;
                                  return finished;
                                }),
                   {within, between}, {within, between}, "label_extremes");
  }
}

template <class T>
void everything() {
  for_each_size<T>([](const MatrixView<T>& x, const MatrixView<T>&) {
    for (const bool scaled : {false, true}) {
      compare_label_sums(x, all_kernels(x.cols, scaled), n_kernels());
    }
    if (x.rows > 2) {
      compare_label_extremes<T>(x);
    }
  });
  for_large_samples<T>([](const MatrixView<T>& x, const MatrixView<T>&) {
    compare_label_sums(x, all_kernels(x.cols, false), n_kernels());
    compare_label_extremes<T>(x);
  });
  for_tight_clusters<T>([](const MatrixView<T>& x, const MatrixView<T>&) {
    compare_label_sums(x, one_kernel("energy", Base::sqdist, {1.0}), 1);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
