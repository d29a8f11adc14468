#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// What one ISA level offers to the engine: plain structs, pointers and functions, nothing else.

namespace fastdiv {

// All levels share one tile shape. 48 is a multiple of every panel width; 48 x 144 float32 values
// (27 KiB) stay in a 32 KiB L1 cache, and 9 blocks of 16 columns are as many as an int32 lane can
// add up in `add_labelled` (see reductions.hpp).
constexpr int tile_rows = 48;
constexpr int tile_cols = 144;

enum class Base { sqdist, l1, dot };

// Which entries of a tile count: `rows` x `cols`, and in row r only columns > diagonal + r.
struct Extent {
  int rows;
  int cols;
  int diagonal;
};
constexpr int no_diagonal = -tile_rows;

// Operands of one tile. Both come as panels: `panel` consecutive rows of the sample interleaved
// feature by feature. The tile is row-major with leading dimension tile_cols.
template <class T>
struct TileOperands {
  const T* x;
  const T* x_bias;  // sqdist: half squared norms
  const T* y;
  const T* y_bias;
  std::ptrdiff_t dim;
  std::ptrdiff_t stride;  // features of a panel: dim, or more if the tile takes a part of them
  int rows;
  int cols;
  const T* feature_scale;  // direct and l1: per feature, or null
  T factor;                // direct and l1: applied to the finished sum
};

template <class T>
using FillTile = void (*)(const TileOperands<T>&, T* tile);

// constants: filled by prepare; constants[0] multiplies every sum of the mapped values, whose
// magnitudes are at most 1 up to the bound that prepare got.
constexpr int max_constants = 4;
constexpr int max_params = 3;

// What a weighted tile is added to: weight * f(tile[i][j]) for i, j inside the extent.
template <class T>
struct Weighing {
  const T* row_weights;
  const T* col_weights;
  double weight;
  double* row_sums;  // [i] += sum over j of col_weights[j] f
  double* col_sums;  // [j] += sum over i of row_weights[i] f; or null
  T* slopes;         // [i][j] += row_weights[i] col_weights[j] slope_weight f', 0 outside; or null
  T slope_weight;
  bool first;  // slopes holds nothing yet
};

template <class T>
struct KernelOps {
  const char* name;
  Base base;
  int n_params;
  // A tile holds half squared distances, L1 distances or dot products in units of length:
  // D = 2 length^2 t, L = length t, x.y = length^2 t; bound >= every |t| that counts, or infinity
  // for dot products without one. Returns null, or what is wrong with the parameters for these
  // data.
  const char* (*prepare)(const double* params, double length, double bound, double* constants);
  // an upper bound of |f'/f| over all tile values >= smallest
  double (*sensitivity)(const double* constants, double smallest);
  // adds the sum of f over the extent to sums[0], or the sum of row r to sums[r]
  void (*sum)(const double* constants, const T* tile, Extent, double* sums);
  void (*row_sums)(const double* constants, const T* tile, Extent, double* sums);
  // out = coefficient * f(tile), or out += with accumulate; out may be tile
  void (*map)(const double* constants, const T* tile, T* out, int rows, int cols, T coefficient,
              bool accumulate);
  void (*weigh)(const double* constants, const T* tile, Extent, const Weighing<T>&);
};

// Operands of a product of a tile of slopes with the rows of a sample, for each column j and
// feature k of the tile's second sample:
//   out(j, k) += sum over i of tile[i][j] * phi(x(i, k), y(j, k)).
// Samples are panels as in TileOperands; out is too, with one more feature, to which the plain
// sums of the columns are added where phi is x.
template <class T>
struct SpreadOperands {
  const T* tile;
  int leading;  // of the tile's rows
  int rows;
  int cols;
  const T* x;
  const T* y;                // differences and signs
  const T* difference_unit;  // per feature, of differences
  std::ptrdiff_t dim;
  T* out;
};

template <class T>
using Spread = void (*)(const SpreadOperands<T>&);

// What is summed over the rows x of a cluster with centre c and weights w. Of each cluster come the
// scalars, then a vector of the features:
//   number of rows, sum w, sum w |x - c|^2, sum w D(x, c); sum w (x - c)
// where D is 0, the Euclidean or the Manhattan distance. For directions, over the rows x != c alone
// but in the first and third:
//   number of rows x = c, sum w / |x - c|, sum w of rows x = c, sum w |x - c|;
//   sum w (x - c) / |x - c|
enum class ClusterSum { squares, euclidean, manhattan, directions };
constexpr std::ptrdiff_t cluster_scalars = 4;
// While they are summed, after the vector: parts of sum w |x - c|^2.
constexpr std::ptrdiff_t cluster_partials = 8;

template <class T>
struct ClusterRows {
  const T* x;  // features side by side
  std::ptrdiff_t stride;
  const std::int64_t* codes;  // the cluster of each row; negative: left out
  const double* weights;      // or null
  std::ptrdiff_t rows;
  std::ptrdiff_t dim;
  const double* centers;
  const double* offsets;  // added to the centers, or null
  std::int64_t n_clusters;
};

// Adds to sums[n_clusters * (cluster_scalars + dim + cluster_partials)]. Returns false if there is
// no cluster of some row's number.
template <class T>
using AddClusterRows = bool (*)(const ClusterRows<T>&, double* sums);

// Squared distances of a strip of rows from centres in two parts, by some of the features.
struct CenterSquares {
  const double* x;  // dim features of strip_rows rows each
  std::ptrdiff_t dim;
  const double* anchors;  // of the first centre; `stride` features to one
  const double* offsets;
  std::ptrdiff_t stride;
  std::int64_t n_clusters;
  double* out;  // of the first centre: added to
  std::ptrdiff_t out_stride;
  int rows;  // <= strip_rows
};
constexpr int strip_rows = 64;

template <class T>
struct TileOps {
  int panel;
  FillTile<T> sqdist;         // half squared distance from norms and products
  FillTile<T> sqdist_direct;  // half squared distance from differences
  FillTile<T> l1;
  FillTile<T> dot;
  T (*smallest)(const T* tile, Extent);
  T (*largest)(const T* tile, Extent);
  // counts[digit] += 1 for every non-negative value whose bits above `shift + 16` equal `prefix`
  void (*count_digits)(const T* tile, Extent, int shift, std::uint64_t prefix,
                       std::uint64_t* counts);
  // Merges the tile into least[r*k ... r*k + k), the smallest values so far of each row r,
  // ascending.
  void (*keep_smallest)(const T* tile, Extent, int k, T* least);
  // sums[i] += sum over j of a[i][j] b[i][j]
  void (*row_products)(const T* a, const T* b, Extent, double* sums);
  // limb = round(tile * 2^limb_bits), tile = what is left; 0 outside the extent
  void (*take_limb)(T* tile, std::int32_t* limb, Extent, int limb_bits);
  void (*transpose)(const T* tile, T* out);  // out: tile_cols x tile_rows
  Spread<T> spread;                          // phi = x
  Spread<T> spread_differences;              // phi = (x - y) * difference_unit
  Spread<T> spread_signs;                    // phi = sign(x - y)
  // out(i, k) += sign * (sum(i) * x(i, k) - spread(i, k)) for a panel: `spread` as it was filled,
  // its last feature the sums. With x null: out -= sign * spread. Zeroes `spread`.
  void (*settle)(T* spread, const T* x, std::ptrdiff_t dim, double sign, double* out);
  const KernelOps<T>* kernels;
  int n_kernels;
  AddClusterRows<T> add_cluster_rows[4];  // by ClusterSum
  // n vector multiply-adds on independent chains; returns the flops done
  double (*fma_burst)(std::int64_t n, T* sink);
};

// Rows of int8 for one tile, in panels of TileOps<float>::panel rows interleaved by pairs of
// features, and their zero points as pairs of equal values. Integers, value less zero point, are
// below 256; pairs <= max_pairs, so that int32 holds their products.
struct Int8Operands {
  const std::int8_t* x;
  const std::int16_t* x_zero;
  const std::int8_t* y;
  const std::int16_t* y_zero;
  std::ptrdiff_t pairs;
  std::ptrdiff_t stride;  // pairs of features of a panel
  int rows;
  int cols;
};
constexpr std::ptrdiff_t max_pairs = 1 << 14;

// Per row: scale, half squared norm of its integers, and the product of both.
struct Int8Rows {
  const double* scale;
  const double* half_norm;
  const double* scaled_norm;
};

// A tile from one of exact products of integers, with `before`, if not null, added to them.
template <class T>
using FromProducts = void (*)(const std::int32_t* products, const double* before, const Int8Rows& x,
                              const Int8Rows& y, int rows, int cols, T* tile);

template <class T>
struct Int8Ops {
  FromProducts<T> sqdist;  // half squared distances, never below 0
  FromProducts<T> dot;
  // The rows x as panels of T, all their features (an even number) times feature_scale
  void (*dequantise)(const Int8Operands&, const double* scale, const double* feature_scale, T* out);
};

// How a Gaussian's covariance is given: see gaussian.hpp.
enum class Scale { std, var, logstd, logvar, cov, scale_tril, precision };
constexpr bool is_diagonal(Scale scale) {
  return scale < Scale::cov;
}

// One Gaussian; strides in elements. A diagonal parameter has no column stride.
template <class T>
struct GaussianItem {
  const T* mean;
  const T* parameter;
  std::ptrdiff_t mean_stride;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t col_stride;
  Scale scale;
};

// What is wrong with a matrix.
enum MatrixStatus : std::uint8_t {
  matrix_is_fine = 0,
  not_finite = 1,
  not_symmetric = 2,
  not_positive_definite = 3,
  not_lower_triangular = 4,
  zero_on_diagonal = 5,
};

template <class T>
struct GaussianOps {
  int items;  // that the functions for matrices take side by side
  // KL(p || q) of two diagonal Gaussians
  double (*diagonal_kl)(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim);
  // its gradients with respect to p.mean and both parameters, `dim` numbers each; by_q may be null
  void (*diagonal_gradients)(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim,
                             double* means, double* by_p, double* by_q);
  // out[i] = KL(p[i] || q[i]) for i < count <= items, NaN where a matrix is not positive definite.
  // `scratch` holds scratch_size(dim) doubles. All p have one scale, so have all q.
  void (*full_kl)(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                  double* scratch, double* out);
  // status[i] of p[i].parameter; scratch as above
  void (*matrix_status)(const GaussianItem<T>* p, int count, int dim, double* scratch,
                        std::uint8_t* status);
  std::size_t (*scratch_size)(int dim);
};
constexpr int max_items = 8;

// One draw's estimate of KL(p || q), with l = log q - log p: -l, l^2 / 2, exp(l) - 1 - l.
enum class LogRatio { k1, k2, k3 };

// out[i] from log_p[i] and log_q[i]; n is a multiple of 8. NaN unless log p is finite and log q is
// finite or -infinity.
using MapLogRatios = void (*)(const double* log_p, const double* log_q, std::ptrdiff_t n,
                              double* out);
// How categorical distributions are given.
enum class Weights { probs, logits };

// Of logits: the largest, and with it the sum exp(largest) * (1 + rest) of their exponentials.
// Of probabilities: the smallest or 0, whatever is less, and their sum `rest`.
struct Normaliser {
  double extreme;
  double rest;
};
constexpr Normaliser no_categories(Weights weights) {
  return {weights == Weights::logits ? -__builtin_inf() : 0, 0};
}

// Consecutive categories of one distribution; the normaliser is that of all categories.
template <class T>
struct CategoricalItem {
  const T* values;
  std::ptrdiff_t stride;
  Weights weights;
  Normaliser normaliser;
};

// Parts of a divergence and of sum q - sum p; the latter is 0 over all categories but for the
// rounding errors of the normalisers.
struct DivergenceSums {
  double divergence;
  double excess;
};

// Sums over n categories: see categorical.hpp.
template <class T>
struct CategoricalOps {
  Normaliser (*normaliser)(const CategoricalItem<T>&, std::ptrdiff_t n);  // uses no normaliser
  double (*entropy)(const CategoricalItem<T>&, std::ptrdiff_t n);  // of logits, less log(1 + rest)
  DivergenceSums (*kl)(const CategoricalItem<T>& p, const CategoricalItem<T>& q, std::ptrdiff_t n);
  DivergenceSums (*jensen_shannon)(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                                   std::ptrdiff_t n);
};

struct IsaOps {
  const char* name;
  TileOps<float> f32;
  TileOps<double> f64;
  // X = X L^-T in place, for a strip of tile_rows rows in panels of f64.panel rows and tile_rows
  // features, the panels `stride` features long; l: row-major, lower triangular
  void (*solve_strip)(double* x, std::ptrdiff_t stride, const double* l);
  // out[c] = (unit * tile[c] + offset + offsets[c]) / 2 for c < cols, or NaN where it is at most
  // 1/2 of error * (norm * norms[c] + |offset| + |offsets[c]|)
  void (*halve_products)(const double* tile, double unit, double offset, const double* offsets,
                         double norm, const double* norms, double error, int cols, double* out);
  GaussianOps<float> gaussian_f32;
  GaussianOps<double> gaussian_f64;
  CategoricalOps<float> categorical_f32;
  CategoricalOps<double> categorical_f64;
  // totals[b] += sum over the tile of limb[i][j] for rows i in rows_of[b] and columns in
  // cols_of[.][b]
  void (*add_labelled)(const std::int32_t* limb, int col_strips, const std::uint64_t* row_labels,
                       const std::uint64_t* col_labels, std::ptrdiff_t n_labellings,
                       std::int64_t* totals, void* scratch);
  std::size_t (*labelled_scratch_bytes)(std::ptrdiff_t n_labellings);
  MapLogRatios log_ratios[3];  // by LogRatio
  // out(c, i) += |x_i - anchor_c - offset_c|^2
  void (*add_center_squares)(const CenterSquares&);
  void (*multiply_int8)(const Int8Operands&, std::int32_t* products);
  Int8Ops<float> int8_f32;
  Int8Ops<double> int8_f64;

  template <class T>
  const TileOps<T>& ops() const {
    if constexpr (sizeof(T) == 4) {
      return f32;
    } else {
      return f64;
    }
  }
  template <class T>
  const Int8Ops<T>& int8() const {
    if constexpr (sizeof(T) == 4) {
      return int8_f32;
    } else {
      return int8_f64;
    }
  }
  template <class T>
  const GaussianOps<T>& gaussian() const {
    if constexpr (sizeof(T) == 4) {
      return gaussian_f32;
    } else {
      return gaussian_f64;
    }
  }
  template <class T>
  const CategoricalOps<T>& categorical() const {
    if constexpr (sizeof(T) == 4) {
      return categorical_f32;
    } else {
      return categorical_f64;
    }
  }
};

// The level in use: the best this machine has, or FASTDIV_ISA; chosen at the first call. Throws
// std::invalid_argument when FASTDIV_ISA names no level of this build or machine.
const IsaOps& isa();
// The levels of this build that this machine can run, best last.
std::vector<std::string> available_isas();

}  // namespace fastdiv
