#pragma once

#include "distributions/simd/full_gaussian.hpp"
#include "distributions/simd/small_matrices.hpp"
#include "isa/simd.hpp"

// Optimal transport between Gaussians of full covariances and roots of covariances, in double
// precision, by Jacobi rotations. The lanes of a vector are items.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// Rows of `length` entries. The first `dim` of a row are made orthogonal, the others turn along.
struct Rows {
  double* data;
  int dim;
  int length;
  double* row(int i) const {
    return data + static_cast<std::ptrdiff_t>(i) * length * items_at_once;
  }
  Lane get(int i, int j) const { return load(row(i) + j * items_at_once); }
  void set(int i, int j, Lane v) const { store(row(i) + j * items_at_once, v); }
};

// Squared length, relative to entries near 1, below which a row counts as 0.
constexpr double no_length = 1e-140;

// Sums a[k] b[k], in four chains.
inline Lane dot(const double* a, const double* b, int n) {
  Lane sums[4] = {};
  int k = 0;
  for (; k + 4 <= n; k += 4) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      sums[c] += load(a + (k + c) * items_at_once) * load(b + (k + c) * items_at_once);
    }
  }
  for (; k < n; ++k) {
    sums[0] += load(a + k * items_at_once) * load(b + k * items_at_once);
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Scales the first entries of all rows of a lane by a power of two, so that the largest is near 1.
// Returns the power by which they were divided.
inline Lane scale_rows(const Rows& a) {
  Lane largest = {};
  for (int i = 0; i < a.dim; ++i) {
    for (int j = 0; j < a.dim; ++j) {
      const Lane v = abs<double>(a.get(i, j));
      largest = v > largest ? v : largest;
    }
  }
  constexpr std::int64_t exponent_bits = 0x7ff0000000000000;
  Lane power = as_real<double>(as_int<double>(largest) & exponent_bits);
  // Outside of this range the reciprocal is no normal number.
  power = (power > 0x1p-1020) & (power < 0x1p1020) ? power : splat(1.0);
  const Lane reciprocal = 1.0 / power;
  for (int i = 0; i < a.dim; ++i) {
    for (int j = 0; j < a.dim; ++j) {
      a.set(i, j, a.get(i, j) * reciprocal);
    }
  }
  return power;
}

inline bool any_lane(IntVec<double> condition) {
  std::int64_t all = 0;
  for (int lane = 0; lane < items_at_once; ++lane) {
    all |= condition[lane];
  }
  return all != 0;
}

// Turns two rows so that their first entries are orthogonal, and the longer row comes first.
// `squares` are their squared lengths. Does nothing in lanes where they are orthogonal already.
// Returns whether it turned any.
inline bool turn_rows(const Rows& a, int first, int second, double tolerance, double* squares) {
  double* x = a.row(first);
  double* y = a.row(second);
  const Lane product = dot(x, y, a.dim);
  const Lane xx = load(squares + first * items_at_once);
  const Lane yy = load(squares + second * items_at_once);
  const IntVec<double> turns =
      (product * product > tolerance * tolerance * (xx * yy)) & (xx > no_length) & (yy > no_length);
  if (!any_lane(turns)) {
    return false;
  }
  const Lane difference = xx - yy, twice = product + product;
  const Lane root = sqrt<double>(difference * difference + twice * twice);
  const Lane tangent = twice / (abs<double>(difference) + root);
  const Lane cosine = 1.0 / sqrt<double>(tangent * tangent + 1.0), sine = tangent * cosine;
  const IntVec<double> is_sorted = difference >= 0.0;
  const Lane c = turns ? (is_sorted ? cosine : sine) : splat(1.0);
  const Lane s = turns ? (is_sorted ? sine : cosine) : Lane{};
  const Lane more = turns ? tangent * product : Lane{};
  const IntVec<double> keeps = is_sorted | ~turns;
  store(squares + first * items_at_once, (keeps ? xx : yy) + more);
  store(squares + second * items_at_once, (keeps ? yy : xx) - more);
  for (int k = 0; k < a.length * items_at_once; k += items_at_once) {
    const Lane u = load(x + k), v = load(y + k);
    store(x + k, c * u + s * v);
    store(y + k, c * v - s * u);
  }
  return true;
}

// Makes the rows orthogonal by one-sided Jacobi rotations, and stores their squared lengths, which
// end up in descending order. Small rows keep their relative accuracy beside large ones. A lane
// comes to rest by itself, whatever the others do. Returns whether all came to rest.
inline bool make_orthogonal(const Rows& a, double* squares) {
  // About the rounding error of a dot product of unit rows.
  const double tolerance = 0x1p-52 * __builtin_sqrt(static_cast<double>(a.dim));
  constexpr int most_sweeps = 100;  // 6 to 12 are usual
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    for (int i = 0; i < a.dim; ++i) {
      store(squares + i * items_at_once, dot(a.row(i), a.row(i), a.dim));
    }
    bool turned = false;
    // Row by row, in the order in which consecutive pairs do not wait for each other: by i + j.
    for (int sum = 1; sum <= 2 * a.dim - 3; ++sum) {
      for (int i = sum < a.dim ? 0 : sum - a.dim + 1; i < sum - i; ++i) {
        turned = turn_rows(a, i, sum - i, tolerance, squares) || turned;
      }
    }
    if (!turned) {
      return true;
    }
  }
  return false;
}

