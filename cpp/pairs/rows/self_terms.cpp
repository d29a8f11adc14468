#include "pairs/rows/self_terms.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/pairwise_sum.hpp"
#include "pairs/rows/paired_values.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Returns quantised rows as values of double, in which they are exact.
template <class T>
MatrixView<double> exact_view(const MatrixView<T>& x) {
  return {nullptr, x.rows, x.cols, x.row_stride, x.col_stride, x.quantized};
}

template <class T>
std::vector<double> self_values(Workers& workers, const MatrixView<T>& x,
                                const std::vector<KernelGroup>& groups, int n_outputs) {
  std::vector<double> values(static_cast<std::size_t>(n_outputs * x.rows));
  if (x.quantized != nullptr) {
    const MatrixView<double> exact = exact_view(x);
    paired_values(workers, exact, exact, groups, n_outputs, 0, values.data());
  } else {
    paired_values(workers, x, x, groups, n_outputs, 0, values.data());
  }
  return values;
}

// Returns the sum of the values from the smallest to the largest, blind to their order.
double ordered_sum(std::vector<double> values) {
  // NaN has no order, and makes a sum of NaN in any.
  if (std::all_of(values.begin(), values.end(), [](double v) { return !std::isnan(v); })) {
    std::sort(values.begin(), values.end());
  }
  return pairwise_sum(std::move(values));
}

// Fills a tile whose first row is the slopes of a term at n base values.
void fill_slopes(const ReadyTerm<double>& term, const double* values, int n, double* slopes) {
  double ones[tile_cols];
  std::fill(ones, ones + tile_cols, 1.0);
  double sum = 0;
  Weighing<double> w{};
  w.row_weights = ones;
  w.col_weights = ones;
  w.row_sums = &sum;
  w.slopes = slopes;
  w.slope_weight = term.weight;
  w.first = true;
  term.ops->weigh(term.constants, values, {1, n, no_diagonal}, w);
}

// Adds factor * (x_i - o) to the gradient at row i, for scaled features.
template <class T>
void add_gradient(const KernelGroup& group, const MatrixView<T>& x, ptrdiff_t i, double factor,
                  T* gradient) {
  for (ptrdiff_t k = 0; k < x.cols; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const double scale = group.scale.empty() ? 1 : group.scale[at];
    const double origin = group.origin.empty() ? 0 : group.origin[at];
    gradient[k] += static_cast<T>(factor * (static_cast<double>(x(i, k)) - origin) * scale * scale);
  }
}

}  // namespace

template <class T>
bool add_self_terms(Workers& workers, const MatrixView<T>& x, const double* weights,
                    const std::vector<KernelGroup>& groups, int n_outputs, double* sums,
                    double* within) {
  const std::vector<double> values = self_values(workers, x, groups, n_outputs);
  if (workers.stopped()) {
    return false;
  }
  for (int o = 0; o < n_outputs; ++o) {
    std::vector<double> terms(values.begin() + o * x.rows, values.begin() + (o + 1) * x.rows);
    if (weights != nullptr) {
      for (ptrdiff_t i = 0; i < x.rows; ++i) {
        double& term = terms[static_cast<std::size_t>(i)];
        term *= weights[i];
        if (within != nullptr) {
          within[o * x.rows + i] += term;
        }
        term *= weights[i];
      }
    }
    sums[3 * o] += ordered_sum(std::move(terms));
  }
  return true;
}

template <class T>
bool add_labelled_self_terms(Workers& workers, const MatrixView<T>& z, const std::uint8_t* labels,
                             std::int64_t n_labellings, const std::vector<KernelGroup>& groups,
                             int n_outputs, double* out) {
  const std::vector<double> values = self_values(workers, z, groups, n_outputs);
  const auto memory = buffers<double>(workers.threads(), static_cast<std::size_t>(z.rows));
  std::vector<ptrdiff_t> order(static_cast<std::size_t>(z.rows));
  std::iota(order.begin(), order.end(), 0);
  for (int o = 0; o < n_outputs && !workers.stopped(); ++o) {
    const double* of_rows = values.data() + o * z.rows;
    if (std::all_of(of_rows, of_rows + z.rows, [](double v) { return !std::isnan(v); })) {
      std::sort(order.begin(), order.end(),
                [&](ptrdiff_t i, ptrdiff_t j) { return of_rows[i] < of_rows[j]; });
    }
    const auto add_sums = [&](std::int64_t b, int thread) {
      double* some = memory[static_cast<std::size_t>(thread)].data();
      const std::uint8_t* label = labels + b * z.rows;
      for (int block = 0; block < 2; ++block) {
        std::size_t n = 0;
        for (const ptrdiff_t i : order) {
          some[n] = of_rows[i];
          n += (label[i] == 0) == (block == 1) ? 1 : 0;
        }
        out[3 * (o * n_labellings + b) + block] += pairwise_sum(some, n);
      }
    };
    workers.for_each(n_labellings, 0, add_sums,
                     4 * static_cast<double>(z.rows) * static_cast<double>(n_labellings));
  }
  return !workers.stopped();
}

template <class T>
bool add_self_gradients(Workers& workers, const WeightedSample<T>& x, double factor,
                        const std::vector<KernelGroup>& groups) {
  if (x.gradient == nullptr) {
    return true;
  }
  const ptrdiff_t n = x.rows.rows;
  for (const KernelGroup& group : groups) {
    if (group.base != Base::dot) {
      continue;
    }
    std::vector<ReadyTerm<double>> terms;
    for (const Term& term : group.terms) {
      terms.push_back(make_ready<double>(term, 1, HUGE_VAL));
    }
    const auto memory = buffers<double>(workers.threads(), tile_size);
    const auto add_part = [&](std::int64_t part, int thread) {
      double* slopes = memory[static_cast<std::size_t>(thread)].data();
      const ptrdiff_t first = part * tile_cols;
      const int rows = static_cast<int>(std::min<ptrdiff_t>(tile_cols, n - first));
      double values[tile_cols] = {};
      for (int i = 0; i < rows; ++i) {
        values[i] = tile_value(group, x.rows, x.rows, first + i, 1);
      }
      for (std::size_t t = 0; t < terms.size(); ++t) {
        fill_slopes(terms[t], values, rows, slopes);
        for (int i = 0; i < rows; ++i) {
          const ptrdiff_t row = first + i;
          const double w = x.weights[row];
          add_gradient(group, x.rows, row, 2 * factor * (w * w * slopes[i]),
                       x.gradient + (terms[t].output * n + row) * x.rows.cols);
        }
      }
    };
    if (!workers.for_each((n + tile_cols - 1) / tile_cols, 0, add_part)) {
      return false;
    }
  }
  return true;
}

#define FASTDIV_INSTANTIATE(T)                                                               \
  template bool add_self_terms(Workers&, const MatrixView<T>&, const double*,                \
                               const std::vector<KernelGroup>&, int, double*, double*);      \
  template bool add_labelled_self_terms(Workers&, const MatrixView<T>&, const std::uint8_t*, \
                                        std::int64_t, const std::vector<KernelGroup>&, int,  \
                                        double*);                                            \
  template bool add_self_gradients(Workers&, const WeightedSample<T>&, double,               \
                                   const std::vector<KernelGroup>&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
