#include "distributions/dense_gaussians.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/buffer.hpp"
#include "distributions/scales.hpp"
#include "isa/isa.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

constexpr int block = tile_rows;  // rows and columns of a block

// A square matrix in strips of `block` rows, padded to whole blocks. Each strip is in the panels
// that the dot tile reads.
class Panels {
 public:
  explicit Panels(int rows, int dim)
      : panel_(isa().f64.panel),
        size_((dim + block - 1) / block * block),
        data_(static_cast<std::size_t>((rows + block - 1) / block * block) *
              static_cast<std::size_t>(size_)) {}
  int blocks() const { return size_ / block; }
  int size() const { return size_; }
  // Returns the columns from block j on of the strip of rows i.
  double* strip(int i, int j = 0) const {
    return data_.data() + static_cast<ptrdiff_t>(i) * block * size_ + j * block * panel_;
  }
  double& at(int i, int j) const {
    const int strip_row = i % block;
    return strip(i / block)[static_cast<ptrdiff_t>(strip_row / panel_) * panel_ * size_ +
                            static_cast<ptrdiff_t>(j) * panel_ + strip_row % panel_];
  }

 private:
  int panel_;
  int size_;
  Buffer<double> data_;
};

// Subtracts a(i, first..last) b(j, first..last)^T from block (i, target) of a. Indices count
// blocks.
void subtract_product(const Panels& a, int i, const Panels& b, int j, int target, int first,
                      int last) {
  if (first == last) {
    return;
  }
  TileOperands<double> o{};
  o.x = a.strip(i, first);
  o.y = b.strip(j, first);
  o.dim = (last - first) * block;
  o.stride = a.size();
  o.rows = block;
  o.cols = block;
  double tile[tile_rows * tile_cols];
  isa().f64.dot(o, tile);
  for (int r = 0; r < block; ++r) {
    double* to = &a.at(i * block + r, target * block);
    for (int c = 0; c < block; ++c) {
      to[c * isa().f64.panel] -= tile[r * tile_cols + c];
    }
  }
}

// Returns the lower triangle of block (j, j), row by row.
std::vector<double> diagonal_block(const Panels& a, int j) {
  std::vector<double> values(static_cast<std::size_t>(block) * block);
  for (int r = 0; r < block; ++r) {
    for (int c = 0; c <= r; ++c) {
      values[static_cast<std::size_t>(r * block + c)] = a.at(j * block + r, j * block + c);
    }
  }
  return values;
}

// Replaces block (j, j) by its Cholesky factor. The factor is NaN from the first pivot on that does
// not exceed the rounding error of a diagonal entry.
void factor_diagonal_block(const Panels& a, int j, const std::vector<double>& diagonal) {
  std::vector<double> l = diagonal_block(a, j);
  const auto at = [&](int r, int c) -> double& {
    return l[static_cast<std::size_t>(r * block + c)];
  };
  for (int c = 0; c < block; ++c) {
    double pivot = at(c, c);
    for (int k = 0; k < c; ++k) {
      pivot -= at(c, k) * at(c, k);
    }
    const double noise = std::numeric_limits<double>::epsilon() * a.size() *
                         std::abs(diagonal[static_cast<std::size_t>(j * block + c)]);
    at(c, c) = pivot > noise ? std::sqrt(pivot) : std::numeric_limits<double>::quiet_NaN();
    for (int r = c + 1; r < block; ++r) {
      double sum = at(r, c);
      for (int k = 0; k < c; ++k) {
        sum -= at(r, k) * at(c, k);
      }
      at(r, c) = sum / at(c, c);
    }
  }
  for (int r = 0; r < block; ++r) {
    for (int c = 0; c < block; ++c) {
      a.at(j * block + r, j * block + c) = c <= r ? at(r, c) : 0;
    }
  }
}

