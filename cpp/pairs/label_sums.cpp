#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "fastdiv/labels.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/rounds.hpp"
#include "pairs/walk/sorted_labels.hpp"
#include "pairs/walk/tiles.hpp"

// Sums by label. The rows come in the order of their labels, so that a tile falls into rectangles
// of one label by one label, most of them whole tiles. A rectangle adds to the sums of its rows
// over the label of its columns, and to those of its columns over the label of its rows: every pair
// is looked at once. Rounds of parts keep the order of all additions, as in weighted_sums.cpp.

namespace fastdiv {

using std::ptrdiff_t;

namespace {

template <class T>
class LabelledGroup {
 public:
  LabelledGroup(Workers& workers, const MatrixView<T>& x, const SortedLabels& labels,
                const std::vector<T>& weights, const KernelGroup& group, double* out)
      : ready_(workers, {x}, group), labels_(labels), weights_(weights), rows_(x.rows), out_(out) {
    part_rows_ = part_rows(rows_, x.cols, group.terms.size());
    n_parts_ = static_cast<int>((rows_ + part_rows_ - 1) / part_rows_);
  }

  bool run(Workers& workers, double share) const {
    // Rectangles are read in whole vectors, which may end beyond a tile.
    const auto memory = buffers<T>(workers.threads(), tile_size + tile_cols);
    return run_rounds(workers, n_parts_, share, [&](int a, int b, int thread) {
      add_parts(a, b, memory[static_cast<std::size_t>(thread)].data());
    });
  }

 private:
  ptrdiff_t begin_of(int part) const { return part * part_rows_; }
  ptrdiff_t end_of(int part) const { return std::min(rows_, begin_of(part) + part_rows_); }

  // All pairs of the rows of parts a <= b.
  void add_parts(int a, int b, T* tile) const {
    bool direct_hint = false;
    for (ptrdiff_t row = begin_of(a); row < end_of(a); row += tile_rows) {
      const int rows = static_cast<int>(std::min<ptrdiff_t>(tile_rows, end_of(a) - row));
      for_each_tile(row, rows, begin_of(b), end_of(b), a == b, [&](ptrdiff_t col, Extent e) {
        ready_.fill(0, row, 0, col, e, tile, direct_hint);
        labels_.for_each_rectangle(
            row, col, e, [&](ptrdiff_t row_label, int r, ptrdiff_t col_label, int c, Extent part) {
              add(row + r, row_label, col + c, col_label, part, tile + r * tile_cols + c);
            });
      });
    }
  }

  void add(ptrdiff_t row, ptrdiff_t row_label, ptrdiff_t col, ptrdiff_t col_label, Extent e,
           const T* tile) const {
    for (const ReadyTerm<T>& term : ready_.terms()) {
      const ptrdiff_t output = term.output * labels_.count();
      Weighing<T> w{};
      w.row_weights = weights_.data() + row;
      w.col_weights = weights_.data() + col;
      w.weight = term.weight;
      w.row_sums = out_ + (output + col_label) * rows_ + row;
      w.col_sums = out_ + (output + row_label) * rows_ + col;
      term.ops->weigh(term.constants, tile, e, w);
    }
  }

  ReadyGroup<T> ready_;
  const SortedLabels& labels_;
  const std::vector<T>& weights_;
  ptrdiff_t rows_;
  double* out_;
  ptrdiff_t part_rows_ = 0;
  int n_parts_ = 0;
};

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
  std::fill(out, out + n_outputs * labels.count() * x.rows, 0.0);
  const std::vector<T> row_weights =
      weights == nullptr ? std::vector<T>(static_cast<std::size_t>(x.rows + tile_cols), T{1})
                         : padded<T>(weights, x.rows);
  const double n = static_cast<double>(x.rows);
  Workers workers(options, total_work(groups, x.cols, n * n / 2));
  const double share = 1.0 / static_cast<double>(groups.size());
  return std::all_of(groups.begin(), groups.end(), [&](const KernelGroup& group) {
    return LabelledGroup<T>(workers, x, labels, row_weights, group, out).run(workers, share);
  });
}

#define FASTDIV_INSTANTIATE(T)                                                          \
  template bool label_sums(MatrixView<T>, const double*, const std::vector<ptrdiff_t>&, \
                           const std::vector<KernelGroup>&, int, double*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
