#pragma once

#include "isa/simd.hpp"
#include "isa/tile_ops.hpp"

// Kernels, one functor each. A functor maps tile values to kernel values in place.
//
// `prepare` fills its constants. It gets the length of the tile's unit, a power of two
// (tile_ops.hpp has the base values), and a bound of the tile values. It leaves |f| <= 1, with
// constants[0] as the factor taken out. That factor is a power of two wherever exact kernel values
// exist, so that they stay exact. Without a bound (infinity) nothing is taken out.
//
// `slope(t, f)` returns f'(t), given t and f(t), or 0 where a kernel has a cusp.
//
// `sensitivity(constants, smallest)` bounds |f'/f| over tile values >= smallest. Times the error of
// a tile value it is the relative error of the kernel value, which the engine compares with its
// tolerance. `steep_slope` says that f' is as 1 / sqrt(t) near 0, where f is not.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Tells whether a kernel is too steep for T. It changes by a factor e over a tile value of about 1
// / rate. Beyond the largest rate that value nears the bottom of T's range.
template <class T>
inline bool is_steep(double rate) {
  return !(rate <= (sizeof(T) == 4 ? 1e30 : 1e200));
}

// Returns `problem` if a kernel is too steep for T.
template <class T>
inline ParameterProblem problem_if_steep(double rate, ParameterProblem problem) {
  return is_steep<T>(rate) ? problem : ParameterProblem::none;
}

// Half squared distance below which rows count as equal where slopes have no bound. Its root is
// some 1e-16 of the range of the data in float32, and 1e-130 in float64.
template <class T>
constexpr T coincident = sizeof(T) == 4 ? static_cast<T>(1e-32) : static_cast<T>(1e-260);

inline double square(double x) {
  return x * x;
}

// Returns the smallest power of two >= x. Returns 1 for x = 0 and, as no bound is known, for
// infinity.
inline double power_of_two_above(double x) {
  return x > 0 && x < __builtin_huge_val() ? __builtin_exp2(__builtin_ceil(__builtin_log2(x))) : 1;
}

// exp(-D / (2 sigma^2))
template <class T>
struct Rbf {
  static constexpr const char* name = "rbf";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    c[0] = 1;
    c[1] = -square(length / p[0]) * log2_e;
    return problem_if_steep<T>(-c[1], ParameterProblem::narrow_bandwidth);
  }
  static double sensitivity(const double* c, double smallest) {
    return smallest * -c[1] > Simd<T>::smallest_exponent ? 0 : -c[1] * ln_2;
  }
  T rate;
  explicit Rbf(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const { return exp2_scaled(t, rate); }
  Vec<T> slope(Vec<T>, Vec<T> f) const { return f * (rate * static_cast<T>(ln_2)); }
};

// exp(-L / sigma), L the L1 distance
template <class T>
struct Laplacian {
  static constexpr const char* name = "laplacian";
  static constexpr Base base = Base::l1;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    c[0] = 1;
    c[1] = -length / p[0] * log2_e;
    return problem_if_steep<T>(-c[1], ParameterProblem::narrow_l1_bandwidth);
  }
  static double sensitivity(const double* c, double smallest) {
    return smallest * -c[1] > Simd<T>::smallest_exponent ? 0 : -c[1] * ln_2;
  }
  T rate;
  explicit Laplacian(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const { return exp2_scaled(t, rate); }
  Vec<T> slope(Vec<T>, Vec<T> f) const { return f * (rate * static_cast<T>(ln_2)); }
};

// Half-integer Matern kernels in r = sqrt(2 nu D) / sigma: a polynomial in r times exp(-r).
template <class T>
inline ParameterProblem prepare_matern(double two_nu, const double* p, double length, double* c) {
  c[0] = 1;
  c[1] = __builtin_sqrt(2 * two_nu) * (length / p[0]);
  return problem_if_steep<T>(square(c[1]), ParameterProblem::narrow_bandwidth);
}

// Tells whether a Matern kernel is 0 at all tile values >= smallest.
template <class T>
inline bool matern_vanishes(const double* c, double smallest) {
  return c[1] * __builtin_sqrt(smallest) * log2_e > Simd<T>::smallest_exponent;
}

template <class T>
struct Matern12 {
  static constexpr const char* name = "matern12";
  static constexpr bool steep_slope = true;
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    return prepare_matern<T>(1, p, length, c);
  }
  static double sensitivity(const double* c, double smallest) {
    return matern_vanishes<T>(c, smallest) ? 0 : 0.5 * c[1] / __builtin_sqrt(smallest);
  }
  T rate;
  explicit Matern12(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const {
    return exp2_scaled(sqrt<T>(t) * rate, static_cast<T>(-log2_e));
  }
  // -rate f / (2 sqrt(t))
  Vec<T> slope(Vec<T> t, Vec<T> f) const {
    return t >= coincident<T> ? f * (rate * T{-0.5}) / sqrt<T>(t) : Vec<T>{};
  }
};

