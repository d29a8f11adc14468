#pragma once

#include "isa/distribution_ops.hpp"
#include "isa/simd.hpp"

// Sums over consecutive categories of one or two categorical distributions, given their
// normalisers. With l = log q - log p,
//
//   KL(p || q) = sum_i p_i (exp(l_i) - 1 - l_i).
//
// Every term is at least 0 and free of cancellation. An error of the normalisers shifts all l
// alike, and enters squared.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Categories whose terms are added in their own type before they go to a double.
constexpr int category_chunk = 512;

template <class C>
constexpr C infinity = static_cast<C>(__builtin_inf());

// Returns exp(-t) for t >= 0.
template <class C>
inline Vec<C> exp_minus(Vec<C> t) {
  return exp2_scaled<C>(t, static_cast<C>(-log2_e));
}

// Returns categories [begin, begin + n), as given or as logits, followed by impossible ones up to a
// whole number of vectors. They are read in place where possible, and otherwise gathered in
// `buffer`.
template <class C, bool as_logits, class T>
const C* chunk(const CategoricalItem<T>& item, std::ptrdiff_t begin, int n, C* buffer) {
  const bool logarithms = as_logits && item.weights == Weights::probs;
  const T* from = item.values + begin * item.stride;
  if constexpr (sizeof(C) == sizeof(T)) {
    if (item.stride == 1 && n % lanes<C> == 0 && !logarithms) {
      return from;
    }
  }
  for (int i = 0; i < n; ++i) {
    buffer[i] = static_cast<C>(from[i * item.stride]);
  }
  if (logarithms) {
    for (int i = 0; i < n; ++i) {
      buffer[i] = static_cast<C>(__builtin_log(static_cast<double>(buffer[i])));
    }
  }
  for (int i = n; i % lanes<C> != 0; ++i) {
    buffer[i] = as_logits || item.weights == Weights::logits ? -infinity<C> : C{0};
  }
  return buffer;
}

// Calls visit(begin, n) for each chunk of [0, n).
template <class Visit>
inline void for_each_chunk(std::ptrdiff_t n, const Visit& visit) {
  for (std::ptrdiff_t begin = 0; begin < n; begin += category_chunk) {
    visit(begin, static_cast<int>(n - begin < category_chunk ? n - begin : category_chunk));
  }
}

// --- one distribution ---------------------------------------------------------------------------

// Adds logits to the sum exp(largest) * (1 + rest). The leading 1 is kept apart, since it would
// hide a small rest. The sum becomes NaN if a logit is NaN.
template <class C>
void add_logits(const C* logits, int n, Normaliser& sum) {
  Vec<C> top = splat(-infinity<C>);
  for (int i = 0; i < n; i += lanes<C>) {
    const Vec<C> v = load(logits + i);
    top = v > top ? v : top;
  }
  const auto larger = [](double a, double b) { return a > b ? a : b; };
  const double largest = larger(folded<C>(top, larger), sum.extreme);
  double leading = 0;
  if (largest > sum.extreme) {
    if (sum.extreme > -infinity<double>) {
      sum.rest = (1 + sum.rest) * __builtin_exp(sum.extreme - largest);
    }
    sum.extreme = largest;
    leading = 1;
  }
  Vec<C> rest = {};
  IntVec<C> equal = {}, ordered = ~IntVec<C>{};
  for (int i = 0; i < n; i += lanes<C>) {
    const Vec<C> v = load(logits + i);
    const auto is_largest = v == static_cast<C>(largest);
    rest += is_largest ? Vec<C>{} : exp_minus<C>(static_cast<C>(largest) - v);
    equal -= is_largest;
    ordered &= v <= static_cast<C>(largest);
  }
  sum.rest += total<C>(rest);
  if (largest > -infinity<double>) {
    sum.rest += total<C>(__builtin_convertvector(equal, Vec<C>)) - leading;
  }
  sum.rest += total<C>(ordered ? Vec<C>{} : splat(static_cast<C>(__builtin_nan(""))));
}

