#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/distribution_ops.hpp"
#include "isa/tile_ops.hpp"

// Functions of one ISA level: plain structs and pointers, and nothing else.

namespace fastdiv {

// Returns the table of T out of those of float and double.
template <class T, class Float, class Double>
const auto& of_type(const Float& f32, const Double& f64) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return f32;
  } else {
    return f64;
  }
}

struct IsaOps {
  const char* name;
  TileOps<float> f32;
  TileOps<double> f64;
  // Sets X to X L^-T, for a strip of tile_rows rows and tile_rows features. The strip is in panels
  // of f64.panel rows, each `stride` features long. `l` is row-major and lower triangular.
  void (*solve_strip)(double* x, std::ptrdiff_t stride, const double* l);
  // Sets out[c] to v / 2 for c < cols, with v = unit * tile[c] + offset + offsets[c]. Sets it to
  // NaN if v is at most error * (norm * norms[c] + |offset| + |offsets[c]|).
  void (*halve_products)(const double* tile, double unit, double offset, const double* offsets,
                         double norm, const double* norms, double error, int cols, double* out);
  GaussianOps<float> gaussian_f32;
  GaussianOps<double> gaussian_f64;
  CategoricalOps<float> categorical_f32;
  CategoricalOps<double> categorical_f64;
  // Adds to totals[b] the entries of `limb` in the rows and columns that labelling b selects. The
  // labels of a strip of rows or columns are the bits of a word per labelling.
  void (*add_labelled)(const std::int32_t* limb, int col_strips, const std::uint64_t* row_labels,
                       const std::uint64_t* col_labels, std::ptrdiff_t n_labellings,
                       std::int64_t* totals, void* scratch);
  std::size_t (*labelled_scratch_bytes)(std::ptrdiff_t n_labellings);
  MapLogRatios log_ratios[3];  // indexed by LogRatio
  // Adds |x_i - anchor_c - offset_c|^2 to out(c, i).
  void (*add_center_squares)(const CenterSquares&);
  void (*multiply_int8)(const Int8Operands&, std::int32_t* products);
  Int8Ops<float> int8_f32;
  Int8Ops<double> int8_f64;

  template <class T>
  const TileOps<T>& ops() const {
    return of_type<T>(f32, f64);
  }
  template <class T>
  const Int8Ops<T>& int8() const {
    return of_type<T>(int8_f32, int8_f64);
  }
  template <class T>
  const GaussianOps<T>& gaussian() const {
    return of_type<T>(gaussian_f32, gaussian_f64);
  }
  template <class T>
  const CategoricalOps<T>& categorical() const {
    return of_type<T>(categorical_f32, categorical_f64);
  }
};

// Returns the level in use, see isa_name.
const IsaOps& isa();

}  // namespace fastdiv