template <class T>
struct Matern32 {
  static constexpr const char* name = "matern32";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    return prepare_matern<T>(3, p, length, c);
  }
  static double sensitivity(const double* c, double smallest) {
    return matern_vanishes<T>(c, smallest) ? 0 : 0.5 * c[1] * c[1];
  }
  T rate;
  explicit Matern32(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const {
    const Vec<T> r = sqrt<T>(t) * rate;
    return (r + T{1}) * exp2_scaled(r, static_cast<T>(-log2_e));
  }
  // -rate^2 exp(-r) / 2
  Vec<T> slope(Vec<T> t, Vec<T> f) const {
    return f * (rate * T{-0.5} * rate) / (sqrt<T>(t) * rate + T{1});
  }
};

template <class T>
struct Matern52 {
  static constexpr const char* name = "matern52";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    return prepare_matern<T>(5, p, length, c);
  }
  static double sensitivity(const double* c, double smallest) {
    return matern_vanishes<T>(c, smallest) ? 0 : c[1] * c[1] / 6;
  }
  T rate;
  explicit Matern52(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const {
    const Vec<T> r = sqrt<T>(t) * rate;
    const Vec<T> factor = (r * static_cast<T>(1.0 / 3) + T{1}) * r + T{1};
    return factor * exp2_scaled(r, static_cast<T>(-log2_e));
  }
  // -rate^2 (1 + r) exp(-r) / 6
  Vec<T> slope(Vec<T> t, Vec<T> f) const {
    const Vec<T> r = sqrt<T>(t) * rate;
    const Vec<T> factor = (r * static_cast<T>(1.0 / 3) + T{1}) * r + T{1};
    return f * (rate * static_cast<T>(-1.0 / 6) * rate) * ((r + T{1}) / factor);
  }
};

// (1 + D / (2 alpha sigma^2))^-alpha
template <class T>
struct RationalQuadratic {
  static constexpr const char* name = "rational_quadratic";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 2;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    // From this alpha on the kernel is exp(-D / (2 sigma^2)) to within the tolerance, wherever that
    // is a normal number. Far beyond it alpha and D / alpha would leave T's range.
    constexpr double limit = sizeof(T) == 4 ? 1e12 : 1e20;
    const double alpha = p[0] < limit ? p[0] : limit;
    const double rate = square(length / p[1]);
    c[0] = 1;
    c[1] = rate / alpha;
    c[2] = -alpha;
    return problem_if_steep<T>(c[1], is_steep<T>(rate) ? ParameterProblem::narrow_bandwidth
                                                       : ParameterProblem::small_alpha);
  }
  static double sensitivity(const double* c, double smallest) {
    return -c[2] * c[1] / (1 + c[1] * smallest);
  }
  T rate, power;
  explicit RationalQuadratic(const double* c)
      : rate(static_cast<T>(c[1])), power(static_cast<T>(c[2])) {}
  Vec<T> operator()(Vec<T> t) const {
    const Vec<T> u = t * rate;
    return exp2_scaled<T>(log2<T>(u + T{1}, u), power);
  }
  Vec<T> slope(Vec<T> t, Vec<T> f) const { return f * (power * rate) / (t * rate + T{1}); }
};

// c / (c + D)
template <class T>
struct InverseMultiquadric {
  static constexpr const char* name = "imq";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double, double* c) {
    c[0] = 1;
    c[1] = 2 * square(length / __builtin_sqrt(p[0]));
    return problem_if_steep<T>(c[1], ParameterProblem::small_c);
  }
  static double sensitivity(const double* c, double smallest) {
    return c[1] / (1 + c[1] * smallest);
  }
  T rate;
  explicit InverseMultiquadric(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const { return T{1} / (t * rate + T{1}); }
  Vec<T> slope(Vec<T>, Vec<T> f) const { return f * (f * -rate); }
};

// (gamma x.y + coef0)^degree
template <class T>
struct Polynomial {
  static constexpr const char* name = "polynomial";
  static constexpr Base base = Base::dot;
  static constexpr int n_params = 3;
  static ParameterProblem prepare(const double* p, double length, double bound, double* c) {
    // Values are relative to the largest that norms allow. Beyond these degrees most would leave
    // T's range.
    constexpr double most = sizeof(T) == 4 ? 20 : 100;
    const double degree = p[0];
    if (!(degree >= 1 && degree <= most && degree == __builtin_floor(degree))) {
      return ParameterProblem::degree;
    }
    const double root = power_of_two_above(p[1] * square(length) * bound + __builtin_fabs(p[2]));
    c[0] = __builtin_pow(root, degree);
    c[1] = p[1] * square(length) / root;
    c[2] = p[2] / root;
    c[3] = degree;
    return ParameterProblem::none;
  }
  static double sensitivity(const double*, double) { return 0; }
  T rate, offset;
  int degree;
  explicit Polynomial(const double* c)
      : rate(static_cast<T>(c[1])), offset(static_cast<T>(c[2])), degree(static_cast<int>(c[3])) {}
  Vec<T> operator()(Vec<T> t) const { return power(t * rate + offset, degree); }
  Vec<T> slope(Vec<T> t, Vec<T>) const {
    return power(t * rate + offset, degree - 1) * (rate * static_cast<T>(degree));
  }

