// Counts checks and chooses the level, for all test programs.

#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

#include <fastdiv/machine.hpp>

inline int checks = 0;
inline int failures = 0;
inline const char* where = "";
inline bool few_sizes = false;  // for emulators and sanitizers

inline void check(bool ok, const char* what) {
  ++checks;
  if (!ok) {
    ++failures;
    std::printf("FAILED: %s: %s\n", where, what);
  }
}

// Tells whether a call is refused as one with invalid arguments.
template <class Call>
bool refused(const Call& call) {
  try {
    call();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

// Runs checks(T{}) for float and for double.
template <class Checks>
void for_each_dtype(const Checks& checks) {
  where = "float32";
  checks(float{});
  where = "float64";
  checks(double{});
  where = "in general";
}

// Runs the checks and returns the exit status. It is 77 if FASTDIV_ISA names a level that this
// machine lacks. With the level as an argument the run takes fewer sizes, and fails unless that
// level is in use.
template <class Checks>
int run(int argc, char** argv, const Checks& everything) {
  std::string level;
  try {
    level = fastdiv::isa_name();
  } catch (const std::invalid_argument& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  if (argc > 1 && argv[1] != level) {
    std::printf("FAILED: the level in use is %s, not %s\n", level.c_str(), argv[1]);
    return 1;
  }
  few_sizes = argc > 1;
  everything();
  std::printf("level %s: %d checks, %d failed\n", level.c_str(), checks, failures);
  return failures == 0 ? 0 : 1;
}