// Makes the first entries of all rows unit vectors, given their squared lengths. Rows of length 0
// become unit vectors that are orthogonal to all others.
inline void make_unit(const Rows& a, const double* squares) {
  for (int i = 0; i < a.dim; ++i) {
    const Lane square = load(squares + i * items_at_once);
    const Lane scale = square > no_length ? 1.0 / sqrt<double>(square) : Lane{};
    for (int j = 0; j < a.dim; ++j) {
      a.set(i, j, a.get(i, j) * scale);
    }
  }
  for (int lane = 0; lane < items_at_once; ++lane) {
    const auto at = [&](int i, int j) -> double& { return (a.row(i) + j * items_at_once)[lane]; };
    for (int missing = 0; missing < a.dim; ++missing) {
      if (!(squares[missing * items_at_once + lane] <= no_length)) {
        continue;
      }
      // Start from the axis that is farthest from the known rows.
      int axis = 0;
      double least = __builtin_inf();
      for (int j = 0; j < a.dim; ++j) {
        double known = 0;
        for (int i = 0; i < a.dim; ++i) {
          known += at(i, j) * at(i, j);
        }
        axis = known < least ? j : axis;
        least = known < least ? known : least;
      }
      at(missing, axis) = 1;
      for (int repeat = 0; repeat < 2; ++repeat) {
        for (int i = 0; i < a.dim; ++i) {
          double product = 0;
          for (int j = 0; j < a.dim; ++j) {
            product += at(i, j) * at(missing, j);
          }
          for (int j = 0; i != missing && j < a.dim; ++j) {
            at(missing, j) -= product * at(i, j);
          }
        }
        double square = 0;
        for (int j = 0; j < a.dim; ++j) {
          square += at(missing, j) * at(missing, j);
        }
        for (int j = 0; j < a.dim; ++j) {
          at(missing, j) /= __builtin_sqrt(square);
        }
      }
    }
  }
}

// Sets l to roots of the covariances, all entries of it.
template <class T>
void load_root(const GaussianItem<T>* items, int count, const Matrices& l, double* reciprocals,
               const Matrices& spare) {
  if (items[0].scale == Scale::root) {
    load_matrices(items, count, true, l);
    return;
  }
  load_factor(items, count, l, reciprocals, spare);
  for (int i = 0; i < l.dim; ++i) {
    for (int j = i + 1; j < l.dim; ++j) {
      l.set(i, j, Lane{});
    }
  }
}

