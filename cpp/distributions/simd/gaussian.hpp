#pragma once

#include "isa/distribution_ops.hpp"
#include "isa/simd.hpp"

// Kullback-Leibler divergences between Gaussians, item by item. With M = L_q^-1 L_p,
//
//   2 KL = sum_i (M_ii^2 - 1 - 2 log M_ii) + sum_{i>j} M_ij^2 + |L_q^-1 (mean_p - mean_q)|^2,
//
// where every term is at least 0 and, through t - log(1 + t), free of cancellation: equal
// distributions give exactly 0, and nearly equal ones keep their digits.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// --- diagonal covariances: the lanes of a vector are features ----------------------------------

// Features at a time; their terms are added in T before they go to a double.
constexpr int feature_chunk = 256;

// 2 KL of one vector of features, for parameters that are both given as `scale`.
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

// `uniform`: all features of q are as the first, so that what depends on q leaves the loop.
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
    T rest[3][lanes<T>];
    for (int l = 0; l < lanes<T>; ++l) {
      const bool inside = k + l < n;
      const int at_q = uniform ? 0 : k + l;
      rest[0][l] = inside ? mean_p[k + l] - mean_q[at_q] : T{0};
      rest[1][l] = inside ? p[k + l] : T{1};
      rest[2][l] = inside ? q[at_q] : T{1};
    }
    sum += twice_kl<T, scale>(load(rest[0]), load(rest[1]), load(rest[2]));
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

// `n` values from `from` on: in place, or gathered.
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
      // Different parametrisations, and ratios outside T's range, meet in double precision and in
      // logarithms, which leave enough digits of a small difference.
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

// Gradients of KL with respect to mean_p and to both parameters, in double precision. With
// r = sigma_p^2 / sigma_q^2 - 1 and z = (mean_p - mean_q) / sigma_q they are z / sigma_q,
// r d log(sigma_p)/dp and -(r + z^2) d log(sigma_q)/dq; r does not cancel for p near q.
constexpr int gradient_chunk = 64;

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
    const Vec<double> log_ratio = twice * (p - q);
    unit = exp<double>(q * (-twice / 2));
    less_1 = log_ratio > -40.0 ? exp_less_1<double>(log_ratio) + log_ratio : splat(-1.0);
  }
}

template <Scale scale>
void gradient_terms(const double* difference, const double* p, const double* q, double* means,
                    double* by_p, double* by_q) {
  for (int k = 0; k < gradient_chunk; k += lanes<double>) {
    Vec<double> less_1, unit;
    ratio_and_unit<scale>(load(p + k), load(q + k), less_1, unit);
    const Vec<double> z = load(difference + k) * unit;
    store(means + k, z * unit);
    store(by_p + k, less_1);
    store(by_q + k, -(less_1 + z * z));
  }
}

// Turns derivatives by log(sigma) into those by the parameter.
inline void chain(Scale scale, const double* parameter, double* derivative) {
  const double half = scale == Scale::var || scale == Scale::logvar ? 0.5 : 1;
  const bool is_log = scale == Scale::logstd || scale == Scale::logvar;
  for (int k = 0; k < gradient_chunk; ++k) {
    derivative[k] *= is_log ? half : half / parameter[k];
  }
}

// by_q may be null.
template <class T>
void diagonal_gradients(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim,
                        double* means, double* by_p, double* by_q) {
  constexpr decltype(&gradient_terms<Scale::std>) terms[] = {
      gradient_terms<Scale::std>, gradient_terms<Scale::var>, gradient_terms<Scale::logstd>,
      gradient_terms<Scale::logvar>};
  for (std::ptrdiff_t first = 0; first < dim; first += gradient_chunk) {
    const int n = static_cast<int>(dim - first < gradient_chunk ? dim - first : gradient_chunk);
    double difference[gradient_chunk], of_p[gradient_chunk], of_q[gradient_chunk];
    double results[3][gradient_chunk];
    for (int k = 0; k < gradient_chunk; ++k) {
      // Beyond the end, the last feature again.
      const std::ptrdiff_t at = first + (k < n ? k : n - 1);
      difference[k] = static_cast<double>(p.mean[at * p.mean_stride]) -
                      static_cast<double>(q.mean[at * q.mean_stride]);
      of_p[k] = static_cast<double>(p.parameter[at * p.row_stride]);
      of_q[k] = static_cast<double>(q.parameter[at * q.row_stride]);
    }
    if (p.scale == q.scale) {
      terms[static_cast<int>(p.scale)](difference, of_p, of_q, results[0], results[1], results[2]);
    } else {
      double log_p[gradient_chunk], log_q[gradient_chunk];
      log_variances(of_p, 1, p.scale, gradient_chunk, log_p);
      log_variances(of_q, 1, q.scale, gradient_chunk, log_q);
      gradient_terms<Scale::logvar>(difference, log_p, log_q, results[0], results[1], results[2]);
    }
    chain(p.scale, of_p, results[1]);
    chain(q.scale, of_q, results[2]);
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(double);
    __builtin_memcpy(means + first, results[0], bytes);
    __builtin_memcpy(by_p + first, results[1], bytes);
    if (by_q != nullptr) {
      __builtin_memcpy(by_q + first, results[2], bytes);
    }
  }
}

