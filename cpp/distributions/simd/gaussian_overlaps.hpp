#pragma once

#include "distributions/simd/full_gaussian.hpp"
#include "distributions/simd/small_matrices.hpp"
#include "isa/simd.hpp"

// Renyi divergences and their kin between Gaussians of full covariances, in double precision. The
// lanes of a vector are items.
//
// With q at N(0, I) the covariance of p is M M^T, M = L_q^-1 L_p. Let psi(F) be the sum of
// t - log(1 + t) over the eigenvalues t of F F^T - I. For a triangular F it is
//
//   psi(F) = sum_i (F_ii^2 - 1 - 2 log F_ii) + sum_{i>j} F_ij^2.
//
// No eigenvalues are needed. All factors are known as F - I too, so that nothing cancels near I.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// A lower triangular factor F. Its diagonal is known as F_ii and as F_ii - 1. Only what is below
// the diagonal is read of the matrix.
struct Factor {
  const Matrices& below;
  const double* diagonal;
  const double* diagonal_less_1;
};

inline Lane psi(const Factor& f) {
  Lane sum = {};
  for (int i = 0; i < f.below.dim; ++i) {
    const Lane t = load(f.diagonal_less_1 + i * items_at_once);
    sum += t * t + 2.0 * less_log<double>(load(f.diagonal + i * items_at_once), t);
    for (int j = 0; j < i; ++j) {
      const Lane v = f.below.get(i, j);
      sum += v * v;
    }
  }
  return sum;
}

// Sets x to the lower triangle of `times` (M M^T - I), and returns its sum of squares. M M^T - I is
// N + N^T + N N^T with N = M - I, of which small entries keep their digits.
inline Lane excess(const Matrices& n, double times, const Matrices& x) {
  Lane squares = {};
  for (int j = 0; j < n.dim; j += block_size(j, n.dim)) {
    for (int i = j; i < n.dim; i += block_size(i, n.dim)) {
      with_sizes(block_size(i, n.dim), block_size(j, n.dim), [&](auto rows, auto cols) {
        constexpr int R = decltype(rows)::value, C = decltype(cols)::value;
        Lane acc[R][C];
        for_each_entry<R, C>([&](int r, int c) {
          const Lane v = n.get(i + r, j + c);
          acc[r][c] = i + r == j + c ? -2.0 * v : -v;
        });
        subtract_products<R, C, false>(acc, n, i, n, j, 0, j + C);
        for_each_entry<R, C>([&](int r, int c) {
          if (i + r >= j + c) {
            const Lane v = -times * acc[r][c];
            squares += i + r == j + c ? v * v : 2.0 * v * v;
            x.set(i + r, j + c, v);
          }
        });
      });
    }
  }
  return squares;
}

// Replaces the lower triangle X by the Cholesky factor C of I + X, and stores C_ii - 1 with the
// digits that a small X has.
inline void factor_from_identity(const Matrices& x, double* reciprocals, double* less_1) {
  for (int i = 0; i < x.dim; ++i) {
    const Lane v = x.get(i, i);
    store(less_1 + i * items_at_once, v);
    x.set(i, i, v + 1.0);
  }
  factor_in_place(x, reciprocals);
  for (int i = 0; i < x.dim; ++i) {
    Lane v = load(less_1 + i * items_at_once);
    for (int k = 0; k < i; ++k) {
      const Lane c = x.get(i, k);
      v -= c * c;
    }
    store(less_1 + i * items_at_once, v / (x.get(i, i) + 1.0));
  }
}

