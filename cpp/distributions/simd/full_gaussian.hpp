#pragma once

#include "distributions/simd/small_matrices.hpp"
#include "isa/distribution_ops.hpp"
#include "isa/simd.hpp"

// Kullback-Leibler divergences between Gaussians of full covariances, in double precision. The
// lanes of a vector are items. With M = L_q^-1 L_p,
//
//   2 KL = sum_i (M_ii^2 - 1 - 2 log M_ii) + sum_{i>j} M_ij^2 + |L_q^-1 (mean_p - mean_q)|^2.
//
// Every term is at least 0 and, through t - log(1 + t), free of cancellation. Equal distributions
// give exactly 0, and nearly equal ones keep their digits.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Returns n <= items_at_once consecutive entries as doubles.
template <class T>
inline Lane load_entries(const T* from, std::ptrdiff_t stride, int n) {
  if (n == items_at_once && stride == 1) {
    return load_wide(from);
  }
  Lane v = {};
  for (int k = 0; k < n; ++k) {
    v[k] = static_cast<double>(from[k * stride]);
  }
  return v;
}

// Copies entries [begin, begin + n) of every item, `stride` apart, to n lanes from `to` on. Each
// cache line of an item is read once, wherever it lies: items a power of two apart share cache
// sets. `ahead` is the distance in bytes to the items of the next call, which the processor would
// not guess.
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

// Loads the parameters, at least their lower triangles, and what is above the diagonal if `whole`.
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
    row = col;  // symmetric, so the axes may be swapped
    col = 1;
  }
  // Prefetches only while the next items fit into the cache beside these.
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
    for (const T*& item : from) {
      item += row;
    }
  }
}

// Transposes lower triangular matrices about the other diagonal.
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

// Sets l to lower triangular factors of the covariances with a positive diagonal, and stores the
// reciprocals of that diagonal. `spare` is another matrix, overwritten.
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
    // J is the reversal of the features, and J precision J = R R^T. The covariance is (J R^-T J)(J
    // R^-T J)^T, and J R^-T J is lower triangular.
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

// Returns the doubles in four matrices and five vectors.
inline std::size_t gaussian_scratch_size(int dim) {
  return (4 * static_cast<std::size_t>(dim) + 5) * static_cast<std::size_t>(dim) * items_at_once;
}

// Sets z to l^-1 z.
inline void solve_vector(const Matrices& l, const double* reciprocals, double* z) {
  for (int i = 0; i < l.dim; ++i) {
    Lane v = load(z + i * items_at_once);
    for (int k = 0; k < i; ++k) {
      v -= l.get(i, k) * load(z + k * items_at_once);
    }
    store(z + i * items_at_once, v * load(reciprocals + i * items_at_once));
  }
}

// Sets z to mean_p - mean_q.
template <class T>
void subtract_means(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                    double* z) {
  for (int i = 0; i < dim; ++i) {
    Lane v = {};
    for (int lane = 0; lane < items_at_once; ++lane) {
      const int item = lane < count ? lane : 0;
      v[lane] = static_cast<double>(p[item].mean[i * p[item].mean_stride]) -
                static_cast<double>(q[item].mean[i * q[item].mean_stride]);
    }
    store(z + i * items_at_once, v);
  }
}

// See GaussianOps::full_kl.
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

  Lane twice_kl = {};
  for (int i = 0; i < dim; ++i) {
    const Lane ratio = m.get(i, i), less_1 = ratio - 1.0;
    twice_kl += less_1 * less_1 + 2.0 * less_log<double>(ratio, less_1);
    for (int j = 0; j < i; ++j) {
      const Lane below = m.get(i, j);
      twice_kl += below * below;
    }
  }
  subtract_means(p, q, count, dim, z);
  solve_vector(l_q, reciprocals, z);
  for (int i = 0; i < dim; ++i) {
    const Lane v = load(z + i * items_at_once);
    twice_kl += v * v;
  }
  for (int lane = 0; lane < count; ++lane) {
    out[lane] = twice_kl[lane] / 2;
  }
}

// See GaussianOps::matrix_status.
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