// --- full covariances: the lanes of a vector are items, in double precision --------------------

using Lane = Vec<double>;
constexpr int items_at_once = lanes<double>;

// A square matrix per lane.
struct Matrices {
  double* data;
  int dim;
  double* at(int i, int j) const {
    return data + (static_cast<std::ptrdiff_t>(i) * dim + j) * items_at_once;
  }
  Lane get(int i, int j) const { return load(at(i, j)); }
  void set(int i, int j, Lane v) const { store(at(i, j), v); }
};

// Rows and columns are taken in blocks of 4: each load of a panel then serves 4 multiply-adds.
constexpr int block_dim = 4;

inline int block_size(int begin, int dim) {
  return begin + block_dim <= dim ? block_dim : 1;
}

// acc[r][c] -= sum_k a(i + r, k) b(k), with b(k) = b(j + c, k) or, transposed, b(k, j + c)
template <int R, int C, bool transposed>
[[gnu::always_inline]] inline void subtract_products(Lane (&acc)[R][C], const Matrices& a, int i,
                                                     const Matrices& b, int j, int begin, int end) {
  for (int k = begin; k < end; ++k) {
    Lane from_b[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      from_b[c] = transposed ? b.get(k, j + c) : b.get(j + c, k);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Lane from_a = a.get(i + r, k);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        acc[r][c] -= from_a * from_b[c];
      }
    }
  }
}

template <int R, int C, class Visit>
[[gnu::always_inline]] inline void for_each_entry(const Visit& visit) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      visit(r, c);
    }
  }
}

template <int N>
struct Size {
  static constexpr int value = N;
};
// visit(Size, Size): the sizes of a block become compile-time constants.
template <class Visit>
inline void with_sizes(int rows, int cols, const Visit& visit) {
  if (rows == block_dim && cols == block_dim) {
    visit(Size<block_dim>{}, Size<block_dim>{});
  } else if (rows == block_dim) {
    visit(Size<block_dim>{}, Size<1>{});
  } else if (cols == block_dim) {
    visit(Size<1>{}, Size<block_dim>{});
  } else {
    visit(Size<1>{}, Size<1>{});
  }
}

// The block of a Cholesky factor on the diagonal at j, all columns before it being done.
template <int N>
void factor_diagonal_block(const Matrices& a, int j, double* reciprocals) {
  // Below this, a pivot is the rounding error of its subtractions: the matrix is singular.
  const double noise = 0x1p-52 * a.dim;
  Lane acc[N][N], least[N];
  for_each_entry<N, N>([&](int r, int c) { acc[r][c] = a.get(j + r, j + c); });
#pragma GCC unroll 4
  for (int c = 0; c < N; ++c) {
    least[c] = abs<double>(acc[c][c]) * noise;
  }
  subtract_products<N, N, false>(acc, a, j, a, j, 0, j);
#pragma GCC unroll 4
  for (int c = 0; c < N; ++c) {
#pragma GCC unroll 4
    for (int k = 0; k < c; ++k) {
      acc[c][c] -= acc[c][k] * acc[c][k];
    }
    const Lane root = sqrt<double>(acc[c][c]);
    acc[c][c] = acc[c][c] > least[c] ? root : splat(__builtin_nan(""));
    const Lane reciprocal = 1.0 / acc[c][c];
    store(reciprocals + (j + c) * items_at_once, reciprocal);
#pragma GCC unroll 4
    for (int r = c + 1; r < N; ++r) {
#pragma GCC unroll 4
      for (int k = 0; k < c; ++k) {
        acc[r][c] -= acc[r][k] * acc[c][k];
      }
      acc[r][c] *= reciprocal;
    }
  }
  for_each_entry<N, N>([&](int r, int c) { a.set(j + r, j + c, acc[r][c]); });
}

