#pragma once

#include <cstddef>
#include <cstdint>

// Vector types over compiler vector extensions, one per element type. Everything lives in the
// namespace of the ISA level that includes it, so that no two levels can share a weak symbol. For
// the same reason nothing here may call an inline function of the standard library.
// FASTDIV_ISA_NAMESPACE and FASTDIV_VECTOR_BYTES come from the build.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

constexpr int vector_bytes = FASTDIV_VECTOR_BYTES;

constexpr double log2_e = 1.4426950408889634074;
constexpr double ln_2 = 0.69314718055994530942;

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
  // Coefficients of p in 2^r = 1 + r*p(r) on [-1/2, 1/2]: minimax, relative error 9.1e-8.
  static constexpr float exp2_poly[] = {0.69314697760296891618f, 0.24022242085811354026f,
                                        0.055507337369657974052f, 0.0096715126251697698351f,
                                        0.0013264729122813988863f};
  // Coefficients of q in log2(m) = s*q(s^2), with s = (m-1)/(m+1) and sqrt(1/2) <= m <= sqrt(2):
  // minimax, relative error 6.9e-10.
  static constexpr float log2_poly[] = {2.885390079788952386f, 0.96179884763437883516f,
                                        0.57671438423392881564f, 0.43173587849357752602f};
  // Coefficients of (log(m) - 2s) / s^3 in s^2, on the same m: error 1.7e-9.
  static constexpr float log_tail_poly[] = {0.66666666554497091551f, 0.40000121839806126714f,
                                            0.28550820815960663296f, 0.23330467216303836299f};
  // Coefficients of (exp(r) - 1 - r) / r^2 on |r| <= log(2)/2: error 2.9e-9.
  static constexpr float exp_tail_poly[] = {0.50000000134658092001f,  0.16666666681623231402f,
                                            0.041666464925285905408f, 0.0083333109254809008349f,
                                            0.001393364999630925043f, 0.00019890990824673653848f};
  // log(2) in two parts. Products of the first with exponents are exact.
  static constexpr float log_2_high = 0x1.62e4p-1f, log_2_low = 0x1.7f7d1cp-20f;
  static constexpr float largest_log = 88.37f, smallest_log = -87.33f;  // exp stays normal
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
  // Like those of float, with relative errors 2.2e-16 and 1.1e-18.
  static constexpr double exp2_poly[] = {0.69314718055994917559,     0.24022650695909101753,
                                         0.05550410866448181747,     0.0096181291079830764869,
                                         0.0013333558225800579242,   0.0001540352999431864203,
                                         0.000015252659427543006695, 1.3215653559334622262e-6,
                                         1.0208323022992079771e-7,   7.0381856153349017224e-9};
  static constexpr double log2_poly[] = {2.8853900817779268114,  0.96179669392598982026,
                                         0.57707801634547042499, 0.41219858585106456814,
                                         0.32059853392646233611, 0.26233440174514829724,
                                         0.22091186685788852995, 0.21367077946267186606};
  // Like those of float, with errors 2.1e-20 and 3.7e-20.
  static constexpr double log_tail_poly[] = {
      0.66666666666666666668, 0.39999999999999992501, 0.28571428571435359104,
      0.22222222219858735141, 0.18181818593656763045, 0.15384575132330097304,
      0.13335638669839822195, 0.11688123642863110896, 0.11881997202961458257};
  static constexpr double exp_tail_poly[] = {
      0.49999999999999999998,     0.16666666666666666667,   0.041666666666666676774,
      0.008333333333333334007,    0.0013888888888879073994, 0.00019841269841263299129,
      0.000024801587336442237861, 2.7557319247218730776e-6, 2.7557263278088496905e-7,
      2.5052071094293546753e-8,   2.0918137737642736429e-9, 1.6086627956780368844e-10};
  static constexpr double log_2_high = 0x1.62e42feep-1, log_2_low = 0x1.a39ef35793c76p-33;
  static constexpr double largest_log = 709.43, smallest_log = -708.39;
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

// Loads numbers as doubles. GCC makes one instruction of it. Of __builtin_convertvector it makes
// several, and with AVX2 stores and loads that wait for each other.
template <class From>
inline Vec<double> load_wide(const From* p) {
  double wide[lanes<double>];
  for (int i = 0; i < lanes<double>; ++i) {
    wide[i] = static_cast<double>(p[i]);
  }
  return load(wide);
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

// Reduces the lanes by combine(lane, lane) until one is left.
template <class T, class Combine>
inline double folded(Vec<T> v, const Combine& combine) {
  double values[lanes<T>];
  for (int i = 0; i < lanes<T>; ++i) {
    values[i] = static_cast<double>(v[i]);
  }
  for (int half = lanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      values[i] = combine(values[i], values[i + half]);
    }
  }
  return values[0];
}

