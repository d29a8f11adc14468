#include "core/team.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

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

// Threads on trial, which live until the lock is free.
struct Trial {
  std::mutex lock;
  std::atomic<int> ready{0};
};

// Takes what a thread takes when it first allocates: glibc reserves 64 MiB of address space, which
// the next thread inherits. A thread of OpenMP would take them while its team is still growing.
void* allocate_and_wait(void* argument) {
  Trial& trial = *static_cast<Trial*>(argument);
  void* volatile memory = std::malloc(1);
  std::free(memory);
  ++trial.ready;
  const std::lock_guard<std::mutex> wait(trial.lock);
  return nullptr;
}

// Address space that is left to the call that needs the team.
class Spare {
 public:
  Spare() : memory_(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;
  ~Spare() {
    if (memory_ != MAP_FAILED) {
      munmap(memory_, size);
    }
  }
  explicit operator bool() const { return memory_ != MAP_FAILED; }

 private:
  static constexpr std::size_t size = std::size_t{32} << 20;
  void* memory_;
};

// Starts up to n threads that live at the same time, and joins them. Returns how many started.
int start_and_join(int n) {
  const Spare spare;
  if (!spare) {
    return 0;
  }
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) {
    return 0;
  }
  if (const std::size_t size = stack_size_from_environment()) {
    pthread_attr_setstacksize(&attributes, size);  // fails, as in OpenMP, if it is too small
  }
  std::vector<pthread_t> threads;
  threads.reserve(static_cast<std::size_t>(n));
  Trial trial;
  {
    const std::lock_guard<std::mutex> lock(trial.lock);
    pthread_t thread;
    while (static_cast<int>(threads.size()) < n &&
           pthread_create(&thread, &attributes, allocate_and_wait, &trial) == 0) {
      threads.push_back(thread);
    }
    while (trial.ready < static_cast<int>(threads.size())) {
      sched_yield();
    }
  }
  for (const pthread_t thread : threads) {
    pthread_join(thread, nullptr);
  }
  pthread_attr_destroy(&attributes);
  return static_cast<int>(threads.size());
}

}  // namespace

int grow_team(int n, void (*start)(int size)) {
  // OpenMP keeps a team for each thread that starts one.
  thread_local int team = 1;
  if (n > team) {
    const int possible = 1 + start_and_join(n - 1);
    if (possible < n) {
      team_warning = true;
    }
    n = possible;
    start(n);  // before the call takes memory
  }
  team = n;  // a smaller team ends the threads that it does not need
  return n;
}

bool take_team_warning() {
  static std::atomic<bool> warned{false};
  return team_warning && !warned.exchange(true);
}

}  // namespace fastdiv