inline void add_probs(const double* probs, int n, Normaliser& sum) {
  Vec<double> least = splat(sum.extreme), mass = {};
  for (int i = 0; i < n; i += lanes<double>) {
    const Vec<double> v = load(probs + i);
    least = v < least ? v : least;
    mass += v;
  }
  sum.extreme = folded<double>(least, [](double a, double b) { return a < b ? a : b; });
  sum.rest += total<double>(mass);
}

template <class T>
Normaliser normaliser(const CategoricalItem<T>& item, std::ptrdiff_t n) {
  Normaliser sum = no_categories(item.weights);
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    if (item.weights == Weights::logits) {
      T buffer[category_chunk];
      add_logits<T>(chunk<T, false>(item, begin, count, buffer), count, sum);
    } else {
      double buffer[category_chunk];
      add_probs(chunk<double, false>(item, begin, count, buffer), count, sum);
    }
  });
  return sum;
}

// Numbers that turn logits into probabilities: their largest, and the log and reciprocal of the sum
// that remains.
template <class C>
struct LogRow {
  double log_rest;  // the log normaliser is largest + log_rest
  C largest, shift, scale;
  template <class T>
  explicit LogRow(const CategoricalItem<T>& item) {
    const bool logits = item.weights == Weights::logits;
    const double rest = logits ? item.normaliser.rest : item.normaliser.rest - 1;
    log_rest = __builtin_log1p(rest);
    largest = logits ? static_cast<C>(item.normaliser.extreme) : C{0};
    shift = static_cast<C>(log_rest);
    scale = static_cast<C>(1 / (1 + rest));
  }
};

// Sums w (-log w) / (1 + rest) with w = exp(logit - largest). The caller adds log(1 + rest).
template <class T>
double entropy_of_logits(const CategoricalItem<T>& item, std::ptrdiff_t n) {
  const LogRow<T> row(item);
  double sum = 0;
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    T buffer[category_chunk];
    const T* logits = chunk<T, false>(item, begin, count, buffer);
    Vec<T> part = {};
    for (int i = 0; i < count; i += lanes<T>) {
      const Vec<T> t = row.largest - load(logits + i);
      const Vec<T> w = exp_minus<T>(t);
      part += w > T{0} ? w * t : Vec<T>{};
    }
    sum += total<T>(part);
  });
  return sum / (1 + item.normaliser.rest);
}

template <class T>
double entropy_of_probs(const CategoricalItem<T>& item, std::ptrdiff_t n) {
  const double scale = 1 / item.normaliser.rest;
  double sum = 0;
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    double buffer[category_chunk];
    const double* probs = chunk<double, false>(item, begin, count, buffer);
    Vec<double> part = {};
    for (int i = 0; i < count; i += lanes<double>) {
      const Vec<double> v = load(probs + i) * scale;
      const Vec<double> p = v < 1.0 ? v : splat(1.0);
      part -= p > 0.0 ? p * log2<double>(p, p - 1.0) : Vec<double>{};
    }
    sum += total<double>(part);
  });
  return sum * ln_2;
}

template <class T>
double entropy(const CategoricalItem<T>& item, std::ptrdiff_t n) {
  return item.weights == Weights::logits ? entropy_of_logits(item, n) : entropy_of_probs(item, n);
}

// --- two distributions --------------------------------------------------------------------------

// Exact difference a - b, as a rounded value and its error. The difference must not overflow.
template <class V>
struct Difference {
  V value, error;
  Difference(V a, V b) : value(a - b) {
    const V back = value - a;
    error = (a - (value - back)) - (b + back);
  }
};

