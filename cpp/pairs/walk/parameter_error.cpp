#include "pairs/walk/parameter_error.hpp"

namespace fastdiv {

std::string parameter_error(ParameterProblem problem, bool is_float32) {
  switch (problem) {
    case ParameterProblem::none:
      break;
    case ParameterProblem::narrow_bandwidth:
      return is_float32 ? "the bandwidth is below 1e-15 of the range of the data (a fill value or "
                          "an outlier?), too little for float32: clean the data or pass float64"
                        : "the bandwidth is below 1e-100 of the range of the data";
    case ParameterProblem::narrow_l1_bandwidth:
      return is_float32 ? "the bandwidth is below 1e-30 of the range of the data (a fill value or "
                          "an outlier?), too little for float32: clean the data or pass float64"
                        : "the bandwidth is below 1e-200 of the range of the data";
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