// Its blocks below.
template <int R, int C>
void factor_block_below(const Matrices& a, int i, int j, const double* reciprocals) {
  Lane acc[R][C];
  for_each_entry<R, C>([&](int r, int c) { acc[r][c] = a.get(i + r, j + c); });
  subtract_products<R, C, false>(acc, a, i, a, j, 0, j);
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
    const Lane reciprocal = load(reciprocals + (j + c) * items_at_once);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int k = 0; k < c; ++k) {
        acc[r][c] -= acc[r][k] * a.get(j + c, j + k);
      }
      acc[r][c] *= reciprocal;
    }
  }
  for_each_entry<R, C>([&](int r, int c) { a.set(i + r, j + c, acc[r][c]); });
}

// Cholesky factors in place of the lower triangles, and the reciprocals of their diagonals; NaN
// from the first pivot on that is not positive.
inline void factor_in_place(const Matrices& a, double* reciprocals) {
  const int dim = a.dim;
  for (int j = 0; j < dim; j += block_size(j, dim)) {
    const int cols = block_size(j, dim);
    if (cols == block_dim) {
      factor_diagonal_block<block_dim>(a, j, reciprocals);
    } else {
      factor_diagonal_block<1>(a, j, reciprocals);
    }
    for (int i = j + cols; i < dim; i += block_size(i, dim)) {
      with_sizes(block_size(i, dim), cols, [&](auto r, auto c) {
        factor_block_below<decltype(r)::value, decltype(c)::value>(a, i, j, reciprocals);
      });
    }
  }
}

// b = l^-1 b for lower triangular matrices. The diagonal of the result comes from a true division:
// for b = l it is exactly 1 and the rest exactly 0.
inline void solve_in_place(const Matrices& l, const double* reciprocals, const Matrices& b) {
  const int dim = l.dim;
  for (int j = 0; j < dim; j += block_size(j, dim)) {
    for (int i = j; i < dim; i += block_size(i, dim)) {
      with_sizes(block_size(i, dim), block_size(j, dim), [&](auto rows, auto cols) {
        constexpr int R = decltype(rows)::value, C = decltype(cols)::value;
        Lane acc[R][C];
        for_each_entry<R, C>(
            [&](int r, int c) { acc[r][c] = i + r < j + c ? Lane{} : b.get(i + r, j + c); });
        subtract_products<R, C, true>(acc, l, i, b, j, j, i);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const Lane reciprocal = load(reciprocals + (i + r) * items_at_once);
#pragma GCC unroll 4
          for (int c = 0; c < C; ++c) {
#pragma GCC unroll 4
            for (int k = 0; k < r; ++k) {
              acc[r][c] -= l.get(i + r, i + k) * acc[k][c];
            }
            acc[r][c] = i + r == j + c ? acc[r][c] / l.get(i + r, i + r) : acc[r][c] * reciprocal;
          }
        }
        // With the zeros above the diagonal, which the blocks below read.
        for_each_entry<R, C>([&](int r, int c) { b.set(i + r, j + c, acc[r][c]); });
      });
    }
  }
}

inline void store_reciprocals(const Matrices& l, double* reciprocals) {
  for (int i = 0; i < l.dim; ++i) {
    store(reciprocals + i * items_at_once, 1.0 / l.get(i, i));
  }
}

// `n` <= items_at_once consecutive entries as doubles.
template <class T>
inline Lane load_entries(const T* from, std::ptrdiff_t stride, int n) {
  if (n == items_at_once && stride == 1) {
    if constexpr (sizeof(T) == sizeof(double)) {
      return load(from);
    } else {
      typedef float Half __attribute__((vector_size(vector_bytes / 2)));
      Half v;
      __builtin_memcpy(&v, from, sizeof v);
      return __builtin_convertvector(v, Lane);
    }
  }
  Lane v = {};
  for (int k = 0; k < n; ++k) {
    v[k] = static_cast<double>(from[k * stride]);
  }
  return v;
}

