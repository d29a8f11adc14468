// Tests stacks of samples against each item alone.

#include <algorithm>
#include <cstring>
#include <vector>

#include "samples.hpp"

namespace {

// Tests that items of a stack are computed as if they were alone, small ones several at once.
template <class T>
void stacks() {
  constexpr ptrdiff_t items = 7, n = 30, m = 50, dim = 9;
  const Sample<T> x(items * n, dim, 15), y(items * m, dim, 16);
  std::vector<double> weights(static_cast<std::size_t>(items * m), 0.5), counts, scales;
  for (ptrdiff_t item = 0; item < items; ++item) {
    counts.insert(counts.end(), {1.0, 2.0, 1.0 / (1.0 + static_cast<double>(item))});
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
    // The output holds the sums, those at the rows of x, and the gradients.
    std::vector<T> x_gradient(values * dim), y_gradient(values * dim);
    std::vector<double> y_sums(2 * values), mmd2(items);
    const auto size = static_cast<std::size_t>(count);
    double* x_sums = out + 3 * size;
    const MatrixView<T> a{rows(x, first, n).data, count * n, dim, dim, 1};
    const MatrixView<T> b{rows(y, first, m).data, count * m, dim, dim, 1};
    const fastdiv::WeightedSample<T> u{a, weights.data() + first * n, x_sums, x_sums + size * n,
                                       x_gradient.data()};
    const fastdiv::WeightedSample<T> v{b, weights.data() + first * m, y_sums.data(),
                                       y_sums.data() + values, y_gradient.data()};
    const bool finished =
        fastdiv::weighted_sums<T>(count, u, v, counts.data() + 3 * first, scales.data() + first,
                                  groups, 1, out, mmd2.data(), options);
    double* gradients = x_sums + 2 * size * n;
    std::copy_n(x_gradient.data(), size * n * dim, gradients);
    std::copy_n(y_gradient.data(), size * m * dim, gradients + size * n * dim);
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

  // An exception for one item has to leave the parallel loop.
  double out[3];
  check(
      refused([&] { fastdiv::median_distances<T>(x.view, {1, 2, items * n - 3}, Base::l1, out); }),
      "an item of one row");
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { stacks<decltype(zero)>(); }); });
}