// Sets c to the factor of `rest` I + `share` M M^T, given M below the diagonal and on it.
// Householder reflections of [sqrt(share) M, sqrt(rest) I] keep the digits of its small eigenvalues
// beside large ones, which a Cholesky factor would lose. `spare` is another matrix, overwritten.
inline void factor_of_mixture(const Matrices& m, const double* diagonal, double share, double rest,
                              const Matrices& c, const Matrices& spare) {
  const double root_of_share = __builtin_sqrt(share), root_of_rest = __builtin_sqrt(rest);
  for (int i = 0; i < m.dim; ++i) {
    c.set(i, i, root_of_share * load(diagonal + i * items_at_once));
    spare.set(i, i, splat(root_of_rest));
    for (int j = 0; j < i; ++j) {
      c.set(i, j, root_of_share * m.get(i, j));
      spare.set(i, j, Lane{});
    }
  }
  for (int k = 0; k < m.dim; ++k) {
    const Lane first = c.get(k, k);
    Lane squares = {};
    for (int j = 0; j <= k; ++j) {
      const Lane v = spare.get(k, j);
      squares += v * v;
    }
    const Lane norm = sqrt<double>(first * first + squares);
    const Lane head = -squares / (first + norm);  // first - norm
    const Lane scale = (first + norm) / (norm * squares);
    c.set(k, k, norm);
    for (int i = k + 1; i < m.dim; ++i) {
      const Lane at_head = c.get(i, k);
      Lane product = head * at_head;
      for (int j = 0; j <= k; ++j) {
        product += spare.get(k, j) * spare.get(i, j);
      }
      product *= scale;
      c.set(i, k, at_head - product * head);
      for (int j = 0; j <= k; ++j) {
        spare.set(i, j, spare.get(i, j) - product * spare.get(k, j));
      }
    }
  }
}

// Pairs of Gaussians with q at N(0, I): M = L_q^-1 L_p as N = M - I and by its diagonal, and z =
// L_q^-1 (mean_p - mean_q). l_q and `spare` are free for other use.
struct Whitened {
  Matrices l_q, n, c, spare;
  double *diagonal, *less_1, *quotients, *reciprocals, *z;

  template <class T>
  Whitened(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
           double* scratch) {
    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(dim) * dim * items_at_once;
    l_q = {scratch, dim};
    n = {scratch + size, dim};
    c = {scratch + 2 * size, dim};
    spare = {scratch + 3 * size, dim};
    diagonal = scratch + 4 * size;
    less_1 = diagonal + dim * items_at_once;
    quotients = less_1 + dim * items_at_once;
    reciprocals = quotients + dim * items_at_once;
    z = reciprocals + dim * items_at_once;
    load_factor(p, count, n, reciprocals, spare);
    load_factor(q, count, l_q, reciprocals, spare);
    for (int i = 0; i < dim; ++i) {
      store(diagonal + i * items_at_once, n.get(i, i) / l_q.get(i, i));
      for (int j = 0; j <= i; ++j) {
        n.set(i, j, n.get(i, j) - l_q.get(i, j));
      }
    }
    solve_in_place(l_q, reciprocals, n);
    subtract_means(p, q, count, dim, z);
    solve_vector(l_q, reciprocals, z);
  }
};

// Largest condition of alpha I + (1 - alpha) M M^T at which its Cholesky factor has 12 digits or
// more.
constexpr double well_conditioned = 1000;