// Replaces the lower triangle by the Cholesky factor. Returns false when it was stopped.
bool factor_in_place(const Loop& loop, const Panels& a) {
  std::vector<double> diagonal;
  for (int i = 0; i < a.size(); ++i) {
    diagonal.push_back(a.at(i, i));
  }
  for (int j = 0; j < a.blocks(); ++j) {
    const auto update = [&](std::int64_t unit) {
      const int i = j + static_cast<int>(unit);
      subtract_product(a, i, a, j, j, 0, j);
    };
    if (!loop(a.blocks() - j, update)) {
      return false;
    }
    factor_diagonal_block(a, j, diagonal);
    const std::vector<double> l = diagonal_block(a, j);
    const auto solve = [&](std::int64_t unit) {
      isa().solve_strip(a.strip(j + 1 + static_cast<int>(unit), j), a.size(), l.data());
    };
    if (!loop(a.blocks() - j - 1, solve)) {
      return false;
    }
  }
  return true;
}

// Calls visit(j, x) for each strip of rows j of X = P^T L^-T, which is (L^-1 P)^T. Blocks left of j
// are not set. P is lower triangular.
template <class Visit>
bool solve(const Loop& loop, const Panels& l, const Panels& p, const Visit& visit) {
  std::vector<std::vector<double>> diagonal_blocks;
  for (int i = 0; i < l.blocks(); ++i) {
    diagonal_blocks.push_back(diagonal_block(l, i));
  }
  return loop(l.blocks(), [&](std::int64_t unit) {
    const int j = static_cast<int>(unit);
    const Panels x(block, l.size());
    for (int i = j * block; i < l.size(); ++i) {
      for (int r = 0; r < block; ++r) {
        x.at(r, i) = i < j * block + r ? 0 : p.at(i, j * block + r);
      }
    }
    for (int i = j; i < l.blocks(); ++i) {
      subtract_product(x, 0, l, i, i, j, i);
      isa().solve_strip(x.strip(0, i), x.size(),
                        diagonal_blocks[static_cast<std::size_t>(i)].data());
    }
    visit(j, x);
  });
}

// Sets the lower triangle to value(i, j) and the padding to the identity.
template <class Value>
void fill_lower(const Panels& a, int dim, const Value& value) {
  for (int i = 0; i < a.size(); ++i) {
    for (int j = 0; j < a.size(); ++j) {
      a.at(i, j) = i < dim && j <= i ? value(i, j) : i == j ? 1 : 0;
    }
  }
}

// Sets l to the lower triangular factor of the covariance, with a positive diagonal. Returns false
// when it was stopped.
template <class T>
bool load_factor(const Loop& loop, const GaussianItem<T>& g, int dim, const Panels& l) {
  const auto entry = [&](int i, int j) {
    return static_cast<double>(g.parameter[i * g.row_stride + j * g.col_stride]);
  };
  if (is_diagonal(g.scale)) {
    fill_lower(l, dim, [&](int i, int j) {
      return i == j
                 ? standard_deviation(static_cast<double>(g.parameter[i * g.row_stride]), g.scale)
                 : 0;
    });
    return true;
  }
  if (g.scale == Scale::scale_tril) {
    fill_lower(l, dim, [&](int i, int j) { return entry(j, j) < 0 ? -entry(i, j) : entry(i, j); });
    return true;
  }
  if (g.scale == Scale::cov) {
    fill_lower(l, dim, entry);
    return factor_in_place(loop, l);
  }
  // Like load_factor of full_gaussian.hpp: the factor is J R^-T J, with J precision J = R R^T.
  const int last = dim - 1;
  const Panels r(dim, dim), identity(dim, dim);
  fill_lower(r, dim, [&](int i, int j) { return entry(last - j, last - i); });
  fill_lower(identity, dim, [](int i, int j) { return i == j ? 1.0 : 0.0; });
  fill_lower(l, dim, [](int, int) { return 0.0; });
  return factor_in_place(loop, r) && solve(loop, r, identity, [&](int strip, const Panels& x) {
           for (int j = strip * block; j < std::min(dim, (strip + 1) * block); ++j) {
             for (int i = j; i < dim; ++i) {
               l.at(last - j, last - i) = x.at(j % block, i);
             }
           }
         });
}

