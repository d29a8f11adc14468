#pragma once

// Teams of threads that the system can really start. GCC's OpenMP run time ends the process when it
// cannot create a thread, and offers no way to ask before.

namespace fastdiv {

// Returns how many threads, at most n, a team of the calling thread can have. Before a team grows,
// as many threads are started and joined outside OpenMP, with the stacks that it would ask for.
int possible_team(int n);

}  // namespace fastdiv
