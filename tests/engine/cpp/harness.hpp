// What the test programs share: checks that are counted, and the choice of the level.

#pragma once

#include <cstdio>
#include <cstring>
#include <stdexcept>

#include <fastdiv/isa.hpp>

inline int checks = 0;
inline int failures = 0;
inline const char* where = "";

inline void check(bool ok, const char* what) {
  ++checks;
  if (!ok) {
    ++failures;
    std::printf("FAILED: %s: %s\n", where, what);
  }
}

// Runs the checks and returns the exit status; 77: FASTDIV_ISA names a level that this machine
// lacks. With an argument it fails unless that is the level in use.
template <class Checks>
int run(int argc, char** argv, const Checks& everything) {
  try {
    fastdiv::isa();
  } catch (const std::invalid_argument& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  const char* level = fastdiv::isa().name;
  if (argc > 1 && std::strcmp(argv[1], level) != 0) {
    std::printf("FAILED: the level in use is %s, not %s\n", level, argv[1]);
    return 1;
  }
  everything();
  std::printf("level %s: %d checks, %d failed\n", level, checks, failures);
  return failures == 0 ? 0 : 1;
}
