#pragma once

#include <functional>
#include <string>

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

}  // namespace fastdiv
