#include <algorithm>
#include <chrono>
#include <cmath>

#include "fastdiv/machine.hpp"
#include "isa/isa.hpp"
#include "pairs/walk/ready_group.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

template <class T>
Peaks measure_peaks(int n_threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  const TileOps<T>& ops = isa().ops<T>();
  Options options;
  options.n_threads = n_threads;
  Workers workers(options, HUGE_VAL);
  const int threads = workers.threads();
  const auto rate = [&](auto&& burst) {
    std::vector<double> work_done(static_cast<std::size_t>(threads) * 8);  // a cache line each
    const auto begin = Clock::now();
    workers.for_each(threads, 0, [&](std::int64_t, int thread) {
      do {
        work_done[static_cast<std::size_t>(thread) * 8] += burst(thread);
      } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds / 2);
    });
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    double total = 0;
    for (const double work : work_done) {
      total += work;
    }
    return total / elapsed;
  };
  const auto memory = buffers<T>(threads, tile_size);
  for (const Buffer<T>& tile : memory) {
    std::fill(tile.data(), tile.data() + tile_size, T{1} / 2);
  }
  const ReadyTerm<T> rbf = make_ready<T>({"rbf", {1.0}, 1, 0}, 1, 1);
  Peaks peaks{};
  peaks.flops = rate([&](int thread) {
    return ops.fma_burst(200000, memory[static_cast<std::size_t>(thread)].data());
  });
  for (const Buffer<T>& tile : memory) {
    std::fill(tile.data(), tile.data() + tile_size, T{1} / 2);
  }
  peaks.maps = rate([&](int thread) {
    T* tile = memory[static_cast<std::size_t>(thread)].data();
    for (int repeat = 0; repeat < 20; ++repeat) {
      rbf.ops->map(rbf.constants, tile, tile, tile_rows, tile_cols, T{1}, false);
    }
    return 20.0 * tile_size;
  });
  return peaks;
}

template Peaks measure_peaks<float>(int, double);
template Peaks measure_peaks<double>(int, double);

}  // namespace fastdiv
