#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <vector>

#include "fastdiv/distances.hpp"
#include "fastdiv/weighted_sums.hpp"
#include "pairs/walk/ready_group.hpp"

// Runs a computation on every item of a stack of samples. Each item is computed as it would be
// alone. Its bits therefore depend neither on the threads nor on the other items.

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Multiply-adds below which an item is small, a few milliseconds. Small items are computed several
// at once, on one thread each. Larger ones, or too few for the threads, are computed one after the
// other on all threads.
constexpr double small_item = 5e7;

// Calls compute(item, options) for items [0, n), each of some `work` in multiply-adds. Returns
// false if the hook stopped it.
bool for_each_item(std::int64_t n, double work, const Options& options,
                   const std::function<bool(std::int64_t item, const Options&)>& compute) {
  if (n == 1) {
    return compute(0, options);
  }
  Options item_options;
  Workers workers(options, work * static_cast<double>(n));
  if (work >= small_item || n < workers.threads()) {
    item_options.n_threads = workers.threads();
    for (std::int64_t item = 0; item < n; ++item) {
      const auto hook = [&](double done) {
        return options.hook((static_cast<double>(item) + done) / static_cast<double>(n));
      };
      if (options.hook) {
        item_options.hook = hook;
      }
      // An item may be too short to call the hook by itself.
      if (!compute(item, item_options) || (options.hook && !hook(1))) {
        return false;
      }
    }
    return true;
  }
  item_options.n_threads = 1;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  std::exception_ptr first;
  const bool finished = workers.for_each(n, 1, [&](std::int64_t item, int) {
    try {
      compute(item, item_options);
    } catch (...) {
      if (!failed.test_and_set()) {
        first = std::current_exception();
      }
    }
  });
  if (first) {
    std::rethrow_exception(first);
  }
  return finished;
}

template <class T>
MatrixView<T> slice_rows(const MatrixView<T>& x, ptrdiff_t first, ptrdiff_t rows) {
  if (x.quantized != nullptr && first > 0) {
    throw std::invalid_argument("quantised rows do not come in stacks");
  }
  MatrixView<T> part = x;
  part.data += first * x.row_stride;
  part.rows = rows;
  return part;
}

// Returns the rows of each item of a stack.
template <class T>
ptrdiff_t item_rows(const MatrixView<T>& x, std::int64_t items) {
  if (items < 1 || x.rows % items != 0) {
    throw std::invalid_argument("a stack needs equally many rows in each item");
  }
  return x.rows / items;
}

template <class T>
WeightedSample<T> slice_item(const WeightedSample<T>& x, std::int64_t items, std::int64_t item,
                             int n_outputs) {
  const ptrdiff_t rows = item_rows(x.rows, items);
  const ptrdiff_t values = item * n_outputs * rows;
  WeightedSample<T> part = x;
  part.rows = slice_rows(x.rows, item * rows, rows);
  part.weights += item * rows;
  if (x.within != nullptr) {
    part.within += values;
    part.between += values;
  }
  if (x.gradient != nullptr) {
    part.gradient += values * x.rows.cols;
  }
  return part;
}

// Returns the groups of an item: with its own origin, and for rows that are multiplied by its
// scale.
std::vector<KernelGroup> item_groups(std::vector<KernelGroup> groups, std::int64_t items,
                                     std::int64_t item, const double* scales, ptrdiff_t dim) {
  const auto d = static_cast<std::size_t>(dim);
  for (KernelGroup& group : groups) {
    if (!group.origin.empty()) {
      if (group.origin.size() != static_cast<std::size_t>(items) * d) {
        throw std::invalid_argument("a stack has one origin per item and feature, or none");
      }
      const double* first = group.origin.data() + item * dim;
      group.origin = std::vector<double>(first, first + dim);
    }
    if (scales != nullptr) {
      group.scale.resize(d, 1.0);
      for (double& feature_scale : group.scale) {
        feature_scale *= scales[item];
      }
    }
  }
  return groups;
}

double count_pairs(ptrdiff_t rows) {
  return 0.5 * static_cast<double>(rows) * static_cast<double>(rows);
}

}  // namespace

template <class T>
bool weighted_sums(std::int64_t items, const WeightedSample<T>& x, const WeightedSample<T>& y,
                   const double* counts, const double* scales,
                   const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                   double* values, const Options& options, Pairs pairs) {
  const ptrdiff_t rows = item_rows(x.rows, items) + item_rows(y.rows, items);
  const double work = total_work(groups, x.rows.cols, count_pairs(rows));
  return for_each_item(items, work, options, [&](std::int64_t item, const Options& item_options) {
    return weighted_sums(
        slice_item(x, items, item, n_outputs), slice_item(y, items, item, n_outputs),
        counts + 3 * item, item_groups(groups, items, item, scales, x.rows.cols), n_outputs,
        out + 3 * n_outputs * item, values + n_outputs * item, nullptr, item_options, pairs);
  });
}

template <class T>
bool ranked_distances(std::int64_t items, MatrixView<T> x, const MatrixView<T>* y, Base metric,
                      std::uint64_t rank, double* out, const Options& options) {
  const ptrdiff_t n = item_rows(x, items);
  const ptrdiff_t m = y == nullptr ? n : item_rows(*y, items);
  const double work = count_pairs(n + m) * static_cast<double>(x.cols + 20);
  return for_each_item(items, work, options, [&](std::int64_t item, const Options& item_options) {
    MatrixView<T> other{};
    if (y != nullptr) {
      other = slice_rows(*y, item * m, m);
    }
    return ranked_distance(slice_rows(x, item * n, n), y == nullptr ? nullptr : &other, metric,
                           rank, out + item, item_options);
  });
}

template <class T>
bool median_distances(MatrixView<T> x, const std::vector<ptrdiff_t>& sizes, Base metric,
                      double* out, const Options& options) {
  std::vector<ptrdiff_t> first{0};
  double work = 0;
  for (const ptrdiff_t size : sizes) {
    first.push_back(first.back() + size);
    work = std::max(work, count_pairs(size) * static_cast<double>(x.cols + 20));
  }
  if (first.back() != x.rows) {
    throw std::invalid_argument("the sizes of a stack must add up to its rows");
  }
  const auto items = static_cast<std::int64_t>(sizes.size());
  return for_each_item(items, work, options, [&](std::int64_t item, const Options& item_options) {
    const auto i = static_cast<std::size_t>(item);
    return median_distance(slice_rows(x, first[i], sizes[i]), metric, out + item, item_options);
  });
}

#define FASTDIV_INSTANTIATE(T)                                                                    \
  template bool weighted_sums(std::int64_t, const WeightedSample<T>&, const WeightedSample<T>&,   \
                              const double*, const double*, const std::vector<KernelGroup>&, int, \
                              double*, double*, const Options&, Pairs);                           \
  template bool ranked_distances(std::int64_t, MatrixView<T>, const MatrixView<T>*, Base,         \
                                 std::uint64_t, double*, const Options&);                         \
  template bool median_distances(MatrixView<T>, const std::vector<ptrdiff_t>&, Base, double*,     \
                                 const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
