#pragma once

#include "isa/simd.hpp"

// Factors and solves small matrices, as many side by side as a vector of doubles has lanes.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

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

// Rows and columns of a block. With blocks of 4, each load of a panel serves 4 multiply-adds.
constexpr int block_dim = 4;

inline int block_size(int begin, int dim) {
  return begin + block_dim <= dim ? block_dim : 1;
}

// Subtracts sum_k a(i + r, k) b(k) from acc[r][c], with b(k) = b(j + c, k) or, transposed, b(k, j +
// c).
template <int R, int C, bool transposed>
[[gnu::always_inline]] inline void subtract_products(Lane (&acc)[R][C], const Matrices& a, int i,
                                                     const Matrices& b, int j, int begin, int end) {
  for (int k = begin; k < end; ++k) {
    Lane b_values[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      b_values[c] = transposed ? b.get(k, j + c) : b.get(j + c, k);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Lane a_value = a.get(i + r, k);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        acc[r][c] -= a_value * b_values[c];
      }
    }
  }
}

// Calls visit(r, c) for the entries of a block, unrolled.
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

// Calls visit(Size, Size), which makes the sizes of a block compile-time constants.
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

// Computes the block of a Cholesky factor on the diagonal at j, once all columns before it are
// done.
template <int N>
void factor_diagonal_block(const Matrices& a, int j, double* reciprocals) {
  // A pivot below this is the rounding error of its subtractions, and the matrix is singular.
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

// Computes a block at (i, j) of a Cholesky factor, below the diagonal block.
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

// Replaces the lower triangles by Cholesky factors, and stores the reciprocals of their diagonals.
// They are NaN from the first pivot on that is not positive.
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

// Sets b to l^-1 b for lower triangular matrices. The diagonal of the result comes from a true
// division. For b = l it is exactly 1, and all below it exactly 0.
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
        // Stores the zeros above the diagonal too, which the blocks below read.
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

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