// Entries [begin, begin + n) of every item, `stride` apart, to n lanes from `to` on. Each cache
// line of an item is read once, wherever it lies: items a power of two apart share cache sets.
// `ahead` bytes away lie the items of the next call, which the processor would not guess.
template <class T>
inline void load_lanes(const T* const (&from)[items_at_once], std::ptrdiff_t begin,
                       std::ptrdiff_t stride, int n, std::ptrdiff_t ahead, double* to) {
  Lane block[items_at_once];
  for (int lane = 0; lane < items_at_once; ++lane) {
    const auto address = reinterpret_cast<std::intptr_t>(from[lane] + begin * stride);
    __builtin_prefetch(reinterpret_cast<const void*>(address + ahead), 0, 2);
    block[lane] = load_entries(from[lane] + begin * stride, stride, n);
  }
  transpose<double>(block);
  for (int k = 0; k < n; ++k) {
    store(to + k * items_at_once, block[k]);
  }
}

// The parameters, at least their lower triangles; the rest above the diagonal only if `whole`.
// Lanes from `count` on repeat the first item.
template <class T>
void load_matrices(const GaussianItem<T>* items, int count, bool whole, const Matrices& to) {
  const int dim = to.dim;
  const T* from[items_at_once];
  for (int lane = 0; lane < items_at_once; ++lane) {
    from[lane] = items[lane < count ? lane : 0].parameter;
  }
  std::ptrdiff_t row = items[0].row_stride, col = items[0].col_stride;
  if (row == 1 && items[0].scale != Scale::scale_tril) {
    row = col;  // symmetric, so either order of the axes will do
    col = 1;
  }
  // Only while the next items fit into the cache beside these.
  const std::ptrdiff_t ahead =
      dim <= 32 ? (from[1] - from[0]) * static_cast<std::ptrdiff_t>(items_at_once * sizeof(T)) : 0;
  if (row == dim && col == 1 && dim <= items_at_once) {
    const int size = dim * dim;
    for (int k = 0; k < size; k += items_at_once) {
      load_lanes(from, k, 1, size - k < items_at_once ? size - k : items_at_once, ahead,
                 to.data + k * items_at_once);
    }
    return;
  }
  for (int i = 0; i < dim; ++i) {
    // Blocks on the diagonal are read whole.
    const int end = whole || i + block_dim > dim ? dim : i + block_dim;
    for (int j = 0; j < end; j += items_at_once) {
      load_lanes(from, j, col, dim - j < items_at_once ? dim - j : items_at_once, ahead,
                 to.at(i, j));
    }
    for (const T*& each : from) {
      each += row;
    }
  }
}

// The transposes about the other diagonal, of lower triangular matrices.
inline void flip(const Matrices& l) {
  const int last = l.dim - 1;
  for (int i = 0; i <= last; ++i) {
    for (int j = 0; j <= i && i + j < last; ++j) {
      const Lane v = l.get(i, j);
      l.set(i, j, l.get(last - j, last - i));
      l.set(last - j, last - i, v);
    }
  }
}

template <class T>
double standard_deviation(T parameter, Scale scale) {
  const double value = static_cast<double>(parameter);
  return scale == Scale::std   ? value
         : scale == Scale::var ? __builtin_sqrt(value)
                               : __builtin_exp(scale == Scale::logstd ? value : value / 2);
}

// Lower triangular factors of the covariances with a positive diagonal, and its reciprocals.
// `spare` is another matrix, overwritten.
template <class T>
void load_factor(const GaussianItem<T>* items, int count, const Matrices& l, double* reciprocals,
                 const Matrices& spare) {
  const int dim = l.dim;
  const Scale scale = items[0].scale;
  if (is_diagonal(scale)) {
    for (int i = 0; i < dim; ++i) {
      for (int j = 0; j < i; ++j) {
        l.set(i, j, Lane{});
      }
      for (int lane = 0; lane < items_at_once; ++lane) {
        const GaussianItem<T>& item = items[lane < count ? lane : 0];
        l.at(i, i)[lane] = standard_deviation(item.parameter[i * item.row_stride], scale);
      }
    }
    store_reciprocals(l, reciprocals);
  } else if (scale == Scale::cov) {
    load_matrices(items, count, false, l);
    factor_in_place(l, reciprocals);
  } else if (scale == Scale::scale_tril) {
    load_matrices(items, count, false, l);
    for (int j = 0; j < dim; ++j) {
      const Lane sign = l.get(j, j) < 0.0 ? splat(-1.0) : splat(1.0);
      for (int i = j; i < dim; ++i) {
        l.set(i, j, l.get(i, j) * sign);
      }
    }
    store_reciprocals(l, reciprocals);
  } else {
    // With J the reversal of the features and J precision J = R R^T, the covariance is
    // (J R^-T J)(J R^-T J)^T, and J R^-T J is lower triangular.
    load_matrices(items, count, false, spare);
    flip(spare);
    factor_in_place(spare, reciprocals);
    for (int i = 0; i < dim; ++i) {
      for (int j = 0; j <= i; ++j) {
        l.set(i, j, splat(i == j ? 1.0 : 0.0));
      }
    }
    solve_in_place(spare, reciprocals, l);
    flip(l);
    store_reciprocals(l, reciprocals);
  }
}

