#pragma once

#include "isa/distribution_ops.hpp"
#include "isa/simd.hpp"

// Kullback-Leibler divergences between Gaussians of diagonal covariances, and their gradients. The
// lanes of a vector are features. With variance ratios r_k = sigma_p,k^2 / sigma_q,k^2,
//
//   2 KL = sum_k (r_k - 1 - log r_k) + sum_k (mean_p,k - mean_q,k)^2 / sigma_q,k^2.
//
// Every term is at least 0 and, through t - log(1 + t), free of cancellation. Equal distributions
// give exactly 0, and nearly equal ones keep their digits.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Features whose terms are added in T before they go to a double.
constexpr int feature_chunk = 256;

// Returns 2 KL of one vector of features. Both parameters are given as `scale`.
template <class T, Scale scale>
inline Vec<T> twice_kl(Vec<T> mean_difference, Vec<T> p, Vec<T> q) {
  if constexpr (scale == Scale::std) {
    const Vec<T> reciprocal = T{1} / q;
    const Vec<T> less_1 = (p - q) * reciprocal;  // the difference is exact for p near q
    const Vec<T> z = mean_difference * reciprocal;
    return less_1 * less_1 + T{2} * less_log<T>(p * reciprocal, less_1) + z * z;
  } else if constexpr (scale == Scale::var) {
    const Vec<T> reciprocal = T{1} / q;
    return less_log<T>(p * reciprocal, (p - q) * reciprocal) +
           mean_difference * reciprocal * mean_difference;
  } else {
    constexpr T twice = scale == Scale::logstd ? 2 : 1;
    const Vec<T> z = mean_difference * exp<T>(q * (-twice / 2));
    return exp_less_1<T>(twice * (p - q)) + z * z;
  }
}

// Sums 2 KL over n features. `uniform` says that all features of q are as the first, so that what
// depends on q leaves the loop.
template <class T, Scale scale, bool uniform>
double sum_twice_kl(const T* mean_p, const T* mean_q, const T* p, const T* q, int n) {
  const auto from_q = [](const T* from, int k) {
    return uniform ? splat(from[0]) : load(from + k);
  };
  Vec<T> sum = {};
  int k = 0;
  for (; k + lanes<T> <= n; k += lanes<T>) {
    sum += twice_kl<T, scale>(load(mean_p + k) - from_q(mean_q, k), load(p + k), from_q(q, k));
  }
  if (k < n) {
    // Lanes beyond the end hold equal distributions, whose divergence is 0.
    T tail[3][lanes<T>];
    for (int l = 0; l < lanes<T>; ++l) {
      const bool inside = k + l < n;
      const int at_q = uniform ? 0 : k + l;
      tail[0][l] = inside ? mean_p[k + l] - mean_q[at_q] : T{0};
      tail[1][l] = inside ? p[k + l] : T{1};
      tail[2][l] = inside ? q[at_q] : T{1};
    }
    sum += twice_kl<T, scale>(load(tail[0]), load(tail[1]), load(tail[2]));
  }
  return total<T>(sum);
}

template <class T, bool uniform>
double sum_twice_kl(Scale scale, const T* mean_p, const T* mean_q, const T* p, const T* q, int n) {
  constexpr decltype(&sum_twice_kl<T, Scale::std, uniform>) sums[] = {
      sum_twice_kl<T, Scale::std, uniform>, sum_twice_kl<T, Scale::var, uniform>,
      sum_twice_kl<T, Scale::logstd, uniform>, sum_twice_kl<T, Scale::logvar, uniform>};
  return sums[static_cast<int>(scale)](mean_p, mean_q, p, q, n);
}

// Returns n values from `from` on, in place or gathered in `buffer`.
template <class T>
inline const T* contiguous(const T* from, std::ptrdiff_t stride, int n, T* buffer) {
  if (stride == 1) {
    return from;
  }
  for (int k = 0; k < n; ++k) {
    buffer[k] = from[k * stride];
  }
  return buffer;
}

// Converts n parameters to log variances.
template <class T>
void log_variances(const T* from, std::ptrdiff_t stride, Scale scale, int n, double* out) {
  for (int k = 0; k < n; ++k) {
    out[k] = static_cast<double>(from[k * stride]);
  }
  if (scale == Scale::logvar) {
    return;
  }
  for (int k = 0; k < n; ++k) {
    out[k] = scale == Scale::logstd ? 2 * out[k]
             : scale == Scale::std  ? 2 * __builtin_log(out[k])
                                    : __builtin_log(out[k]);
  }
}

