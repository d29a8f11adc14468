#pragma once

#include <cmath>

#include "fastdiv/distributions.hpp"

// What the parameters of diagonal Gaussians stand for.

namespace fastdiv {

inline double standard_deviation(double parameter, Scale scale) {
  return scale == Scale::std      ? parameter
         : scale == Scale::var    ? std::sqrt(parameter)
         : scale == Scale::logstd ? std::exp(parameter)
                                  : std::exp(parameter / 2);
}

inline double variance(double parameter, Scale scale) {
  return scale == Scale::std      ? parameter * parameter
         : scale == Scale::var    ? parameter
         : scale == Scale::logstd ? std::exp(2 * parameter)
                                  : std::exp(parameter);
}

}  // namespace fastdiv
