#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>

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
  // multiply-adds, for loops that may be too small for a parallel region. Returns false when the
  // hook stopped the call.
  bool for_each(std::int64_t n, double share,
                const std::function<void(std::int64_t unit, int thread)>& work,
                double cost = HUGE_VAL);

 private:
  using Clock = std::chrono::steady_clock;
  void call_hook(double done);

  const Options& options_;
  int threads_;
  bool stopped_ = false;
  double done_ = 0;
  Clock::time_point deadline_;  // of the next call of the hook
};

}  // namespace fastdiv