// See GaussianOps::diagonal_kl.
template <class T>
double diagonal_kl(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim) {
  const bool uniform = q.mean_stride == 0 && q.row_stride == 0;
  double total = 0;
  for (std::ptrdiff_t k = 0; k < dim; k += feature_chunk) {
    const int n = static_cast<int>(dim - k < feature_chunk ? dim - k : feature_chunk);
    const T* mean_p = p.mean + k * p.mean_stride;
    const T* mean_q = q.mean + k * q.mean_stride;
    const T* scale_p = p.parameter + k * p.row_stride;
    const T* scale_q = q.parameter + k * q.row_stride;
    double part = __builtin_nan("");
    if (p.scale == q.scale) {
      T buffers[4][feature_chunk];
      const T* from_p = contiguous(scale_p, p.row_stride, n, buffers[0]);
      const T* at_p = contiguous(mean_p, p.mean_stride, n, buffers[1]);
      if (uniform) {
        part = sum_twice_kl<T, true>(p.scale, at_p, mean_q, from_p, scale_q, n);
      } else {
        const T* from_q = contiguous(scale_q, q.row_stride, n, buffers[2]);
        const T* at_q = contiguous(mean_q, q.mean_stride, n, buffers[3]);
        part = sum_twice_kl<T, false>(p.scale, at_p, at_q, from_p, from_q, n);
      }
    }
    if (part != part) {
      // Different parametrisations, and ratios outside T's range, are computed in double precision
      // from logarithms. These leave enough digits of a small difference.
      double buffers[4][feature_chunk];
      for (int i = 0; i < n; ++i) {
        buffers[0][i] = static_cast<double>(mean_p[i * p.mean_stride]);
        buffers[1][i] = static_cast<double>(mean_q[i * q.mean_stride]);
      }
      log_variances(scale_p, p.row_stride, p.scale, n, buffers[2]);
      log_variances(scale_q, q.row_stride, q.scale, n, buffers[3]);
      part = sum_twice_kl<double, Scale::logvar, false>(buffers[0], buffers[1], buffers[2],
                                                        buffers[3], n);
    }
    total += part;
  }
  return total / 2;
}

// Features whose gradients are computed at a time.
constexpr int gradient_chunk = 64;

// Converts n numbers to doubles, and repeats the last one up to `padded` of them.
template <class T>
void widen(const T* from, std::ptrdiff_t stride, int n, int padded, double* out) {
  if (stride == 1) {
    for (int k = 0; k < n; ++k) {
      out[k] = static_cast<double>(from[k]);
    }
  } else {
    for (int k = 0; k < n; ++k) {
      out[k] = static_cast<double>(from[k * stride]);
    }
  }
  for (int k = n; k < padded; ++k) {
    out[k] = out[n - 1];
  }
}

// Tells whether n parameters are finite, and positive unless they are logarithms.
inline bool are_valid(Scale scale, const double* parameters, int n) {
  const bool is_log = scale == Scale::logstd || scale == Scale::logvar;
  const double least = is_log ? -__builtin_inf() : 0;
  int invalid = 0;
  for (int k = 0; k < n; ++k) {
    invalid |= static_cast<int>(!(parameters[k] > least && parameters[k] < __builtin_inf()));
  }
  return invalid == 0;
}

// Stores n results, and tells whether they are finite.
template <class Out>
bool store_finite(const double* from, int n, Out* out) {
  int infinite = 0;
  for (int k = 0; k < n; ++k) {
    const Out rounded = static_cast<Out>(from[k]);
    out[k] = rounded;
    infinite |= static_cast<int>(!(rounded - rounded == 0));
  }
  return infinite == 0;
}

// Sets less_1 to sigma_p^2 / sigma_q^2 - 1 and unit to 1 / sigma_q.
template <Scale scale>
inline void ratio_and_unit(Vec<double> p, Vec<double> q, Vec<double>& less_1, Vec<double>& unit) {
  if constexpr (scale == Scale::std) {
    unit = 1.0 / q;
    less_1 = (p - q) * unit * ((p + q) * unit);
  } else if constexpr (scale == Scale::var) {
    unit = 1.0 / sqrt<double>(q);
    less_1 = (p - q) / q;
  } else {
    constexpr double twice = scale == Scale::logstd ? 2 : 1;
    constexpr double vanishing_log_ratio = -40;  // exp of it vanishes beside 1
    const Vec<double> log_ratio = twice * (p - q);
    unit = exp<double>(q * (-twice / 2));
    less_1 =
        log_ratio > vanishing_log_ratio ? exp_less_1<double>(log_ratio) + log_ratio : splat(-1.0);
  }
}

