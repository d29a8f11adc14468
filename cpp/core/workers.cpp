#include "core/workers.hpp"

#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>

#include "core/team.hpp"

namespace fastdiv {
namespace {

// Multiply-adds of the smallest parallel call, about 50 microseconds. In a smaller one, waking the
// other threads costs more than it saves.
constexpr double serial_work = 1.5e6;
// Time between two calls of the hook: a quarter of the 0.2 s promised for Ctrl-C.
constexpr auto slice = std::chrono::milliseconds(50);

std::atomic<int> chosen_threads{0};
std::atomic<bool> forked{false};
std::atomic<bool> fork_warning{false};

// Starts a team of OpenMP.
void start_team(int size) {
  std::atomic<int> started{0};
#pragma omp parallel num_threads(size)
  started.fetch_add(1, std::memory_order_relaxed);
}

int threads_from_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const long n = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  return n > 0 && n < 100000 ? static_cast<int>(n) : 0;
}

}  // namespace

void watch_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
  static_cast<void>(registered);
}

void set_num_threads(int n) {
  chosen_threads = n;
}

int get_num_threads() {
  if (const int chosen = chosen_threads) {
    return chosen;
  }
  const int from_environment = threads_from_environment();
  return from_environment > 0 ? from_environment : omp_get_max_threads();
}

std::string openmp_runtime() {
  // The library that was loaded first serves the whole process. torch may bring its own.
  Dl_info info{};
  const bool resolved = dladdr(reinterpret_cast<void*>(&omp_get_max_threads), &info) != 0;
  return (resolved ? std::string(info.dli_fname) : "linked in") + ", OpenMP " +
         std::to_string(_OPENMP);
}

bool take_fork_warning() {
  if (!fork_warning) {
    return false;
  }
  static std::atomic<bool> warned{false};
  return !warned.exchange(true);
}

Workers::Workers(const Options& options, double work)
    : options_(options), threads_(1), deadline_(Clock::now() + slice) {
  watch_forks();
  if (work < serial_work) {
    return;
  }
  const int requested = options.n_threads > 0 ? options.n_threads : get_num_threads();
  if (requested > 1 && forked) {
    fork_warning = true;
    return;
  }
  // More threads than processors are kept to those that have something to do.
  const double busy = std::max<double>(omp_get_num_procs(), work / serial_work);
  threads_ = grow_team(static_cast<int>(std::min<double>(requested, busy)), start_team);
}

void Workers::call_hook(double done) {
  stopped_ = options_.hook && !options_.hook(std::min(done, 1.0));
  deadline_ = Clock::now() + slice;
}

bool Workers::run(std::int64_t n, double share, const UnitWork& work, double cost) {
  if (!stopped_ && Clock::now() >= deadline_) {
    call_hook(done_);  // after many loops shorter than a slice
  }
  const bool small = cost < serial_work;
  for (std::int64_t unit = 0; small && !stopped_ && unit < n; ++unit) {
    work(unit, 0);
  }
  std::atomic<std::int64_t> next{small ? n : 0};
  while (!stopped_) {
    const auto work_until_deadline = [&](int thread) {
      do {  // at least one unit, however long the threads take to start
        const std::int64_t unit = next.fetch_add(1, std::memory_order_relaxed);
        if (unit >= n) {
          return;
        }
        work(unit, thread);
      } while (Clock::now() < deadline_);
    };
    if (threads_ == 1 || n == 1) {
      work_until_deadline(0);
    } else {
#pragma omp parallel num_threads(threads_)
      work_until_deadline(omp_get_thread_num());
    }
    const std::int64_t begun = next.load();
    if (begun >= n) {
      break;
    }
    call_hook(done_ + share * static_cast<double>(begun) / static_cast<double>(n));
  }
  done_ += share;
  return !stopped_;
}

}  // namespace fastdiv
