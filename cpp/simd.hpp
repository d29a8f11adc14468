#pragma once

#include <cstddef>
#include <cstdint>

// One vector type per element type over compiler vector extensions. Everything lives in the
// namespace of the ISA level that includes it, so that no two levels can share a weak symbol;
// for the same reason nothing here may call an inline function of the standard library.
// FASTDIV_ISA_NAMESPACE and FASTDIV_VECTOR_BYTES come from the build.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

constexpr int vector_bytes = FASTDIV_VECTOR_BYTES;

template <class T>
struct Simd;

template <>
struct Simd<float> {
  typedef float V __attribute__((vector_size(vector_bytes)));
  typedef std::int32_t I __attribute__((vector_size(vector_bytes)));
  typedef std::uint32_t U __attribute__((vector_size(vector_bytes)));
  using Int = std::int32_t;
  static constexpr int mantissa_bits = 23;
  static constexpr int exponent_bias = 127;
  static constexpr float magic = 0x1.8p23f;        // adding it rounds |x| < 2^22 to an integer
  static constexpr float smallest_exponent = 125;  // 2^-x is a normal number up to here
  // 2^r = 1 + r*p(r) on [-1/2, 1/2], minimax, relative error 9.1e-8
  static constexpr float exp2_poly[] = {0.69314697760296891618f, 0.24022242085811354026f,
                                        0.055507337369657974052f, 0.0096715126251697698351f,
                                        0.0013264729122813988863f};
  // log2(m) = s*q(s^2), s = (m-1)/(m+1), sqrt(1/2) <= m <= sqrt(2), minimax, 6.9e-10
  static constexpr float log2_poly[] = {2.885390079788952386f, 0.96179884763437883516f,
                                        0.57671438423392881564f, 0.43173587849357752602f};
};

template <>
struct Simd<double> {
  typedef double V __attribute__((vector_size(vector_bytes)));
  typedef std::int64_t I __attribute__((vector_size(vector_bytes)));
  typedef std::uint64_t U __attribute__((vector_size(vector_bytes)));
  using Int = std::int64_t;
  static constexpr int mantissa_bits = 52;
  static constexpr int exponent_bias = 1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr double smallest_exponent = 1021;
  // as above; relative errors 2.2e-16 and 1.1e-18
  static constexpr double exp2_poly[] = {0.69314718055994917559,     0.24022650695909101753,
                                         0.05550410866448181747,     0.0096181291079830764869,
                                         0.0013333558225800579242,   0.0001540352999431864203,
                                         0.000015252659427543006695, 1.3215653559334622262e-6,
                                         1.0208323022992079771e-7,   7.0381856153349017224e-9};
  static constexpr double log2_poly[] = {2.8853900817779268114,  0.96179669392598982026,
                                         0.57707801634547042499, 0.41219858585106456814,
                                         0.32059853392646233611, 0.26233440174514829724,
                                         0.22091186685788852995, 0.21367077946267186606};
};

template <class T>
using Vec = typename Simd<T>::V;
template <class T>
using IntVec = typename Simd<T>::I;
template <class T>
using BitsVec = typename Simd<T>::U;  // for sums and shifts that may wrap
template <class T>
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class T>
inline Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline void store(T* p, Vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <class T>
inline Vec<T> splat(T x) {
  return x - Vec<T>{};  // x - 0 is x for every x, -0.0 included
}

template <class T>
inline IntVec<T> as_int(Vec<T> v) {
  return reinterpret_cast<IntVec<T>>(v);
}

template <class T>
inline BitsVec<T> as_bits(Vec<T> v) {
  return reinterpret_cast<BitsVec<T>>(v);
}

template <class T>
inline Vec<T> as_real(IntVec<T> v) {
  return reinterpret_cast<Vec<T>>(v);
}

template <class T>
inline Vec<T> as_real(BitsVec<T> v) {
  return reinterpret_cast<Vec<T>>(v);
}

// The square root, 0 below 0.
template <class T>
inline Vec<T> sqrt(Vec<T> v) {
  v = v > T{0} ? v : Vec<T>{};
  Vec<T> r;
  for (int i = 0; i < lanes<T>; ++i) {
    if constexpr (sizeof(T) == 4) {
      r[i] = __builtin_sqrtf(v[i]);
    } else {
      r[i] = __builtin_sqrt(v[i]);
    }
  }
  return r;
}

template <class T>
inline Vec<T> abs(Vec<T> v) {
  constexpr typename Simd<T>::Int sign = typename Simd<T>::Int{1} << (8 * sizeof(T) - 1);
  return as_real<T>(as_int<T>(v) & ~sign);
}

template <class T, std::size_t N>
inline Vec<T> polynomial(const T (&c)[N], Vec<T> x) {
  Vec<T> p = splat(c[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) {
    p = p * x + c[i];
  }
  return p;
}

// 2^(rate*t) for rate <= 0 and t >= 0 up to rounding; exactly 1 at t = 0 and exactly 0 once the
// result would leave the normal numbers. The product is split into integer and fraction by fused
// multiply-adds, so r carries no rounding of the product itself. Needs IEEE semantics: under
// -ffast-math the two additions of `magic` would be simplified away.
template <class T>
inline Vec<T> exp2_scaled(Vec<T> t, T rate) {
  using S = Simd<T>;
  const Vec<T> z = t * rate + S::magic;
  const Vec<T> n = z - S::magic;
  const Vec<T> r = t * rate - n;
  const Vec<T> p = polynomial(S::exp2_poly, r) * r + T{1};
  const Vec<T> scaled = as_real<T>(as_bits<T>(p) + (as_bits<T>(z) << S::mantissa_bits));
  return t < S::smallest_exponent / -rate ? scaled : Vec<T>{};
}

// log2(x) of positive normal numbers, given x - 1 too: near x = 1 it is all that matters, and the
// caller may know it better than x tells.
template <class T>
inline Vec<T> log2(Vec<T> x, Vec<T> x_less_1) {
  using S = Simd<T>;
  using Int = typename S::Int;
  constexpr Int sqrt_half =
      sizeof(T) == 4 ? Int{0x3f3504f3} : static_cast<Int>(0x3fe6a09e667f3bcdLL);
  // Taking sqrt(1/2)'s bits off first centres the mantissa on 1, so s stays below 0.172.
  const IntVec<T> exponent = (as_int<T>(x) - sqrt_half) >> S::mantissa_bits;
  const Vec<T> m =
      as_real<T>(as_bits<T>(x) - (reinterpret_cast<BitsVec<T>>(exponent) << S::mantissa_bits));
  const Vec<T> s = (exponent == 0 ? x_less_1 : m - T{1}) / (m + T{1});
  return polynomial(S::log2_poly, s * s) * s + __builtin_convertvector(exponent, Vec<T>);
}

// x^y for y > 0 and x <= 1 (up to rounding); 0 for x <= 0.
template <class T>
inline Vec<T> pow_unit(Vec<T> x, T y) {
  constexpr T tiny = sizeof(T) == 4 ? static_cast<T>(0x1p-126) : static_cast<T>(0x1p-1022);
  const Vec<T> positive = x >= tiny ? x : splat(tiny);
  const Vec<T> p = exp2_scaled<T>(-log2<T>(positive, positive - T{1}), -y);
  return x >= tiny ? p : Vec<T>{};
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