// Sets each out[i] to the divergence of order alpha = 1 + above_one. It is infinite where the
// integral diverges, and NaN where a matrix is not positive definite or a product overflows.
//
// With S = alpha I - above_one M M^T = C C^T and u = C^-1 z, twice the divergence is alpha |u|^2
// plus psi(M) + psi(C) / above_one for alpha > 1, and plus psi(C^-1 M) + psi(C^-1) alpha / (1 -
// alpha) for alpha < 1.
template <class T>
void full_renyi(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                double alpha, double above_one, double* scratch, double* out) {
  const Whitened w(p, q, count, dim, scratch);
  const Lane squares = excess(w.n, -above_one, w.c);
  Lane finite = {};
  for (int i = 0; i < dim; ++i) {
    for (int j = 0; j <= i; ++j) {
      finite += w.c.get(i, j) - w.c.get(i, j);  // NaN unless finite
    }
  }
  factor_from_identity(w.c, w.reciprocals, w.less_1);
  const double largest = well_conditioned * alpha;
  const auto is_far = [&](int lane) {
    return above_one < 0 && !(squares[lane] <= largest * largest);
  };
  bool any_far = false;
  for (int lane = 0; lane < items_at_once; ++lane) {
    any_far = any_far || is_far(lane);
  }
  if (any_far) {
    factor_of_mixture(w.n, w.diagonal, -above_one, alpha, w.l_q, w.spare);
    for (int i = 0; i < dim; ++i) {
      for (int lane = 0; lane < items_at_once; ++lane) {
        if (is_far(lane)) {
          for (int j = 0; j <= i; ++j) {
            w.c.at(i, j)[lane] = w.l_q.at(i, j)[lane];
          }
          w.less_1[i * items_at_once + lane] = w.l_q.at(i, i)[lane] - 1;
        }
      }
    }
    store_reciprocals(w.c, w.reciprocals);
  }

  Lane twice = {};
  if (above_one > 0) {
    for (int i = 0; i < dim; ++i) {
      store(w.quotients + i * items_at_once, w.c.get(i, i));
    }
    twice = psi({w.c, w.quotients, w.less_1}) / above_one;
    for (int i = 0; i < dim; ++i) {
      store(w.less_1 + i * items_at_once, w.n.get(i, i));
    }
    twice += psi({w.n, w.diagonal, w.less_1});
  } else {
    // psi(C^-1) first: C^-1 - I = -C^-1 (C - I), of which psi sees no sign below the diagonal.
    const auto add_quotient = [&](bool of_p, double times) {
      for (int i = 0; i < dim; ++i) {
        const Lane c_less_1 = load(w.less_1 + i * items_at_once);
        w.spare.set(i, i, of_p ? w.n.get(i, i) - c_less_1 : -c_less_1);
        for (int j = 0; j < i; ++j) {
          w.spare.set(i, j, of_p ? w.n.get(i, j) - w.c.get(i, j) : -w.c.get(i, j));
        }
        const Lane above = of_p ? load(w.diagonal + i * items_at_once) : splat(1.0);
        store(w.quotients + i * items_at_once, above / w.c.get(i, i));
      }
      solve_in_place(w.c, w.reciprocals, w.spare);
      double* quotient_less_1 = w.l_q.data;
      for (int i = 0; i < dim; ++i) {
        store(quotient_less_1 + i * items_at_once, w.spare.get(i, i));
      }
      twice += times * psi({w.spare, w.quotients, quotient_less_1});
    };
    add_quotient(false, alpha / -above_one);
    add_quotient(true, 1);
  }
  solve_vector(w.c, w.reciprocals, w.z);
  Lane positive = splat(1.0);
  for (int i = 0; i < dim; ++i) {
    const Lane u = load(w.z + i * items_at_once);
    twice += alpha * u * u;
    positive = w.c.get(i, i) > 0.0 ? positive : Lane{};
  }
  for (int lane = 0; lane < count; ++lane) {
    const bool diverges = above_one > 0 && finite[lane] == 0 && !(positive[lane] > 0);
    const double value = twice[lane] / 2;
    out[lane] = diverges ? __builtin_inf() : value - value == 0.0 ? value : __builtin_nan("");
  }
}

// Sets each out[i] to log(1 + c (tr(M M^T - I) + |z|^2)) - c log|M M^T| for the share c of each
// feature, 0 < c < 1 / dim. It is NaN where a matrix is not positive definite or a product
// overflows.
//
// With the mean m = 1 + c tr(M M^T - I) of 1 and the eigenvalues of M M^T, it is computed as c
// psi(M / sqrt(m)) + (1 - c dim) (1/m - 1 - log(1/m)) + log(1 + c |z|^2 / m).
template <class T>
void full_coupling(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                   double share, double rest, double* scratch, double* out) {
  const Whitened w(p, q, count, dim, scratch);
  Lane below = {}, trace = {}, trace_less = {}, square = {};
  for (int i = 0; i < dim; ++i) {
    const Lane n = w.n.get(i, i), m = load(w.diagonal + i * items_at_once);
    const Lane z = load(w.z + i * items_at_once);
    trace += m * m;
    trace_less += n * (n + 2.0);
    square += z * z;
    for (int j = 0; j < i; ++j) {
      const Lane v = w.n.get(i, j);
      below += v * v;
    }
  }
  const Lane excess = share * (trace_less + below);
  const IntVec<double> is_small = excess < -0.5;  // where 1 + excess would cancel
  const Lane mean = is_small ? share * (trace + below) + rest : excess + 1.0;
  Lane sum = below / mean;
  for (int i = 0; i < dim; ++i) {
    const Lane n = w.n.get(i, i), m = load(w.diagonal + i * items_at_once);
    const Lane ratio = m * m / mean;
    sum += less_log<double>(ratio, is_small ? ratio - 1.0 : (n * (n + 2.0) - excess) / mean);
  }
  const Lane shift = share * square / mean;
  const Lane more = shift < __builtin_inf() ? ln_2 * log2<double>(shift + 1.0, shift) : shift;
  const Lane value = share * sum + rest * less_log<double>(1.0 / mean, -excess / mean) + more;
  for (int lane = 0; lane < count; ++lane) {
    out[lane] = value[lane] - value[lane] == 0.0 ? value[lane] : __builtin_nan("");
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
