#include <cmath>
#include <cstring>
#include <stdexcept>

#include "engine.hpp"
#include "group.hpp"
#include "tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

// The value of the given rank (from 0) among all tile values, by 16-bit digits of their bits.
template <class T>
bool select(Workers& workers, const ReadyGroup<T>& ready, const TileList& tiles, std::uint64_t rank,
            double share, T* value) {
  constexpr std::size_t digits = 1 << 16;
  constexpr int passes = sizeof(T) / 2;
  const auto memory = buffers<T>(workers.threads(), tile_size);
  std::vector<std::vector<std::uint64_t>> counts(static_cast<std::size_t>(workers.threads()));
  std::uint64_t prefix = 0;
  for (int pass = passes - 1; pass >= 0; --pass) {
    for (auto& c : counts) {
      c.assign(digits, 0);
    }
    const auto work = [&](const TileList::Unit& unit, int thread, double*) {
      const auto id = static_cast<std::size_t>(thread);
      bool direct_hint = false;
      tiles.for_each_tile(unit, [&](ptrdiff_t col, Extent e) {
        ready.fill(0, unit.row, 0, col, e, memory[id].data(), direct_hint);
        isa().ops<T>().count_digits(memory[id].data(), e, 16 * pass, prefix, counts[id].data());
      });
    };
    if (!run_ordered(workers, tiles, 0, share / passes, work,
                     [](const TileList::Unit&, double*) {})) {
      return false;
    }
    for (std::size_t digit = 0;; ++digit) {
      std::uint64_t count = 0;
      for (const auto& c : counts) {
        count += c[digit];
      }
      if (rank < count) {
        prefix = prefix << 16 | digit;
        break;
      }
      rank -= count;
    }
  }
  std::memcpy(value, &prefix, sizeof(T));
  return true;
}

}  // namespace

template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options) {
  check<T>({x}, {}, 0);
  if (x.rows < 2 || metric == Base::dot) {
    throw std::invalid_argument("median_distance needs two rows and a metric");
  }
  const Block block{0, x.rows, 0, x.rows, true};
  Workers workers(options, block.pairs() * static_cast<double>(x.cols + 20));
  Group group;
  group.base = metric;
  const ReadyGroup<T> ready(workers, {x}, group, true);
  const TileList tiles({block}, ready.pair_work());
  const auto pairs = static_cast<std::uint64_t>(block.pairs());
  T low, high;
  const bool even = pairs % 2 == 0;
  if (!select(workers, ready, tiles, (pairs - 1) / 2, even ? 0.5 : 1.0, &low)) {
    return false;
  }
  high = low;
  if (even && !select(workers, ready, tiles, pairs / 2, 0.5, &high)) {
    return false;
  }
  const auto distance = [&](T value) {
    const double base = ready.unit() * static_cast<double>(value);
    return metric == Base::l1 ? base : std::sqrt(base);
  };
  *out = 0.5 * (distance(low) + distance(high));
  return true;
}

template bool median_distance(MatrixView<float>, Base, double*, const Options&);
template bool median_distance(MatrixView<double>, Base, double*, const Options&);

}  // namespace fastdiv