// Sets each out[i] to |mean_p - mean_q|^2 + min |A - B U|^2 over the rotations U, for roots A and B
// of the covariances. It is NaN where a matrix is not positive definite or B^T A overflows. Returns
// whether all rotations were found.
//
// Jacobi rotations V make the columns of B^T A V orthogonal. Divided by their lengths, the singular
// values, they are the columns of U V, so that |A - B U| = |A V - B (U V)|.
template <class T>
bool full_wasserstein2(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                       double* scratch, double* out) {
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(dim) * dim * items_at_once;
  const Matrices a{scratch, dim}, b{scratch + size, dim}, spare{scratch + 2 * size, dim};
  const Rows turned{spare.data, dim, 2 * dim};
  double* squares = scratch + 4 * size;
  double* z = squares + dim * items_at_once;
  load_root(p, count, a, squares, spare);
  load_root(q, count, b, squares, spare);
  const bool triangular = p[0].scale != Scale::root && q[0].scale != Scale::root;

  Lane unturned = {}, finite = {};
  for (int i = 0; i < dim; ++i) {
    for (int j = 0; j < dim; ++j) {
      const Lane difference = a.get(i, j) - b.get(i, j);
      unturned += difference * difference;
      turned.set(i, j, Lane{});
      turned.set(i, dim + j, a.get(j, i));
    }
  }
  for (int k = 0; k < dim; ++k) {  // row i of `turned` is column i of B^T A
    const int end = triangular ? k + 1 : dim;
    for (int i = 0; i < end; ++i) {
      const Lane entry = a.get(k, i);
      for (int j = 0; j < end; ++j) {
        turned.set(i, j, turned.get(i, j) + entry * b.get(k, j));
      }
    }
  }
  for (int i = 0; i < dim; ++i) {
    for (int j = 0; j < dim; ++j) {
      finite += turned.get(i, j) - turned.get(i, j);
    }
  }
  scale_rows(turned);
  const bool found = make_orthogonal(turned, squares);
  make_unit(turned, squares);

  Lane shape = {};
  for (int i = 0; i < dim; ++i) {
    for (int j = 0; j < dim; ++j) {
      const Lane difference =
          turned.get(i, dim + j) - dot(b.at(j, 0), turned.row(i), triangular ? j + 1 : dim);
      shape += difference * difference;
    }
  }
  // U is the best rotation within rounding. Without it equal roots are at exactly 0.
  shape = unturned < shape ? unturned : shape;
  subtract_means(p, q, count, dim, z);
  const Lane values = dot(z, z, dim) + shape + finite;
  for (int lane = 0; lane < count; ++lane) {
    out[lane] = values[lane];
  }
  return found;
}

// Sets each matrix of `out`, dim x dim, to a root R of a covariance, R R^T = Sigma. Its columns are
// eigenvectors times the roots of their eigenvalues. Eigenvalues within rounding of 0 count as 0,
// for their roots would be far from it. A root has NaN if others are negative. Returns whether all
// were found.
//
// Rotations find the sizes of the eigenvalues. These add up to more than the trace, by twice the
// sizes of the negative ones.
template <class T>
bool covariance_roots(const GaussianItem<T>* p, int count, int dim, double* scratch, double* out) {
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(dim) * dim * items_at_once;
  load_matrices(p, count, true, Matrices{scratch, dim});
  const Rows columns{scratch, dim, dim};  // the matrices are symmetric
  double* squares = scratch + 4 * size;
  const Lane power = scale_rows(columns);
  Lane trace = {}, largest = {}, sizes = {};
  for (int i = 0; i < dim; ++i) {
    trace += columns.get(i, i);
  }
  const bool found = make_orthogonal(columns, squares);
  for (int i = 0; i < dim; ++i) {
    const Lane square = load(squares + i * items_at_once);
    largest = square > largest ? square : largest;
    sizes += sqrt<double>(square);
  }
  constexpr double root_of_epsilon = sizeof(T) == 4 ? 0x1p-11 : 0x1p-26;
  const Lane numerator =
      sizes - trace > root_of_epsilon * sizes ? splat(__builtin_nan("")) : sqrt<double>(power);
  const Lane noise = 0x1p-52 * dim * sqrt<double>(largest);
  for (int i = 0; i < dim; ++i) {
    const Lane value = sqrt<double>(load(squares + i * items_at_once));
    const Lane scale = value > noise ? numerator / sqrt<double>(value) : Lane{};
    for (int j = 0; j < dim; ++j) {
      const Lane entry = columns.get(i, j) * scale;
      for (int lane = 0; lane < count; ++lane) {
        out[(static_cast<std::ptrdiff_t>(lane) * dim + j) * dim + i] = entry[lane];
      }
    }
  }
  return found;
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
