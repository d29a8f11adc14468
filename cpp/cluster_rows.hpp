#pragma once

#include "isa.hpp"
#include "simd.hpp"

// Sums over the rows of each cluster, seen from its centre. One thread, no allocation; everything
// in double precision, so that a difference of floats is exact before it is rounded once.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

// The next lanes of a row as doubles.
template <class T>
inline Vec<double> load_wide(const T* p) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return load(p);
  } else {
    double wide[lanes<double>];  // GCC makes one instruction of it, but several of convertvector
    for (int i = 0; i < lanes<double>; ++i) {
      wide[i] = static_cast<double>(p[i]);
    }
    return load(wide);
  }
}

struct RowSums {
  double squares = 0;
  double absolutes = 0;
};

// Of v = x - centre - offset, in this order: near the centre the first difference is exact. Adds
// weight * v to `sums`.
template <bool adds, bool absolutes, bool offsets, class T>
[[gnu::always_inline]] inline RowSums take_row(const T* x, const double* centre,
                                               const double* offset, std::ptrdiff_t dim,
                                               double weight, double* sums) {
  Vec<double> square{}, absolute{};
  std::ptrdiff_t k = 0;
  for (; k + lanes<double> <= dim; k += lanes<double>) {
    Vec<double> v = load_wide(x + k) - load(centre + k);
    if constexpr (offsets) {
      v -= load(offset + k);
    }
    square += v * v;
    if constexpr (absolutes) {
      absolute += v < 0.0 ? -v : v;
    }
    if constexpr (adds) {
      store(sums + k, load(sums + k) + weight * v);
    }
  }
  // Adding nothing makes new variables, which may lie in memory; the others stay in registers.
  RowSums row{total<double>(square + 0.0), absolutes ? total<double>(absolute + 0.0) : 0};
  for (; k < dim; ++k) {
    double v = static_cast<double>(x[k]) - centre[k];
    if constexpr (offsets) {
      v -= offset[k];
    }
    row.squares += v * v;
    if constexpr (absolutes) {
      row.absolutes += __builtin_fabs(v);
    }
    if constexpr (adds) {
      sums[k] += weight * v;
    }
  }
  return row;
}

// Rows ahead that are asked for: between them the sums of far-apart clusters are touched, which
// keeps the processor from doing it by itself. It took half as long again without.
constexpr std::ptrdiff_t rows_ahead = 32;

template <class T>
inline void prefetch_row(const T* x, std::ptrdiff_t dim) {
  constexpr auto line = static_cast<std::ptrdiff_t>(64 / sizeof(T));
  for (std::ptrdiff_t k = 0; k < dim; k += line) {
    __builtin_prefetch(x + k);
  }
}

template <class T, ClusterSum kind, bool offsets>
bool add_rows_from(const ClusterRows<T>& rows, double* sums) {
  const std::ptrdiff_t stride = cluster_scalars + rows.dim;
  for (std::ptrdiff_t i = 0; i < rows.rows; ++i) {
    const std::int64_t code = rows.codes[i];
    if (code < 0) {
      continue;
    }
    if (code >= rows.n_clusters) {
      return false;
    }
    const T* x = rows.x + i * rows.stride;
    if (i + rows_ahead < rows.rows) {
      prefetch_row(x + rows_ahead * rows.stride, rows.dim);
    }
    const double* centre = rows.centers + code * rows.dim;
    const double* offset = offsets ? rows.offsets + code * rows.dim : nullptr;
    const double weight = rows.weights == nullptr ? 1 : rows.weights[i];
    double* out = sums + code * stride;
    double* vector = out + cluster_scalars;
    if constexpr (kind == ClusterSum::directions) {
      const double distance = __builtin_sqrt(
          take_row<false, false, offsets>(x, centre, offset, rows.dim, 0, vector).squares);
      if (distance > 0) {
        const double pull = weight / distance;
        take_row<true, false, offsets>(x, centre, offset, rows.dim, pull, vector);
        out[1] += pull;
        out[3] += weight * distance;
      } else {
        out[0] += 1;
        out[2] += weight;
      }
      continue;
    }
    constexpr bool manhattan = kind == ClusterSum::manhattan;
    const RowSums row =
        take_row<true, manhattan, offsets>(x, centre, offset, rows.dim, weight, vector);
    out[0] += 1;
    out[1] += weight;
    out[2] += weight * row.squares;
    if constexpr (kind == ClusterSum::euclidean) {
      out[3] += weight * __builtin_sqrt(row.squares);
    } else if constexpr (manhattan) {
      out[3] += weight * row.absolutes;
    }
  }
  return true;
}

template <class T, ClusterSum kind>
bool add_cluster_rows(const ClusterRows<T>& rows, double* sums) {
  return rows.offsets == nullptr ? add_rows_from<T, kind, false>(rows, sums)
                                 : add_rows_from<T, kind, true>(rows, sums);
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
