#pragma once

#include <string>
#include <vector>

namespace fastdiv {

enum class Base { sqdist, l1, dot };

// weight * kernel, added to row `output` of the result.
struct Term {
  std::string kernel;          // a name of simd/kernels.hpp
  std::vector<double> params;  // its parameters, in the order of its formula there
  double weight = 1;
  int output = 0;
};

// Terms that share one pass over the base values.
struct KernelGroup {
  Base base = Base::sqdist;
  std::vector<double> scale;  // every feature is multiplied by it first; empty: 1
  std::vector<Term> terms;
};

}  // namespace fastdiv
