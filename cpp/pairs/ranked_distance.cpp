#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "core/thread_sums.hpp"
#include "fastdiv/distances.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/walk_tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

constexpr std::size_t digits = 1 << 16;  // values of a 16-bit digit
// Pairs up to which values are copied. Counting the digits of so few takes longer.
constexpr double few_pairs = digits;

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// Finds the tile values of rank `rank` (from 0) and, with `next`, of rank + 1. It selects by 16-bit
// digits of their bits, in one pass over all pairs per digit.
template <class T>
class Selection {
 public:
  Selection(Workers& workers, const ReadyGroup<T>& ready, const TileList& tiles)
      : workers_(workers), ready_(ready), tiles_(tiles) {}

  bool find(std::uint64_t rank, T* value, T* next) {
    std::uint64_t prefix = 0;
    std::uint64_t remaining = rank;
    std::size_t digit = 0;
    if (!counts_) {
      counts_.emplace(workers_.threads(), digits);
    }
    for (int pass = passes - 1; pass >= 0; --pass) {
      if (!count(16 * pass, prefix)) {
        return false;
      }
      for (digit = 0; remaining >= total_[digit]; ++digit) {
        remaining -= total_[digit];
      }
      prefix = prefix << 16 | digit;
    }
    *value = from_bits<T>(prefix);
    if (next == nullptr) {
      return true;
    }
    // Mostly the next value differs from this one at most in the last digit.
    if (remaining + 1 < total_[digit]) {
      *next = *value;
      return true;
    }
    const auto other = std::find_if(total_.begin() + static_cast<ptrdiff_t>(digit) + 1,
                                    total_.end(), [](std::uint64_t n) { return n > 0; });
    if (other == total_.end()) {
      return find(rank + 1, next, nullptr);
    }
    *next = from_bits<T>((prefix >> 16 << 16) + static_cast<std::uint64_t>(other - total_.begin()));
    return true;
  }

  // Like find, but selects from a copy of all values. That is faster while they are fewer than the
  // digits.
  bool find_among_few(std::uint64_t rank, T* value, T* next) {
    std::vector<std::vector<T>> copies(static_cast<std::size_t>(workers_.threads()));
    const auto reduce = [&](const Tile<T>& tile) {
      std::vector<T>& copy = copies[static_cast<std::size_t>(tile.thread)];
      for (int i = 0; i < tile.extent.rows; ++i) {
        const T* row = tile.values + i * tile_cols;
        copy.insert(copy.end(), row + std::max(0, tile.extent.diagonal + i + 1),
                    row + tile.extent.cols);
      }
    };
    if (!walk_tiles<T>(workers_, ready_, tiles_, {}, reduce)) {
      return false;
    }
    std::vector<T>& values = copies[0];
    for (std::size_t t = 1; t < copies.size(); ++t) {
      values.insert(values.end(), copies[t].begin(), copies[t].end());
    }
    const auto at = values.begin() + static_cast<ptrdiff_t>(rank);
    std::nth_element(values.begin(), at, values.end());
    *value = *at;
    if (next != nullptr) {
      *next = *std::min_element(at + 1, values.end());
    }
    return true;
  }

 private:
  static constexpr int passes = sizeof(T) / 2;

  // Sets total_[digit] to the number of values that have `prefix` above bit `shift` + 16 and
  // `digit` above bit `shift`.
  bool count(int shift, std::uint64_t prefix) {
    const auto reduce = [&](const Tile<T>& tile) {
      isa().ops<T>().count_digits(tile.values, tile.extent, shift, prefix,
                                  counts_->of(tile.thread));
    };
    return walk_tiles<T>(workers_, ready_, tiles_, {0, 1.0 / passes, 0}, reduce) &&
           counts_->move_to(workers_, total_);
  }

  Workers& workers_;
  const ReadyGroup<T>& ready_;
  const TileList& tiles_;
  std::optional<ThreadSums<std::uint64_t>> counts_;  // 512 KiB per thread
  std::vector<std::uint64_t> total_;
};

// Finds the distances of rank `rank` and, unless `next` is null, of rank + 1.
template <class T>
bool select(const std::vector<MatrixView<T>>& samples, Base metric, std::uint64_t rank,
            double* value, double* next, const Options& options) {
  const MatrixView<T>& x = samples.front();
  const MatrixView<T>& y = samples.back();
  const int col_sample = static_cast<int>(samples.size()) - 1;
  const Block block{0, x.rows, col_sample, y.rows, col_sample == 0};
  check<T>(samples, {}, 0);
  if (metric == Base::dot || !(static_cast<double>(rank) < block.pairs())) {
    throw std::invalid_argument("a ranked distance needs a metric and a pair of that rank");
  }
  Workers workers(options, block.pairs() * static_cast<double>(x.cols + 20));
  KernelGroup group;
  group.base = metric;
  const ReadyGroup<T> ready(workers, samples, group, Formula::automatic, Purpose::distances);
  const TileList tiles({block}, ready.pair_work(), ready.row_bytes());
  T low{};
  T high{};
  Selection<T> selection(workers, ready, tiles);
  T* above = next == nullptr ? nullptr : &high;
  if (!(block.pairs() <= few_pairs ? selection.find_among_few(rank, &low, above)
                                   : selection.find(rank, &low, above))) {
    return false;
  }
  if (may_underflow<T>(static_cast<double>(low))) {
    return again_in_double(workers, samples, [&](const std::vector<MatrixView<double>>& wide) {
      return select(wide, metric, rank, value, next, options);
    });
  }
  *value = ready.distance(static_cast<double>(low));
  if (next != nullptr) {
    *next = ready.distance(static_cast<double>(high));
  }
  return true;
}

}  // namespace

template <class T>
bool ranked_distance(MatrixView<T> x, const MatrixView<T>* y, Base metric, std::uint64_t rank,
                     double* out, const Options& options) {
  std::vector<MatrixView<T>> samples{x};
  if (y != nullptr) {
    samples.push_back(*y);
  }
  return select(samples, metric, rank, out, nullptr, options);
}

template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options) {
  if (x.rows < 2) {
    throw std::invalid_argument("median_distance needs two rows");
  }
  const auto pairs =
      static_cast<std::uint64_t>(x.rows) * static_cast<std::uint64_t>(x.rows - 1) / 2;
  double low = 0;
  double high = 0;
  const bool even = pairs % 2 == 0;
  if (!select<T>({x}, metric, (pairs - 1) / 2, &low, even ? &high : nullptr, options)) {
    return false;
  }
  *out = even ? 0.5 * (low + high) : low;
  return true;
}

#define FASTDIV_INSTANTIATE(T)                                                                     \
  template bool ranked_distance(MatrixView<T>, const MatrixView<T>*, Base, std::uint64_t, double*, \
                                const Options&);                                                   \
  template bool median_distance(MatrixView<T>, Base, double*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