// Returns t - log(x) for t = x - 1, as less_log of simd.hpp does. There t - 2s is t*s for s = t/(2
// + t). The remainder of the logarithm is 2 (s^3/3 + s^5/5 + ...).
double less_log(double x, double t) {
  if (!(std::abs(t) < 0.1)) {
    return t - std::log(x);
  }
  const double s = t / (2 + t), u = s * s;
  double series = 0;
  for (int k = 17; k > 1; k -= 2) {
    series = (series + 1.0 / k) * u;
  }
  return t * s - 2 * s * series;
}

}  // namespace

template <class T>
bool dense_kl(const Loop& loop, const GaussianItem<T>& p, const GaussianItem<T>& q, int dim,
              double* out) {
  const Panels l_p(dim, dim), l_q(dim, dim);
  if (!load_factor(loop, p, dim, l_p) || !load_factor(loop, q, dim, l_q)) {
    return false;
  }
  std::vector<double> parts(static_cast<std::size_t>(l_q.blocks()));
  const bool finished = solve(loop, l_q, l_p, [&](int strip, const Panels& x) {
    double twice_kl = 0;
    for (int j = strip * block; j < (strip + 1) * block; ++j) {
      const double ratio = x.at(j % block, j), less_1 = ratio - 1;
      twice_kl += less_1 * less_1 + 2 * less_log(ratio, less_1);
      for (int i = j + 1; i < x.size(); ++i) {
        twice_kl += x.at(j % block, i) * x.at(j % block, i);
      }
    }
    parts[static_cast<std::size_t>(strip)] = twice_kl;
  });
  double twice_kl = 0;
  for (const double part : parts) {
    twice_kl += part;
  }
  std::vector<double> z(static_cast<std::size_t>(dim));
  for (int i = 0; i < dim; ++i) {
    double sum = static_cast<double>(p.mean[i * p.mean_stride]) -
                 static_cast<double>(q.mean[i * q.mean_stride]);
    for (int k = 0; k < i; ++k) {
      sum -= l_q.at(i, k) * z[static_cast<std::size_t>(k)];
    }
    z[static_cast<std::size_t>(i)] = sum / l_q.at(i, i);
    twice_kl += z[static_cast<std::size_t>(i)] * z[static_cast<std::size_t>(i)];
  }
  *out = twice_kl / 2;
  return finished;
}

template <class T>
bool dense_status(const Loop& loop, const GaussianItem<T>& g, int dim, std::uint8_t* status) {
  const auto entry = [&](int i, int j) {
    return static_cast<double>(g.parameter[i * g.row_stride + j * g.col_stride]);
  };
  const bool triangular = g.scale == Scale::scale_tril;
  double largest = 0, difference = 0;
  bool finite = true, above = false, zero = false;
  for (int i = 0; i < dim; ++i) {
    const double diagonal = std::abs(entry(i, i));
    largest = std::max(largest, diagonal);
    zero = zero || diagonal == 0;
    for (int j = 0; j <= i; ++j) {
      const double lower = entry(i, j), upper = entry(j, i);
      finite = finite && std::isfinite(lower) && std::isfinite(upper);
      above = above || (j < i && upper != 0);
      difference = std::max(difference, std::abs(lower - upper));
    }
  }
  const double root_of_epsilon = sizeof(T) == 4 ? 0x1p-11 : 0x1p-26;
  *status = !finite                                                 ? not_finite
            : triangular && above                                   ? not_lower_triangular
            : triangular && zero                                    ? zero_on_diagonal
            : !triangular && difference > root_of_epsilon * largest ? not_symmetric
                                                                    : matrix_is_fine;
  if (*status != matrix_is_fine || triangular) {
    return true;
  }
  const Panels l(dim, dim);
  fill_lower(l, dim, entry);
  const bool finished = factor_in_place(loop, l);
  for (int i = 0; i < dim; ++i) {
    if (!(l.at(i, i) > 0)) {
      *status = not_positive_definite;
    }
  }
  return finished;
}

#define FASTDIV_INSTANTIATE(T)                                                             \
  template bool dense_kl(const Loop&, const GaussianItem<T>&, const GaussianItem<T>&, int, \
                         double*);                                                         \
  template bool dense_status(const Loop&, const GaussianItem<T>&, int, std::uint8_t*);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
