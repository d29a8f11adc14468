#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

// Offsets and units of the items of a batch, in C order.

namespace fastdiv {

// Returns the number of items in a batch of this shape.
inline std::ptrdiff_t count(const std::vector<std::ptrdiff_t>& shape) {
  std::ptrdiff_t n = 1;
  for (const std::ptrdiff_t extent : shape) {
    n *= extent;
  }
  return n;
}

// Returns the offset of item `index`, in elements. Ignores strides beyond those of the batch.
inline std::ptrdiff_t offset(const std::vector<std::ptrdiff_t>& shape,
                             const std::vector<std::ptrdiff_t>& strides, std::ptrdiff_t index) {
  std::ptrdiff_t at = 0;
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    at += index % shape[axis] * strides[axis];
    index /= shape[axis];
  }
  return shape.empty() ? 0 : at + index * strides[0];
}

// Returns how many items, of `item_work` multiply-adds each, make a unit of work. A unit takes
// some ten microseconds, so that many threads share ten thousand matrices of 16 x 16 evenly.
inline std::ptrdiff_t items_per_unit(double item_work) {
  constexpr double unit_work = 1e5;  // multiply-adds
  return static_cast<std::ptrdiff_t>(std::clamp(unit_work / item_work, 1.0, 4096.0));
}

}  // namespace fastdiv
