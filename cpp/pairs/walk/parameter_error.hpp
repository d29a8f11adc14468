#pragma once

#include <string>

#include "isa/tile_ops.hpp"

namespace fastdiv {

// Returns the sentence for a problem that a kernel found with its parameters, for data in float32
// or in float64.
std::string parameter_error(ParameterProblem problem, bool is_float32);

}  // namespace fastdiv