// Sums the lanes: the two halves of the vector in T, and the result in double.
template <class T>
inline double total(Vec<T> v) {
  typedef T Half __attribute__((vector_size(vector_bytes / 2)));
  Half low, high;
  __builtin_memcpy(&low, &v, sizeof low);
  __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
  const Half halves = low + high;
  double sum = 0;
  for (int i = 0; i < lanes<T> / 2; ++i) {
    sum += static_cast<double>(halves[i]);
  }
  return sum;
}

// Interleaves the lanes of the lower (half = 0) or upper (half = 1) halves of a and b.
template <class T, int half>
inline Vec<T> zip(Vec<T> a, Vec<T> b) {
  IntVec<T> order;
  for (int i = 0; i < lanes<T>; ++i) {
    order[i] = static_cast<typename Simd<T>::Int>((i + half * lanes<T>) / 2 + i % 2 * lanes<T>);
  }
#if defined(__clang__)
  Vec<T> v;
  for (int i = 0; i < lanes<T>; ++i) {
    v[i] = order[i] < lanes<T> ? a[order[i]] : b[order[i] - lanes<T>];
  }
  return v;
#else
  return __builtin_shuffle(a, b, order);
#endif
}

// Transposes a square block: row i becomes lane i.
template <class T>
inline void transpose(Vec<T> (&rows)[lanes<T>]) {
  for (int step = 1; step < lanes<T>; step *= 2) {
    Vec<T> zipped[lanes<T>];
    for (int i = 0; i < lanes<T> / 2; ++i) {
      zipped[2 * i] = zip<T, 0>(rows[i], rows[i + lanes<T> / 2]);
      zipped[2 * i + 1] = zip<T, 1>(rows[i], rows[i + lanes<T> / 2]);
    }
    for (int i = 0; i < lanes<T>; ++i) {
      rows[i] = zipped[i];
    }
  }
}

// Returns the square root, or 0 below 0.
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

// Returns 2^(rate*t) for rate <= 0 and t >= 0, up to rounding. It is exactly 1 at t = 0, and
// exactly 0 once the result would leave the normal numbers. Fused multiply-adds split the product
// into integer and fraction, so r carries no rounding of the product itself. It needs IEEE
// semantics: -ffast-math would simplify the two additions of `magic` away.
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

// Returns 1 - 2^(t * rate) for t >= 0 > rate, with full relative accuracy near 0.
template <class T>
inline Vec<T> one_less_exp2_scaled(Vec<T> t, T rate) {
  using S = Simd<T>;
  const Vec<T> z = t * rate + S::magic;
  const Vec<T> n = z - S::magic;
  const Vec<T> r = t * rate - n;
  const Vec<T> p = polynomial(S::exp2_poly, r) * r;
  const Vec<T> scale = as_real<T>(as_bits<T>(splat(T{1})) + (as_bits<T>(z) << S::mantissa_bits));
  const Vec<T> value = (T{1} - scale) - scale * p;
  return t < S::smallest_exponent / -rate ? value : splat(T{1});
}

// Returns the exponent of positive normal numbers whose mantissa is between sqrt(1/2) and sqrt(2).
// So |s| stays below 0.172 in the logarithms. Other numbers are allowed, and have any exponent.
template <class T>
inline IntVec<T> centred_exponent(Vec<T> x) {
  using Int = typename Simd<T>::Int;
  constexpr Int sqrt_half =
      sizeof(T) == 4 ? Int{0x3f3504f3} : static_cast<Int>(0x3fe6a09e667f3bcdLL);
  return reinterpret_cast<IntVec<T>>(as_bits<T>(x) - sqrt_half) >> Simd<T>::mantissa_bits;
}

// Returns log2(x) of positive normal numbers, given x - 1 too. Near x = 1 only x - 1 matters, and
// the caller may know it more accurately than x tells.
template <class T>
inline Vec<T> log2(Vec<T> x, Vec<T> x_less_1) {
  using S = Simd<T>;
  const IntVec<T> exponent = centred_exponent<T>(x);
  const Vec<T> m =
      as_real<T>(as_bits<T>(x) - (reinterpret_cast<BitsVec<T>>(exponent) << S::mantissa_bits));
  const Vec<T> s = (exponent == 0 ? x_less_1 : m - T{1}) / (m + T{1});
  return polynomial(S::log2_poly, s * s) * s + __builtin_convertvector(exponent, Vec<T>);
}

