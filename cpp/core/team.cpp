#include "core/team.hpp"

#include <pthread.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "fastdiv/threads.hpp"

namespace fastdiv {
namespace {

std::atomic<bool> team_warning{false};

// Returns the stack size that OpenMP reads from the environment, in bytes, or 0 for the default of
// the system. A number without a unit is in KiB.
std::size_t stack_size_from_environment() {
  for (const char* name : {"OMP_STACKSIZE", "GOMP_STACKSIZE"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) {
      continue;
    }
    char* unit = nullptr;
    const unsigned long long size = std::strtoull(text, &unit, 10);
    while (*unit == ' ') {
      ++unit;
    }
    const int shift = *unit == 'B' || *unit == 'b'   ? 0
                      : *unit == 'M' || *unit == 'm' ? 20
                      : *unit == 'G' || *unit == 'g' ? 30
                                                     : 10;
    if (unit != text && size <= ULLONG_MAX >> shift) {
      return static_cast<std::size_t>(size << shift);
    }
  }
  return 0;
}

void* wait_until_unlocked(void* mutex) {
  const std::lock_guard<std::mutex> lock(*static_cast<std::mutex*>(mutex));
  return nullptr;
}

// Starts up to n threads that live at the same time, and joins them. Returns how many started.
int start_and_join(int n) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) {
    return 0;
  }
  if (const std::size_t size = stack_size_from_environment()) {
    pthread_attr_setstacksize(&attributes, size);  // fails, as in OpenMP, if it is too small
  }
  std::vector<pthread_t> threads;
  std::mutex mutex;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    pthread_t thread;
    while (static_cast<int>(threads.size()) < n &&
           pthread_create(&thread, &attributes, wait_until_unlocked, &mutex) == 0) {
      threads.push_back(thread);
    }
  }
  for (const pthread_t thread : threads) {
    pthread_join(thread, nullptr);
  }
  pthread_attr_destroy(&attributes);
  return static_cast<int>(threads.size());
}

}  // namespace

int possible_team(int n) {
  // OpenMP keeps a team for each thread that starts one.
  thread_local int team = 1;
  if (n > team) {
    const int possible = 1 + start_and_join(n - 1);
    if (possible < n) {
      team_warning = true;
    }
    n = possible;
  }
  team = n;  // a smaller team ends the threads that it does not need
  return n;
}

bool take_team_warning() {
  static std::atomic<bool> warned{false};
  return team_warning && !warned.exchange(true);
}

}  // namespace fastdiv
