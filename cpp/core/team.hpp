#pragma once

// Teams of threads that the system can really start. GCC's OpenMP run time ends the process when it
// cannot create a thread, and offers no way to ask before.

namespace fastdiv {

// Starts a team of at most n threads by `start(size)`, unless the calling thread has one as large,
// and returns its size. First as many threads are started and joined outside OpenMP, with the
// stacks that it would ask for and the memory that a thread takes.
int grow_team(int n, void (*start)(int size));

}  // namespace fastdiv
