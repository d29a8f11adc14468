#pragma once

#include "isa/distribution_ops.hpp"
#include "isa/simd.hpp"

// Estimates of a Kullback-Leibler divergence from single draws.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

template <LogRatio estimator>
inline Vec<double> log_ratio(Vec<double> log_p, Vec<double> log_q) {
  const Vec<double> l = log_q - log_p;
  if constexpr (estimator == LogRatio::k1) {
    return log_p - log_q;
  } else if constexpr (estimator == LogRatio::k2) {
    return 0.5 * l * l;
  } else {
    return exp_less_1<double>(l);
  }
}

template <LogRatio estimator>
void log_ratios(const double* log_p, const double* log_q, std::ptrdiff_t n, double* out) {
  for (std::ptrdiff_t i = 0; i < n; i += lanes<double>) {
    const Vec<double> p = load(log_p + i);
    const Vec<double> q = load(log_q + i);
    // log_q = -inf means that q has no mass there. It makes every estimator infinite, and is valid.
    const IntVec<double> valid = (p - p == 0.0) & (q < __builtin_inf());
    store(out + i, valid ? log_ratio<estimator>(p, q) : splat(__builtin_nan("")));
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
