#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "fastdiv/labels.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/sorted_labels.hpp"
#include "pairs/walk/walk_rounds.hpp"
#include "pairs/walk/walk_tiles.hpp"

// Sums by label. Rows come in the order of their labels, so a tile falls into rectangles of one
// label by one label. Most rectangles are whole tiles. A rectangle adds to sums of its rows over
// one label, and to sums of its columns over the other. Every pair is therefore computed once.
// Rounds of parts keep the order of all additions, as in weighted_sums.cpp.

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// Adds a group's part to the result of label_sums.
template <class T>
bool add_label_sums(Workers& workers, const MatrixView<T>& x, const SortedLabels& labels,
                    const std::vector<T>& weights, const KernelGroup& group, double share,
                    double* out) {
  const ReadyGroup<T> ready(workers, {x}, group);
  // Adds the pairs of one label by one label. `part` is their extent in the tile.
  const auto add_rectangle = [&](ptrdiff_t row, ptrdiff_t row_label, ptrdiff_t col,
                                 ptrdiff_t col_label, Extent part, const T* values) {
    for (const ReadyTerm<T>& term : ready.terms()) {
      const ptrdiff_t output = term.output * labels.count();
      Weighing<T> w{};
      w.row_weights = weights.data() + row;
      w.col_weights = weights.data() + col;
      w.weight = term.weight;
      w.row_sums = out + (output + col_label) * x.rows + row;
      w.col_sums = out + (output + row_label) * x.rows + col;
      term.ops->weigh(term.constants, values, part, w);
    }
  };
  const auto reduce = [&](const PartTile<T>& tile, int) {
    labels.for_each_rectangle(
        tile.row, tile.col, tile.extent,
        [&](ptrdiff_t row_label, int r, ptrdiff_t col_label, int c, Extent part) {
          add_rectangle(tile.row + r, row_label, tile.col + c, col_label, part,
                        tile.values + r * tile_cols + c);
        });
  };
  const auto parts = cut_into_parts<T>({x}, part_rows(x.rows, x.cols, group.terms.size(), false));
  // Rectangles are read in whole vectors, which may end beyond a tile.
  return walk_rounds(workers, ready, parts, share, tile_cols, reduce);
}

}  // namespace

template <class T>
bool label_sums(MatrixView<T> x, const double* weights, const std::vector<ptrdiff_t>& sizes,
                const std::vector<KernelGroup>& groups, int n_outputs, double* out,
                const Options& options) {
  check<T>({x}, groups, n_outputs);
  const SortedLabels labels(sizes, x.rows);
  for (const KernelGroup& group : groups) {
    if (group.base == Base::dot) {
      throw std::invalid_argument("sums by label take kernels of a distance");
    }
  }
  const std::vector<T> row_weights =
      weights == nullptr ? std::vector<T>(static_cast<std::size_t>(x.rows + tile_cols), T{1})
                         : padded<T>(weights, x.rows);
  const double n = static_cast<double>(x.rows);
  Workers workers(options, total_work(groups, x.cols, n * n / 2));
  if (!workers.clear(out, n_outputs * labels.count() * x.rows)) {
    return false;
  }
  return for_each_group(groups, [&](const KernelGroup& group, double share) {
    return add_label_sums(workers, x, labels, row_weights, group, share, out);
  });
}

#define FASTDIV_INSTANTIATE(T)                                                          \
  template bool label_sums(MatrixView<T>, const double*, const std::vector<ptrdiff_t>&, \
                           const std::vector<KernelGroup>&, int, double*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
