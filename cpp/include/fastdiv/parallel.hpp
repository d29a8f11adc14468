#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace fastdiv {

// Called on the calling thread between slices of work, never inside a parallel region; false stops
// the call.
using Hook = std::function<bool(double done)>;  // done: fraction in [0, 1]

struct Options {
  int n_threads = 0;  // 0: set_num_threads(), else OMP_NUM_THREADS, else the OpenMP run time's own
  Hook hook = nullptr;
};

void set_num_threads(int n);
int get_num_threads();
std::string openmp_runtime();

// Notes forks from now on: OpenMP's worker threads do not survive them, so a child computes on one
// thread. The first call of the engine does it too.
void watch_forks();

// True once, in a forked child that wanted several threads.
bool take_fork_warning();

// Uninitialised memory aligned to a cache line.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t n)
      : data_(static_cast<T*>(::operator new[](n * sizeof(T), alignment))), size_(n) {}
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, alignment); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

template <class T>
std::vector<Buffer<T>> buffers(int n, std::size_t size) {
  std::vector<Buffer<T>> all;
  for (int i = 0; i < n; ++i) {
    all.emplace_back(size);
  }
  return all;
}

// Whose turn it is at each of several results, when units of work have to add to them in order: a
// unit waits for the one before, which, as units are handed out in order, has begun.
class Turns {
 public:
  explicit Turns(std::size_t n) : finished_(n) {}
  void wait(std::size_t i, std::int64_t turn) const {
    while (finished_[i].load(std::memory_order_acquire) < turn) {
      std::this_thread::yield();
    }
  }
  void finish(std::size_t i, std::int64_t turn) {
    finished_[i].store(turn + 1, std::memory_order_release);
  }

 private:
  std::vector<std::atomic<std::int64_t>> finished_;
};

// The threads and the stop hook of one call of the engine.
class Workers {
 public:
  // `work` in multiply-adds; small calls are not worth a parallel region.
  Workers(const Options& options, double work);

  int threads() const { return threads_; }
  bool stopped() const { return stopped_; }

  // work(unit, thread) for units [0, n), handed out in order; must not throw. `share` is this
  // loop's part of the whole call, for progress; `cost` its multiply-adds, if the loop may be too
  // small for a parallel region of its own. Returns false when the hook stopped the call.
  bool for_each(std::int64_t n, double share,
                const std::function<void(std::int64_t unit, int thread)>& work,
                double cost = HUGE_VAL);

 private:
  using Clock = std::chrono::steady_clock;
  void ask(double done);

  const Options& options_;
  int threads_;
  bool stopped_ = false;
  double done_ = 0;
  Clock::time_point deadline_;  // when the hook is asked again
};

}  // namespace fastdiv