 private:
  static Vec<T> power(Vec<T> square, int exponent) {
    Vec<T> power = splat(T{1});
    for (int remaining = exponent;;) {
      if (remaining & 1) {
        power *= square;
      }
      remaining >>= 1;
      if (remaining == 0) {
        return power;
      }
      square *= square;
    }
  }
};

// x.y
template <class T>
struct Linear {
  static constexpr const char* name = "linear";
  static constexpr Base base = Base::dot;
  static constexpr int n_params = 0;
  static ParameterProblem prepare(const double*, double length, double bound, double* c) {
    c[1] = 1 / power_of_two_above(bound);
    c[0] = square(length) / c[1];
    return ParameterProblem::none;
  }
  static double sensitivity(const double*, double) { return 0; }
  T rate;
  explicit Linear(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const { return t * rate; }
  Vec<T> slope(Vec<T>, Vec<T>) const { return splat(rate); }
};

// Returns the slope of a power of `rate` times the tile values t, given its values f.
template <class T>
inline Vec<T> power_slope(Vec<T> t, Vec<T> f, T rate, T power) {
  if (power == T{1}) {
    return splat(rate);
  }
  return t >= coincident<T> ? f * power / t : Vec<T>{};
}

// -D^(beta/2), beta > 0
template <class T>
struct Energy {
  static constexpr const char* name = "energy";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double bound, double* c) {
    // An even power of two, so that its root is one too: for exponent 1 integers stay integers.
    const double root = square(power_of_two_above(__builtin_sqrt(2 * bound)));
    c[0] = -__builtin_pow(length, p[0]) * __builtin_pow(root, 0.5 * p[0]);
    c[1] = 2 / root;
    c[2] = 0.5 * p[0];
    return ParameterProblem::none;
  }
  static double sensitivity(const double* c, double smallest) { return c[2] / smallest; }
  T rate, power;
  explicit Energy(const double* c) : rate(static_cast<T>(c[1])), power(static_cast<T>(c[2])) {}
  Vec<T> operator()(Vec<T> t) const {
    if (power == T{0.5}) {
      return sqrt<T>(t * rate);
    }
    const Vec<T> u = t * rate;
    if (power == T{1}) {
      return u;
    }
    return power == T{2} ? u * u : pow_unit<T>(u, power);
  }
  Vec<T> slope(Vec<T> t, Vec<T> f) const { return power_slope<T>(t, f, rate, power); }
};

// -L^beta, beta > 0, L the L1 distance
template <class T>
struct CityBlock {
  static constexpr const char* name = "cityblock";
  static constexpr Base base = Base::l1;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double bound, double* c) {
    const double root = power_of_two_above(bound);
    c[0] = -__builtin_pow(length * root, p[0]);
    c[1] = 1 / root;
    c[2] = p[0];
    return ParameterProblem::none;
  }
  static double sensitivity(const double* c, double smallest) { return c[2] / smallest; }
  T rate, power;
  explicit CityBlock(const double* c) : rate(static_cast<T>(c[1])), power(static_cast<T>(c[2])) {}
  Vec<T> operator()(Vec<T> t) const {
    return power == T{1} ? t * rate : pow_unit<T>(t * rate, power);
  }
  Vec<T> slope(Vec<T> t, Vec<T> f) const { return power_slope<T>(t, f, rate, power); }
};

// exp(-D / (2 sigma^2)) - 1. Its MMD is that of the kernel without the 1, and it keeps the digits
// of wide kernels.
template <class T>
struct RbfLessOne {
  static constexpr const char* name = "rbf_less_one";
  static constexpr Base base = Base::sqdist;
  static constexpr int n_params = 1;
  static ParameterProblem prepare(const double* p, double length, double bound, double* c) {
    const ParameterProblem problem = Rbf<T>::prepare(p, length, bound, c);
    c[0] = -1;
    return problem;
  }
  // u exp(-u) / (1 - exp(-u)) <= 1
  static double sensitivity(const double*, double smallest) { return 1 / smallest; }
  T rate;
  explicit RbfLessOne(const double* c) : rate(static_cast<T>(c[1])) {}
  Vec<T> operator()(Vec<T> t) const { return one_less_exp2_scaled(t, rate); }
  Vec<T> slope(Vec<T>, Vec<T> f) const { return (f - T{1}) * (rate * static_cast<T>(ln_2)); }
};

template <class... F>
struct KernelList {};

template <class T>
using AllKernels = KernelList<Rbf<T>, Laplacian<T>, Matern12<T>, Matern32<T>, Matern52<T>,
                              RationalQuadratic<T>, InverseMultiquadric<T>, Polynomial<T>,
                              Linear<T>, Energy<T>, CityBlock<T>, RbfLessOne<T>>;

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
