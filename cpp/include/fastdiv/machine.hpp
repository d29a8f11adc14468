#pragma once

#include <string>
#include <vector>

namespace fastdiv {

// Return the instruction set in use: the best of this machine, or FASTDIV_ISA. The first call
// chooses it. Throws std::invalid_argument when FASTDIV_ISA names no level of this build or
// machine.
std::string isa_name();
// Return the levels of this build that this machine can run, best last.
std::vector<std::string> available_isas();

// Peak rates at the level in use, for rooflines and estimates of run time.
struct Peaks {
  double flops;  // multiply-adds from registers, 2 flops each, per second
  double maps;   // RBF values mapped in place in the cache, per second
};
// Measure both rates, for half of `seconds` each.
template <class T>
Peaks measure_peaks(int n_threads, double seconds);

}  // namespace fastdiv