// Returns t - log(x) for x > 0, given t = x - 1 too. Near x = 1 only t matters, and the caller may
// know it more accurately than x tells. Nothing cancels near 0: there t - 2s is t*s, with s = t/(2
// + t). The result is NaN below the normal numbers, and infinity for infinity.
template <class T>
inline Vec<T> less_log(Vec<T> x, Vec<T> t) {
  using S = Simd<T>;
  constexpr T huge = sizeof(T) == 4 ? static_cast<T>(0x1p126) : static_cast<T>(0x1p1022);
  constexpr T tiny = sizeof(T) == 4 ? static_cast<T>(0x1p-126) : static_cast<T>(0x1p-1022);
  const IntVec<T> exponent = centred_exponent<T>(x);
  const Vec<T> m =
      as_real<T>(as_bits<T>(x) - (reinterpret_cast<BitsVec<T>>(exponent) << S::mantissa_bits));
  const Vec<T> above = exponent == 0 ? t : m - T{1};
  const Vec<T> s = above / (above + T{2});
  const Vec<T> tail = polynomial(S::log_tail_poly, s * s) * (s * s * s);
  const Vec<T> e = __builtin_convertvector(exponent, Vec<T>);
  const Vec<T> far = t - e * S::log_2_high - (e * S::log_2_low + (s + s + tail));
  const Vec<T> value = exponent == 0 ? t * s - tail : far;
  const Vec<T> positive = x < huge ? value : t;
  return x >= tiny ? positive : splat(static_cast<T>(__builtin_nan("")));
}

// Splits exp(a) into scale * (1 + r + r^2 tail), where n is the exponent of scale. Results must be
// normal numbers.
template <class T>
struct ExpParts {
  Vec<T> n, r, tail, scale;
  explicit ExpParts(Vec<T> a) {
    using S = Simd<T>;
    const Vec<T> z = a * static_cast<T>(log2_e) + S::magic;
    n = z - S::magic;
    r = a - n * S::log_2_high - n * S::log_2_low;
    tail = polynomial(S::exp_tail_poly, r);
    constexpr typename S::Int one = typename S::Int{S::exponent_bias} << S::mantissa_bits;
    scale = as_real<T>((as_bits<T>(z) << S::mantissa_bits) + static_cast<decltype(one)>(one));
  }
};

// Returns exp(a): 0 below the normal numbers, infinity above them, NaN for NaN.
template <class T>
inline Vec<T> exp(Vec<T> a) {
  using S = Simd<T>;
  const ExpParts<T> e(a);
  const Vec<T> value = e.scale * (e.r * e.r * e.tail + e.r + T{1});
  const Vec<T> bounded = a < S::smallest_log ? Vec<T>{} : value;
  return a > S::largest_log ? splat(static_cast<T>(__builtin_inf())) : bounded;
}

// Returns exp(a) - 1 - a, without cancellation near 0. With a = n log(2) + r and scale = 2^n it is
// scale r^2 tail + (scale - 1)(1 + r) - n log(2). It is infinity above the range, and NaN for NaN.
template <class T>
inline Vec<T> exp_less_1(Vec<T> a) {
  using S = Simd<T>;
  const ExpParts<T> e(a);
  const Vec<T> more = e.scale - T{1};
  const Vec<T> value = e.scale * (e.r * e.r * e.tail) + (more * e.r + more) - e.n * S::log_2_high -
                       e.n * S::log_2_low;
  const Vec<T> bounded = a < S::smallest_log ? T{-1} - a : value;
  return a > S::largest_log ? splat(static_cast<T>(__builtin_inf())) : bounded;
}

// Returns x^y for y > 0 and x <= 1 (up to rounding), or 0 if x is not a positive normal number.
template <class T>
inline Vec<T> pow_unit(Vec<T> x, T y) {
  constexpr T tiny = sizeof(T) == 4 ? static_cast<T>(0x1p-126) : static_cast<T>(0x1p-1022);
  const Vec<T> positive = x >= tiny ? x : splat(tiny);
  const Vec<T> p = exp2_scaled<T>(-log2<T>(positive, positive - T{1}), -y);
  return x >= tiny ? p : Vec<T>{};
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
