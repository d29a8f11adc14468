#pragma once

#include "isa/cluster_ops.hpp"
#include "isa/simd.hpp"

// Sums over the rows of each cluster, relative to its centre. They use one thread and allocate
// nothing. Everything is in double precision, so that a difference of floats is exact before it is
// rounded once.

namespace fastdiv::FASTDIV_ISA_NAMESPACE {

struct RowSums {
  double squares = 0;
  double absolutes = 0;
};

// Features whose squares are summed in one chain. The error of a longer one would grow with it: a
// million equal features were off by 2.5e-11 with two lanes. A multiple of all numbers of lanes.
constexpr std::ptrdiff_t row_chain = 4096;

// Sums the squares and absolute values of v = x - centre - offset, and adds weight * v to `sums`.
// The order of the differences matters: near the centre the first one is exact.
template <bool adds, bool absolutes, bool offsets, class T>
[[gnu::always_inline]] inline RowSums add_chain(const T* x, const double* centre,
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
  // Adding 0 makes new variables, which may lie in memory. The others stay in registers.
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

// Like add_chain, but for any number of features.
template <bool adds, bool absolutes, bool offsets, class T>
[[gnu::always_inline]] inline RowSums add_row(const T* x, const double* centre,
                                              const double* offset, std::ptrdiff_t dim,
                                              double weight, double* sums) {
  RowSums row;
  for (std::ptrdiff_t k = 0; k < dim; k += row_chain) {
    const std::ptrdiff_t features = dim - k < row_chain ? dim - k : row_chain;
    const RowSums chain = add_chain<adds, absolutes, offsets>(
        x + k, centre + k, offsets ? offset + k : nullptr, features, weight, sums + k);
    row.squares += chain.squares;
    row.absolutes += chain.absolutes;
  }
  return row;
}

// Adds weight * v to `sums`, with v as above, and weight * v^2 to `partials` lane by lane. Adding
// up the lanes of every row would take as long as everything else.
template <bool offsets, class T>
[[gnu::always_inline]] inline void add_squares(const T* x, const double* centre,
                                               const double* offset, std::ptrdiff_t dim,
                                               double weight, double* sums, double* partials) {
  std::ptrdiff_t k = 0;
  while (k + lanes<double> <= dim) {
    Vec<double> square{};
    const std::ptrdiff_t end = dim - k < row_chain ? dim : k + row_chain;
    for (; k + lanes<double> <= end; k += lanes<double>) {
      Vec<double> v = load_wide(x + k) - load(centre + k);
      if constexpr (offsets) {
        v -= load(offset + k);
      }
      const Vec<double> weighted = weight * v;
      store(sums + k, load(sums + k) + weighted);
      square += weighted * v;
    }
    store(partials, load(partials) + square);
  }
  for (; k < dim; ++k) {
    double v = static_cast<double>(x[k]) - centre[k];
    if constexpr (offsets) {
      v -= offset[k];
    }
    sums[k] += weight * v;
    partials[k % cluster_partials] += weight * v * v;
  }
}

// Distance of prefetched rows, in bytes. The sums of far-apart clusters are touched in between,
// which keeps the processor from prefetching by itself. Without prefetching it took half as long
// again. Prefetching into the first cache, which the sums fill, took a third longer. The last rows
// may lie beyond the end, which is harmless.
constexpr std::ptrdiff_t bytes_ahead = 8192;

// Prefetches the row `distance` values after x into the second cache.
template <class T>
inline void prefetch_row(const T* x, std::ptrdiff_t distance, std::ptrdiff_t dim) {
  constexpr std::ptrdiff_t line = 64;
  constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
  const auto begin =
      reinterpret_cast<std::uintptr_t>(x) + static_cast<std::uintptr_t>(distance * size);
  for (std::ptrdiff_t byte = 0; byte < dim * size; byte += line) {
    const auto* at = reinterpret_cast<const void*>(begin + static_cast<std::uintptr_t>(byte));
    __builtin_prefetch(at, 0, 2);
  }
}

// See AddClusterRows.
template <class T, ClusterSum kind, bool offsets>
bool add_rows_from(const ClusterRows<T>& rows, double* sums) {
  const std::ptrdiff_t stride = cluster_scalars + rows.dim + cluster_partials;
  const auto row_bytes = rows.dim * static_cast<std::ptrdiff_t>(sizeof(T));
  const std::ptrdiff_t ahead = (bytes_ahead / row_bytes + 1) * rows.stride;
  for (std::ptrdiff_t i = 0; i < rows.rows; ++i) {
    const std::int64_t code = rows.codes[i];
    if (code < 0) {
      continue;
    }
    if (code >= rows.n_clusters) {
      return false;
    }
    const T* x = rows.x + i * rows.stride;
    prefetch_row(x, ahead, rows.dim);
    const double* centre = rows.centers + code * rows.dim;
    const double* offset = offsets ? rows.offsets + code * rows.dim : nullptr;
    const double weight = rows.weights == nullptr ? 1 : rows.weights[i];
    double* out = sums + code * stride;
    double* vector = out + cluster_scalars;
    if constexpr (kind == ClusterSum::directions) {
      const double distance = __builtin_sqrt(
          add_row<false, false, offsets>(x, centre, offset, rows.dim, 0, vector).squares);
      if (distance > 0) {
        const double pull = weight / distance;
        add_row<true, false, offsets>(x, centre, offset, rows.dim, pull, vector);
        out[1] += pull;
        out[3] += weight * distance;
      } else {
        out[0] += 1;
        out[2] += weight;
      }
      continue;
    }
    out[0] += 1;
    out[1] += weight;
    if constexpr (kind == ClusterSum::squares) {
      add_squares<offsets>(x, centre, offset, rows.dim, weight, vector, vector + rows.dim);
      continue;
    }
    constexpr bool l1 = kind == ClusterSum::l1;
    const RowSums row = add_row<true, l1, offsets>(x, centre, offset, rows.dim, weight, vector);
    out[2] += weight * row.squares;
    out[3] += weight * (l1 ? row.absolutes : __builtin_sqrt(row.squares));
  }
  return true;
}

template <class T, ClusterSum kind>
bool add_cluster_rows(const ClusterRows<T>& rows, double* sums) {
  return rows.offsets == nullptr ? add_rows_from<T, kind, false>(rows, sums)
                                 : add_rows_from<T, kind, true>(rows, sums);
}

// See IsaOps::add_center_squares.
inline void add_center_squares(const CenterSquares& a) {
  // Rows at a time. Their sums fill half of the registers.
  constexpr int row_block = 8 * lanes<double>;
  static_assert(strip_rows % row_block == 0);
  for (std::int64_t c = 0; c < a.n_clusters; ++c) {
    const double* anchor = a.anchors + c * a.stride;
    const double* offset = a.offsets + c * a.stride;
    double* out = a.out + c * a.out_stride;
    for (int row = 0; row < a.rows; row += row_block) {
      Vec<double> sums[8] = {};
      for (std::ptrdiff_t k = 0; k < a.dim; ++k) {
        const double* x = a.x + k * strip_rows + row;
#pragma GCC unroll 8
        for (int v = 0; v < 8; ++v) {
          // The anchor is near the row, so the first difference loses no digits.
          const Vec<double> difference = (load(x + v * lanes<double>) - anchor[k]) - offset[k];
          sums[v] += difference * difference;
        }
      }
      for (int i = 0; i < row_block && row + i < a.rows; ++i) {
        out[row + i] += sums[i / lanes<double>][i % lanes<double>];
      }
    }
  }
}

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
