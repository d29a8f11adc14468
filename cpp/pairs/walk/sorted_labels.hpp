#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "isa/tile_ops.hpp"

namespace fastdiv {

// The rows of a sample in the order of their labels: the first sizes[0] have label 0 and so on.
class SortedLabels {
 public:
  SortedLabels(const std::vector<std::ptrdiff_t>& sizes, std::ptrdiff_t rows) {
    for (const std::ptrdiff_t size : sizes) {
      if (size < 0 || size > rows - starts_.back()) {
        break;
      }
      starts_.push_back(starts_.back() + size);
    }
    if (count() != static_cast<std::ptrdiff_t>(sizes.size()) || starts_.back() != rows) {
      throw std::invalid_argument("the sizes of the labels must be >= 0 and add up to the rows");
    }
  }

  std::ptrdiff_t count() const { return static_cast<std::ptrdiff_t>(starts_.size()) - 1; }

  // Calls visit(label, begin, end) for each label among rows [first, first + n), counted from
  // `first`.
  template <class Visit>
  void for_each_run(std::ptrdiff_t first, int n, const Visit& visit) const {
    auto next = std::upper_bound(starts_.begin(), starts_.end(), first);
    for (int begin = 0; begin < n; ++next) {
      const int end = static_cast<int>(std::min<std::ptrdiff_t>(*next - first, n));
      if (end > begin) {
        visit(next - starts_.begin() - 1, begin, end);
      }
      begin = end;
    }
  }

  // Calls visit(row_label, r, col_label, c, extent) for each rectangle of one label by one label.
  // The tile starts at (row, col). r and c are the first row and column of the rectangle within it.
  template <class Visit>
  void for_each_rectangle(std::ptrdiff_t row, std::ptrdiff_t col, Extent e,
                          const Visit& visit) const {
    for_each_run(row, e.rows, [&](std::ptrdiff_t row_label, int r, int end_r) {
      for_each_run(col, e.cols, [&](std::ptrdiff_t col_label, int c, int end_c) {
        const int diagonal = e.diagonal == no_diagonal ? no_diagonal : e.diagonal + r - c;
        visit(row_label, r, col_label, c, Extent{end_r - r, end_c - c, diagonal});
      });
    });
  }

 private:
  std::vector<std::ptrdiff_t> starts_{0};  // first row of each label, and the end
};

}  // namespace fastdiv