// Computes gradients with respect to mean_p, log(sigma_p) and log(sigma_q) of n features, in whole
// vectors. Returns the sum of 2 KL. `uniform` says that all features of q are as the first.
template <Scale scale, bool uniform>
double gradient_terms(const double* difference, const double* p, const double* q, int n,
                      double* means, double* by_p, double* by_q) {
  const Vec<double> first = splat(q[0]);
  Vec<double> sum = {};
  for (int k = 0; k < n; k += lanes<double>) {
    const Vec<double> p_k = load(p + k), q_k = uniform ? first : load(q + k);
    Vec<double> less_1, unit;
    ratio_and_unit<scale>(p_k, q_k, less_1, unit);
    const Vec<double> z = load(difference + k) * unit;
    store(means + k, z * unit);
    store(by_p + k, less_1);
    store(by_q + k, -(less_1 + z * z));
    sum += twice_kl<double, scale>(load(difference + k), p_k, q_k);
  }
  return total<double>(sum);
}

template <bool uniform>
double gradient_terms(Scale scale, const double* difference, const double* p, const double* q,
                      int n, double* means, double* by_p, double* by_q) {
  constexpr decltype(&gradient_terms<Scale::std, uniform>) terms[] = {
      gradient_terms<Scale::std, uniform>, gradient_terms<Scale::var, uniform>,
      gradient_terms<Scale::logstd, uniform>, gradient_terms<Scale::logvar, uniform>};
  return terms[static_cast<int>(scale)](difference, p, q, n, means, by_p, by_q);
}

// Turns derivatives with respect to log(sigma) into those with respect to the parameter.
inline void chain(Scale scale, const double* parameter, int n, double* derivative) {
  const double half = scale == Scale::var || scale == Scale::logvar ? 0.5 : 1;
  if (scale == Scale::logstd || scale == Scale::logvar) {
    for (int k = 0; k < n; ++k) {
      derivative[k] *= half;
    }
  } else {
    for (int k = 0; k < n; ++k) {
      derivative[k] *= half / parameter[k];
    }
  }
}

// See GaussianOps::diagonal_gradients. The gradients with respect to mean_p, p and q are
//   z / sigma_q,  r d log(sigma_p)/dp  and  -(r + z^2) d log(sigma_q)/dq,
// with r = sigma_p^2 / sigma_q^2 - 1 and z = (mean_p - mean_q) / sigma_q. r does not cancel for p
// near q.
template <class T, class Out>
double diagonal_gradients(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim,
                          Out* means, Out* by_p, Out* by_q, bool& sound) {
  const bool uniform = q.mean_stride == 0 && q.row_stride == 0 && by_q == nullptr;
  double twice = 0;
  sound = true;
  for (std::ptrdiff_t first = 0; first < dim; first += gradient_chunk) {
    const int n = static_cast<int>(dim - first < gradient_chunk ? dim - first : gradient_chunk);
    const int padded = (n + lanes<double> - 1) / lanes<double> * lanes<double>;
    const int n_q = uniform ? 1 : n, padded_q = uniform ? 1 : padded;
    double difference[gradient_chunk], mean_q[gradient_chunk];
    double p_values[gradient_chunk], q_values[gradient_chunk];
    double results[3][gradient_chunk];
    widen(p.mean + first * p.mean_stride, p.mean_stride, n, padded, difference);
    widen(q.mean + first * q.mean_stride, q.mean_stride, n_q, padded_q, mean_q);
    widen(p.parameter + first * p.row_stride, p.row_stride, n, padded, p_values);
    widen(q.parameter + first * q.row_stride, q.row_stride, n_q, padded_q, q_values);
    for (int k = 0; k < padded; ++k) {
      difference[k] -= uniform ? mean_q[0] : mean_q[k];
    }
    sound &= are_valid(p.scale, p_values, n) && are_valid(q.scale, q_values, n_q);
    const auto compute = [&](Scale scale, double* scale_p, const double* scale_q) {
      for (int k = n; k < padded; ++k) {  // equal distributions, whose divergence is 0
        difference[k] = 0;
        scale_p[k] = scale_q[uniform ? 0 : k];
      }
      const auto terms = uniform ? gradient_terms<true> : gradient_terms<false>;
      return terms(scale, difference, scale_p, scale_q, padded, results[0], results[1], results[2]);
    };
    if (p.scale == q.scale) {
      twice += compute(p.scale, p_values, q_values);
    } else {
      double log_p[gradient_chunk], log_q[gradient_chunk];
      log_variances(p_values, 1, p.scale, padded, log_p);
      log_variances(q_values, 1, q.scale, padded_q, log_q);
      twice += compute(Scale::logvar, log_p, log_q);
    }
    chain(p.scale, p_values, n, results[1]);
    sound &=
        store_finite(results[0], n, means + first) && store_finite(results[1], n, by_p + first);
    if (by_q != nullptr) {
      chain(q.scale, q_values, n, results[2]);
      sound &= store_finite(results[2], n, by_q + first);
    }
  }
  return twice / 2;
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