// Three matrices and two vectors.
inline std::size_t gaussian_scratch_size(int dim) {
  return (3 * static_cast<std::size_t>(dim) + 2) * static_cast<std::size_t>(dim) * items_at_once;
}

template <class T>
void full_kl(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
             double* scratch, double* out) {
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(dim) * dim * items_at_once;
  const Matrices m{scratch, dim}, l_q{scratch + size, dim}, spare{scratch + 2 * size, dim};
  double* reciprocals = scratch + 3 * size;
  double* z = reciprocals + dim * items_at_once;
  load_factor(p, count, m, reciprocals, spare);
  load_factor(q, count, l_q, reciprocals, spare);
  solve_in_place(l_q, reciprocals, m);

  Lane twice = {};
  for (int i = 0; i < dim; ++i) {
    const Lane ratio = m.get(i, i), less_1 = ratio - 1.0;
    twice += less_1 * less_1 + 2.0 * less_log<double>(ratio, less_1);
    for (int j = 0; j < i; ++j) {
      const Lane below = m.get(i, j);
      twice += below * below;
    }
  }
  for (int i = 0; i < dim; ++i) {
    Lane v = {};
    for (int lane = 0; lane < items_at_once; ++lane) {
      const int item = lane < count ? lane : 0;
      v[lane] = static_cast<double>(p[item].mean[i * p[item].mean_stride]) -
                static_cast<double>(q[item].mean[i * q[item].mean_stride]);
    }
    for (int k = 0; k < i; ++k) {
      v -= l_q.get(i, k) * load(z + k * items_at_once);
    }
    v *= load(reciprocals + i * items_at_once);
    store(z + i * items_at_once, v);
    twice += v * v;
  }
  for (int lane = 0; lane < count; ++lane) {
    out[lane] = twice[lane] / 2;
  }
}

template <class T>
void matrix_status(const GaussianItem<T>* items, int count, int dim, double* scratch,
                   std::uint8_t* status) {
  const Matrices a{scratch, dim};
  load_matrices(items, count, true, a);
  Lane finite = {}, difference = {}, above = {}, largest = {}, least = splat(__builtin_inf());
  const auto larger = [](Lane x, Lane y) { return x > y ? x : y; };
  for (int i = 0; i < dim; ++i) {
    const Lane diagonal = abs<double>(a.get(i, i));
    finite += diagonal - diagonal;  // NaN unless finite
    largest = larger(diagonal, largest);
    least = diagonal < least ? diagonal : least;
    for (int j = 0; j < i; ++j) {
      const Lane lower = a.get(i, j), upper = a.get(j, i);
      finite += (lower - lower) + (upper - upper);
      difference = larger(abs<double>(lower - upper), difference);
      above = larger(abs<double>(upper), above);
    }
  }
  const bool triangular = items[0].scale == Scale::scale_tril;
  if (!triangular) {
    factor_in_place(a, scratch + static_cast<std::ptrdiff_t>(dim) * dim * items_at_once);
  }
  constexpr double root_of_epsilon = sizeof(T) == 4 ? 0x1p-11 : 0x1p-26;
  for (int lane = 0; lane < count; ++lane) {
    status[lane] = matrix_is_fine;
    if (!(finite[lane] == 0)) {
      status[lane] = not_finite;
    } else if (triangular) {
      status[lane] = above[lane] > 0   ? not_lower_triangular
                     : least[lane] > 0 ? matrix_is_fine
                                       : zero_on_diagonal;
    } else if (difference[lane] > root_of_epsilon * largest[lane]) {
      status[lane] = not_symmetric;
    } else {
      for (int i = 0; i < dim; ++i) {
        if (!(a.at(i, i)[lane] > 0)) {
          status[lane] = not_positive_definite;
        }
      }
    }
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