// Computes log q - log p from finite logits. It is infinite or NaN if that overflows.
template <class C>
struct LogRatioOf {
  C largest_p, largest_q;
  Difference<C> shift;  // of the largest logits
  C log_rest;           // difference of the logarithms that are still to be subtracted
  bool overflow;
  LogRatioOf(const LogRow<C>& p, const LogRow<C>& q)
      : largest_p(p.largest),
        largest_q(q.largest),
        shift(q.largest, p.largest),
        log_rest(static_cast<C>(q.log_rest - p.log_rest)),
        overflow(!(shift.value - shift.value == C{0})) {}
  // Returns log q - log p. Rounding errors of the differences matter where the normalisers cancel
  // most of them. If the shift overflows, logits of one row are equal or too far apart for both to
  // count.
  Vec<C> operator()(Vec<C> logit_p, Vec<C> logit_q) const {
    if (overflow) [[unlikely]] {
      return (logit_q - largest_q) - (logit_p - largest_p) - log_rest;
    }
    const Difference<Vec<C>> d(logit_q, logit_p);
    return (d.value - shift.value) + ((d.error - shift.error) - log_rest);
  }
};

// Least logarithm of a probability that counts. A category less likely than this counts as
// impossible, except that p > 0 = q remains infinite. The largest exp(l) is its reciprocal.
template <class C>
constexpr C least_log = sizeof(C) == 4 ? C{-80} : C{-700};

template <class C, class T>
DivergenceSums kl_of_logits(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                            std::ptrdiff_t n) {
  const LogRow<C> row_p(p), row_q(q);
  const LogRatioOf<C> log_ratio(row_p, row_q);
  const C farthest = -least_log<C> - row_p.shift;
  DivergenceSums sums = {0, 0};
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    C buffers[2][category_chunk];
    const C* logits_p = chunk<C, true>(p, begin, count, buffers[0]);
    const C* logits_q = chunk<C, true>(q, begin, count, buffers[1]);
    Vec<C> divergence = {}, mean = {};
    for (int i = 0; i < count; i += lanes<C>) {
      const Vec<C> a = load(logits_p + i), b = load(logits_q + i);
      const Vec<C> t = row_p.largest - a;
      const auto likely = t <= farthest;
      const Vec<C> weight = exp_minus<C>(likely ? t : splat(farthest)) * row_p.scale;
      const Vec<C> above = (b - row_q.largest) - row_q.shift - least_log<C>;
      const Vec<C> l = likely ? log_ratio(a, b) : above > C{0} ? above : Vec<C>{};
      const auto possible = b > -infinity<C>;
      const Vec<C> if_impossible = a > -infinity<C> ? splat(infinity<C>) : Vec<C>{};
      divergence += possible ? weight * exp_less_1<C>(l) : if_impossible;
      mean += possible ? weight * l : Vec<C>{};
    }
    const double part = total<C>(divergence);
    sums.divergence += part;
    sums.excess += part + total<C>(mean);
  });
  return sums;
}

// Factors that normalise given probabilities.
struct ProbRows {
  double scale_p, scale_q, ratio_less_1;
  template <class T>
  ProbRows(const CategoricalItem<T>& p, const CategoricalItem<T>& q)
      : scale_p(1 / p.normaliser.rest),
        scale_q(1 / q.normaliser.rest),
        ratio_less_1((p.normaliser.rest - q.normaliser.rest) / q.normaliser.rest) {}
  // Returns (q * scale_q - p * scale_p) / scale_p. The difference is exact for p near q.
  Vec<double> difference(Vec<double> p, Vec<double> q) const { return (q - p) + q * ratio_less_1; }
};

