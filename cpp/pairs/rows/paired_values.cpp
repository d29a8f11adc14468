#include "pairs/rows/paired_values.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "pairs/walk/ready_group.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
double tile_value(const KernelGroup& group, const MatrixView<T>& x, const MatrixView<T>& y,
                  ptrdiff_t i, double length) {
  double value = 0;
  double chain = 0;
  for (ptrdiff_t k = 0; k < x.cols; ++k) {
    const double weight = group.scale.empty() ? 1 : group.scale[static_cast<std::size_t>(k)];
    const double a = static_cast<double>(x(i, k));
    const double b = static_cast<double>(y(i, k));
    const double difference = (a - b) * weight / length;
    const double o = group.origin.empty() ? 0 : group.origin[static_cast<std::size_t>(k)];
    chain += group.base == Base::dot  ? (a - o) * weight / length * ((b - o) * weight / length)
             : group.base == Base::l1 ? std::abs(difference)
                                      : 0.5 * difference * difference;
    if ((k + 1) % feature_block == 0) {
      value += chain;
      chain = 0;
    }
  }
  return value + chain;
}

template <class T>
bool paired_values(Workers& workers, const MatrixView<T>& x, const MatrixView<T>& y,
                   const std::vector<KernelGroup>& groups, int n_outputs, double share,
                   double* out) {
  const ptrdiff_t n = x.rows;
  std::fill(out, out + n_outputs * n, 0.0);
  std::vector<double> values(static_cast<std::size_t>(n));
  // Calls visit(begin, end) on parts of the rows, each as long as a row of a tile.
  const auto for_each_part = [&](double part_share, const auto& visit) {
    return workers.for_each((n + tile_cols - 1) / tile_cols, part_share,
                            [&](std::int64_t part, int) {
                              visit(part * tile_cols, std::min(n, (part + 1) * tile_cols));
                            });
  };
  const double group_share = share / static_cast<double>(groups.size());
  for (const KernelGroup& group : groups) {
    const Frame frame = make_frame<T>(workers, {x, y}, group);
    const double length = 1 / frame.scale;
    for_each_part(group_share, [&](ptrdiff_t begin, ptrdiff_t end) {
      for (ptrdiff_t i = begin; i < end; ++i) {
        values[static_cast<std::size_t>(i)] = tile_value(group, x, y, i, length);
      }
    });
    if (workers.stopped()) {
      return false;
    }
    // A dot product needs no unit: single values may be as small as double can hold.
    double bound = group.base == Base::dot ? HUGE_VAL : 0;
    for (const double value : values) {
      bound = std::max(bound, std::abs(value));
    }
    for (const Term& term : group.terms) {
      const ReadyTerm<double> ready = make_ready<double>(term, length, bound);
      double* to = out + term.output * n;
      for_each_part(0, [&](ptrdiff_t begin, ptrdiff_t end) {
        double tile[tile_cols] = {};
        std::copy(values.data() + begin, values.data() + end, tile);
        ready.ops->map(ready.constants, tile, tile, 1, static_cast<int>(end - begin), ready.weight,
                       false);
        std::transform(to + begin, to + end, tile, to + begin, std::plus<>());
      });
    }
  }
  return !workers.stopped();
}

template <class T>
bool paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<KernelGroup>& groups,
                   int n_outputs, double* out, const Options& options) {
  check<T>({x, y}, groups, n_outputs);
  if (x.rows != y.rows) {
    throw std::invalid_argument("paired samples need the same number of rows");
  }
  Workers workers(options, total_work(groups, x.cols, static_cast<double>(x.rows)));
  return paired_values(workers, x, y, groups, n_outputs, 1, out);
}

#define FASTDIV_INSTANTIATE(T)                                                                    \
  template double tile_value(const KernelGroup&, const MatrixView<T>&, const MatrixView<T>&,      \
                             ptrdiff_t, double);                                                  \
  template bool paired_values(Workers&, const MatrixView<T>&, const MatrixView<T>&,               \
                              const std::vector<KernelGroup>&, int, double, double*);             \
  template bool paired_values(MatrixView<T>, MatrixView<T>, const std::vector<KernelGroup>&, int, \
                              double*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
