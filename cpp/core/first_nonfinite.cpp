#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "core/workers.hpp"
#include "fastdiv/matrix_view.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Values in a unit of work.
constexpr ptrdiff_t unit_values = 1 << 16;

// Tells whether all of n values are between `least` and infinity. There are several chains and no
// early exit, so that the loop is vectorised. A value less itself is NaN unless it is finite.
template <class T>
bool all_inside(const T* values, ptrdiff_t stride, ptrdiff_t n, T least) {
  constexpr ptrdiff_t chains = 8;
  T excess[chains] = {};
  T smallest[chains];
  std::fill(smallest, smallest + chains, std::numeric_limits<T>::infinity());
  const auto look_at = [&](ptrdiff_t chain, T v) {
    excess[chain] += v - v;
    smallest[chain] = v < smallest[chain] ? v : smallest[chain];
  };
  ptrdiff_t k = 0;
  for (; stride == 1 && k + chains <= n; k += chains) {
    for (ptrdiff_t chain = 0; chain < chains; ++chain) {
      look_at(chain, values[k + chain]);
    }
  }
  for (; k < n; ++k) {
    look_at(k % chains, values[k * stride]);
  }
  return std::all_of(excess, excess + chains, [](T e) { return e == 0; }) &&
         std::all_of(smallest, smallest + chains, [least](T s) { return s > least; });
}

// Returns the first of n values that is not between `least` and infinity, or n.
template <class T>
ptrdiff_t first_outside(const T* values, ptrdiff_t stride, ptrdiff_t n, T least) {
  ptrdiff_t k = all_inside(values, stride, n, least) ? n : 0;
  while (k < n && values[k * stride] > least &&
         values[k * stride] < std::numeric_limits<T>::infinity()) {
    ++k;
  }
  return k;
}

// An axis of an array: steps in memory, and in the row-major index.
struct Axis {
  ptrdiff_t size, stride, index_step;
};

// Adds an axis, or lengthens the last one that it goes on, in memory and in the index.
void append(std::vector<Axis>& axes, const Axis& next) {
  if (!axes.empty() && next.stride == axes.back().size * axes.back().stride &&
      next.index_step == axes.back().size * axes.back().index_step) {
    axes.back().size *= next.size;
  } else {
    axes.push_back(next);
  }
}

// Returns the axes in an order that is quick in memory, with their index there. The fastest is
// first, unless it is too short for a loop of its own. `data` becomes the lowest address.
template <class T>
std::vector<Axis> in_memory(std::vector<Axis> axes, const T*& data) {
  constexpr ptrdiff_t shortest = 32;
  for (Axis& axis : axes) {
    if (axis.stride < 0) {
      data += (axis.size - 1) * axis.stride;
      axis.stride = -axis.stride;
    }
    axis.index_step = axis.stride;
  }
  std::sort(axes.begin(), axes.end(),
            [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  std::vector<Axis> merged;
  for (const Axis& axis : axes) {
    append(merged, axis);
  }
  if (merged[0].size < shortest) {
    std::iter_swap(merged.begin(),
                   std::max_element(merged.begin(), merged.end(),
                                    [](const Axis& a, const Axis& b) { return a.size < b.size; }));
  }
  return merged;
}

// Returns the index of the first value that is not between `least` and infinity, or -1. The first
// axis varies fastest.
template <class T>
std::int64_t find_outside(const T* data, const std::vector<Axis>& axes, T least,
                          const Options& options) {
  ptrdiff_t runs = 1;
  for (std::size_t a = 1; a < axes.size(); ++a) {
    runs *= axes[a].size;
  }
  // A unit is a piece of a long run, or several short runs.
  const Axis& inner = axes[0];
  const ptrdiff_t pieces = (inner.size + unit_values - 1) / unit_values;
  const ptrdiff_t runs_per_unit = std::max<ptrdiff_t>(1, unit_values / inner.size);
  const ptrdiff_t units = (runs + runs_per_unit - 1) / runs_per_unit * pieces;
  constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> first{none};
  const auto look = [&](std::int64_t unit, int) {
    const ptrdiff_t begin = unit % pieces * unit_values;
    const ptrdiff_t n = std::min(unit_values, inner.size - begin);
    const ptrdiff_t start = unit / pieces * runs_per_unit;
    for (ptrdiff_t run = start; run < std::min(runs, start + runs_per_unit); ++run) {
      ptrdiff_t at = begin * inner.stride;
      ptrdiff_t index = begin * inner.index_step;
      for (ptrdiff_t a = 1, rest = run; a < static_cast<ptrdiff_t>(axes.size()); ++a) {
        const Axis& axis = axes[static_cast<std::size_t>(a)];
        at += rest % axis.size * axis.stride;
        index += rest % axis.size * axis.index_step;
        rest /= axis.size;
      }
      std::int64_t known = first;
      if (known < index) {
        return;
      }
      const ptrdiff_t k = first_outside(data + at, inner.stride, n, least);
      const std::int64_t found = k < n ? index + k * inner.index_step : none;
      while (found < known && !first.compare_exchange_weak(known, found)) {
      }
    }
  };
  // A value that comes from memory takes as long as some multiply-adds.
  const double work = 6 * static_cast<double>(runs) * static_cast<double>(inner.size);
  Workers(options, work).for_each(units, 1, look, work);
  return first == none ? -1 : first.load();
}

}  // namespace

template <class T>
std::int64_t first_nonfinite(const T* data, const std::vector<ptrdiff_t>& shape,
                             const std::vector<ptrdiff_t>& strides, bool positive,
                             const Options& options) {
  const T least = positive ? T{0} : -std::numeric_limits<T>::infinity();
  std::vector<Axis> axes;  // from the last to the first, without those that repeat their entries
  ptrdiff_t index_step = 1;
  for (std::size_t a = shape.size(); a-- > 0; index_step *= shape[a]) {
    if (shape[a] == 0) {
      return -1;
    }
    if (shape[a] > 1 && strides[a] != 0) {
      append(axes, {shape[a], strides[a], index_step});
    }
  }
  if (axes.empty()) {
    axes.push_back({1, 1, 1});
  }
  if (axes.size() == 1 && axes[0].stride > 0) {  // in memory as in the index
    return find_outside(data, axes, least, options);
  }
  const T* lowest = data;
  const std::vector<Axis> quick = in_memory(axes, lowest);
  // Only what is outside has to be found in the order of the index.
  return find_outside(lowest, quick, least, options) < 0 ? -1
                                                         : find_outside(data, axes, least, options);
}

template std::int64_t first_nonfinite(const float*, const std::vector<ptrdiff_t>&,
                                      const std::vector<ptrdiff_t>&, bool, const Options&);
template std::int64_t first_nonfinite(const double*, const std::vector<ptrdiff_t>&,
                                      const std::vector<ptrdiff_t>&, bool, const Options&);

}  // namespace fastdiv
