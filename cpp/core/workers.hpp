#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>

#include "core/buffer.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Threads and stop hook of one engine call.
class Workers {
 public:
  // Chooses the number of threads by `work`, in multiply-adds. A small call gets one.
  Workers(const Options& options, double work);

  int threads() const { return threads_; }
  bool stopped() const { return stopped_; }

  // Calls work(unit, thread) for units [0, n), handed out in order. `work` must not throw. `share`
  // is the part of the whole call that this loop makes up, for progress. `cost` is its number of
  // multiply-adds, for loops that may be too small for a parallel region or a look at the clock.
  // Returns false when the hook stopped the call.
  template <class Work>
  bool for_each(std::int64_t n, double share, const Work& work, double cost = HUGE_VAL) {
    return run(n, share, std::cref(work), cost);  // by reference, which needs no memory
  }
  // Ends a part of the call that ran on its own.
  bool finish_part(double share) { return run(0, share, nullptr, 0); }

  // Sets values to 0. The first touch of large results takes longer than the patience of the hook.
  template <class T>
  bool clear(T* values, std::int64_t n) {
    constexpr std::int64_t step = std::int64_t{1} << 18;
    return for_each((n + step - 1) / step, 0,
                    [&](std::int64_t unit, int) {
                      std::fill(values + unit * step, values + std::min(n, (unit + 1) * step),
                                T{0});
                    },
                    static_cast<double>(n));
  }
  template <class T>
  bool clear(const Buffer<T>& values) {
    return clear(values.data(), static_cast<std::int64_t>(values.size()));
  }

 private:
  using Clock = std::chrono::steady_clock;
  using UnitWork = std::function<void(std::int64_t unit, int thread)>;
  bool run(std::int64_t n, double share, const UnitWork& work, double cost);
  void call_hook(double done);

  const Options& options_;
  int threads_;
  bool stopped_ = false;
  double done_ = 0;
  Clock::time_point deadline_;  // of the next call of the hook
};

}  // namespace fastdiv
