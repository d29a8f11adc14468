#include "pairs/walk/parameter_error.hpp"

namespace fastdiv {

namespace {

// Says that a bandwidth is below `least` of the range of the data.
std::string narrow_bandwidth(const char* least, bool is_float32) {
  return "the bandwidth is below " + std::string(least) + " of the range of the data" +
         (is_float32 ? " (a fill value or an outlier?), too little for float32: clean the data or "
                       "pass float64"
                     : "");
}

}  // namespace

std::string parameter_error(ParameterProblem problem, bool is_float32) {
  switch (problem) {
    case ParameterProblem::none:
      break;
    case ParameterProblem::narrow_bandwidth:
      return narrow_bandwidth(is_float32 ? "1e-15" : "1e-100", is_float32);
    case ParameterProblem::narrow_l1_bandwidth:
      return narrow_bandwidth(is_float32 ? "1e-30" : "1e-200", is_float32);
    case ParameterProblem::small_alpha:
      return is_float32 ? "alpha of the rational quadratic kernel is too small for these data and "
                          "float32: pass a larger one, or float64 data"
                        : "alpha of the rational quadratic kernel is too small for these data";
    case ParameterProblem::small_c:
      return is_float32 ? "c of the inverse multiquadric kernel is below 1e-30 of the squared "
                          "range of the data, too little for float32: pass a larger one, or "
                          "float64 data"
                        : "c of the inverse multiquadric kernel is below 1e-200 of the squared "
                          "range of the data";
    case ParameterProblem::degree:
      return is_float32 ? "the degree of a polynomial kernel must be an integer from 1 to 20 for "
                          "float32 data, to 100 for float64"
                        : "the degree of a polynomial kernel must be an integer from 1 to 100";
  }
  return {};
}

}  // namespace fastdiv
