#pragma once

#include <functional>
#include <string>

namespace fastdiv {

// Receives the fraction done, in [0, 1], and returns false to stop the call. The engine asks it on
// the calling thread between slices of work, never inside a parallel region.
using Hook = std::function<bool(double done)>;

struct Options {
  int n_threads = 0;  // 0: as get_num_threads() says
  Hook hook = nullptr;
};

// Set the number of threads of calls that ask for none; 0 restores the default.
void set_num_threads(int n);
// Return that number, else OMP_NUM_THREADS, else the default of the OpenMP run time.
int get_num_threads();
// Return the file and the version of the OpenMP run time in use.
std::string openmp_runtime();

// Start to note forks. OpenMP's worker threads do not survive a fork, so a child computes on one
// thread. The first call of the engine starts it too.
void watch_forks();

// Return true once, in a forked child that was asked for several threads.
bool take_fork_warning();

// Return true once, if the system could not start as many threads as a call asked for. The call has
// gone on with those it could.
bool take_team_warning();

}  // namespace fastdiv