template <class T>
DivergenceSums kl_of_probs(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                           std::ptrdiff_t n) {
  constexpr double least_normal = 0x1p-1022;
  const ProbRows rows(p, q);
  double sum = 0;
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    double buffers[2][category_chunk];
    const double* probs_p = chunk<double, false>(p, begin, count, buffers[0]);
    const double* probs_q = chunk<double, false>(q, begin, count, buffers[1]);
    Vec<double> part = {};
    for (int i = 0; i < count; i += lanes<double>) {
      const Vec<double> a = load(probs_p + i), b = load(probs_q + i);
      const Vec<double> difference = rows.difference(a, b);
      // Scales a small q up by 2^100, so that the ratio is a normal number.
      const auto small = b < 0x1p-900;
      const Vec<double> ratio = (small ? b * 0x1p100 : b) * (1 + rows.ratio_less_1) / a;
      constexpr double log_2_100 = 69.314718055994530942;  // log(2^100)
      const Vec<double> term =
          less_log<double>(ratio, difference / a) + (small ? splat(log_2_100) : Vec<double>{});
      const Vec<double> positive = difference > 0.0 ? difference : Vec<double>{};
      const Vec<double> finite = a >= least_normal ? a * term : positive;
      part += b > 0.0 ? finite : a > 0.0 ? splat(infinity<double>) : Vec<double>{};
    }
    sum += total<double>(part);
  });
  return {sum * rows.scale_p, 0};
}

template <class T>
DivergenceSums categorical_kl(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                              std::ptrdiff_t n) {
  if (p.weights != q.weights) {
    return kl_of_logits<double>(p, q, n);
  }
  return p.weights == Weights::logits ? kl_of_logits<T>(p, q, n) : kl_of_probs(p, q, n);
}

// Returns (p log(p/m) + q log(q/m)) / 2 with m = (p + q)/2, given q - p without cancellation. With
// t = (q - p)/(p + q) and L(x) = x - 1 - log(x), it is m/2 (2 t^2 - (1 + t) L(1 + t) - (1 - t) L(1
// - t)). L(1 + t) is near t^2/2.
inline Vec<double> jensen_shannon_term(Vec<double> p, Vec<double> q, Vec<double> difference) {
  const Vec<double> m = (p + q) / 2.0;
  const Vec<double> t = difference / (p + q);
  const auto part = [](Vec<double> x, Vec<double> x_less_1) {
    return x >= 0x1p-1022 ? x * less_log<double>(x, x_less_1) : Vec<double>{};
  };
  const Vec<double> value = m / 2.0 * (2.0 * t * t - part(q / m, t) - part(p / m, -t));
  return m > 0.0 ? value : Vec<double>{};
}

template <class T>
DivergenceSums jensen_shannon(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                              std::ptrdiff_t n) {
  const bool probs = p.weights == Weights::probs && q.weights == Weights::probs;
  const ProbRows rows(p, q);
  const LogRow<double> row_p(p), row_q(q);
  const LogRatioOf<double> log_ratio(row_p, row_q);
  DivergenceSums sums = {0, 0};
  for_each_chunk(n, [&](std::ptrdiff_t begin, int count) {
    double buffers[2][category_chunk];
    const auto read = probs ? chunk<double, false, T> : chunk<double, true, T>;
    const double* from_p = read(p, begin, count, buffers[0]);
    const double* from_q = read(q, begin, count, buffers[1]);
    Vec<double> divergence = {}, excess = {};
    for (int i = 0; i < count; i += lanes<double>) {
      const Vec<double> a = load(from_p + i), b = load(from_q + i);
      if (probs) {
        const Vec<double> difference = rows.difference(a, b) * rows.scale_p;
        divergence += jensen_shannon_term(a * rows.scale_p, b * rows.scale_q, difference);
        excess += difference;
      } else {
        const Vec<double> mass_p = exp_minus<double>(row_p.largest - a) * row_p.scale;
        const Vec<double> mass_q = exp_minus<double>(row_q.largest - b) * row_q.scale;
        const Vec<double> l = log_ratio(a, b);
        const Vec<double> difference =
            abs<double>(l) < 1.0 ? mass_p * (exp_less_1<double>(l) + l) : mass_q - mass_p;
        divergence += jensen_shannon_term(mass_p, mass_q, difference);
        excess += difference;
      }
    }
    sums.divergence += total<double>(divergence);
    sums.excess += total<double>(excess);
  });
  return sums;
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
