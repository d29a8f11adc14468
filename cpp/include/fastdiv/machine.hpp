#pragma once

#include <string>
#include <vector>

namespace fastdiv {

// The instruction set in use: the best this machine has, or FASTDIV_ISA; chosen at the first call.
// Throws std::invalid_argument when FASTDIV_ISA names no level of this build or machine.
std::string isa_name();
// The levels of this build that this machine can run, best last.
std::vector<std::string> available_isas();

// Peak rates of this machine at the level in use, for rooflines and run-time estimates.
struct Peaks {
  double flops;  // multiply-adds from registers, 2 flops each, per second
  double maps;   // RBF values mapped in place in the cache, per second
};
template <class T>
Peaks measure_peaks(int n_threads, double seconds);

}  // namespace fastdiv
