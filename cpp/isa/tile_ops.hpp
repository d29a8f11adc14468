#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/kernel_groups.hpp"
#include "isa/cluster_ops.hpp"

namespace fastdiv {

// Shape of a tile, the same at all levels. 48 is a multiple of every panel width. 48 x 144 float32
// values (27 KiB) stay in a 32 KiB L1 cache. 9 blocks of 16 columns are as many as an int32 lane
// can add up in `add_labelled` (see reductions.hpp).
constexpr int tile_rows = 48;
constexpr int tile_cols = 144;

// Rows that packing looks at together. Every panel has a multiple of them.
template <class T>
constexpr int rows_together = 32 / sizeof(T);

// Most features of a block, whose sum is added to a tile compensated.
constexpr std::ptrdiff_t feature_block = 512;

// Features whose products are summed in one chain, in the precision of the tile. For equal features
// a chain of 128 in float32 is off by up to 1.9e-6 of itself, one of 512 by four times as much. The
// panels of short chains are nearer: measured with AVX2, d = 512 in float32 gained 10 %, d = 1024
// in float64 too. Chains of 128 in float64 cost 5 % at d = 256.
template <class T>
constexpr std::ptrdiff_t chain_features = sizeof(T) == 4 ? 128 : 256;

// The same for sums of differences of rows. In float32 a chain of 64 is off by up to 1.0e-6 of
// itself, like a product with the norms added last.
template <class T>
constexpr std::ptrdiff_t difference_chain = sizeof(T) == 4 ? 64 : chain_features<T>;

// Most features of a chain that begins with the norms of an expanded squared distance. Each of its
// partial sums is as large as the norms and rounds like them, so in float32 a chain of 32 is off by
// up to 1.0e-6 of itself. Longer chains begin at 0, and the norms come last: 1.1e-6 for 128. For
// few features that is dearer: 12 % of the time of a tile at d = 8, 1 % at d = 64.
template <class T>
constexpr std::ptrdiff_t short_chain = sizeof(T) == 4 ? 32 : chain_features<T>;

// Returns the features of a block, if blocks are to be as equal as can be. The function is static,
// because levels must not share an inline one.
static inline std::ptrdiff_t block_features(std::ptrdiff_t dim) {
  const std::ptrdiff_t blocks = (dim + feature_block - 1) / feature_block;
  return (dim + blocks - 1) / blocks;
}

constexpr int no_diagonal = -tile_rows;

// Entries of a tile that count: `rows` x `cols`. In row r only columns > diagonal + r do, and not
// column gap + r.
struct Extent {
  int rows;
  int cols;
  int diagonal;
  int gap = no_diagonal;
};

// Operands of one tile. Both samples are in panels: `panel` consecutive rows, interleaved feature
// by feature. The tile is row-major with leading dimension tile_cols.
template <class T>
struct TileOperands {
  const T* x;
  const T* x_bias;  // sqdist: half squared norms
  const T* y;
  const T* y_bias;
  std::ptrdiff_t dim;
  std::ptrdiff_t stride;  // features of a panel: dim, or more if the tile uses some of them
  int rows;
  int cols;
  const T* feature_scale;  // direct and l1: per feature, or null
  T factor;                // direct and l1: applied to the finished sum
};

template <class T>
using FillTile = void (*)(const TileOperands<T>&, T* tile);

// Largest numbers of constants and parameters of a kernel. `prepare` fills the constants.
// constants[0] multiplies every sum of the mapped values. Their magnitudes are at most 1 up to the
// bound that `prepare` was given.
constexpr int max_constants = 4;
constexpr int max_params = 3;

// Operands of sums of weight * f(tile[i][j]) over i, j inside the extent.
template <class T>
struct Weighing {
  const T* row_weights;
  const T* col_weights;
  double weight;
  double* row_sums;  // [i] += sum over j of col_weights[j] f
  double* col_sums;  // [j] += sum over i of row_weights[i] f; or null
  T* slopes;         // [i][j] += row_weights[i] col_weights[j] slope_weight f', 0 outside; or null
  T slope_weight;
  bool first;  // slopes is not initialised yet
};

// Reasons why parameters of a kernel are invalid for the range of the data. `parameter_error` has
// the sentences.
enum class ParameterProblem {
  none,
  narrow_bandwidth,     // of a kernel of squared distances
  narrow_l1_bandwidth,  // of a kernel of L1 distances
  small_alpha,
  small_c,
  degree
};

template <class T>
struct KernelOps {
  const char* name;
  Base base;
  int n_params;
  // Fills the constants for a tile of half squared distances, L1 distances or dot products t in
  // units of length: D = 2 length^2 t, L = length t, x.y = length^2 t. `bound` is at least every
  // |t| that counts, or infinity for dot products without a bound.
  ParameterProblem (*prepare)(const double* params, double length, double bound, double* constants);
  // Returns an upper bound of |f'/f| over all tile values >= smallest.
  double (*sensitivity)(const double* constants, double smallest);
  bool steep_slope;  // f' is as 1 / sqrt(t) near 0, where f is not
  // Add the sum of f over the extent to sums[0], or the sum of row r to sums[r].
  void (*sum)(const double* constants, const T* tile, Extent, double* sums);
  void (*row_sums)(const double* constants, const T* tile, Extent, double* sums);
  // Sets out to coefficient * f(tile), or adds that to it with `accumulate`. `out` may be `tile`.
  void (*map)(const double* constants, const T* tile, T* out, int rows, int cols, T coefficient,
              bool accumulate);
  void (*weigh)(const double* constants, const T* tile, Extent, const Weighing<T>&);
};

// Operands of a product of a tile of slopes with the rows of a sample. For each column j and
// feature k of the tile's second sample,
//   out(j, k) += sum over i of tile[i][j] * phi(x(i, k), y(j, k)).
// Samples are in panels as in TileOperands. So is `out`, with one more feature. If phi is x, the
// plain sums of the columns are added to that feature.
template <class T>
struct SpreadOperands {
  const T* tile;
  int leading;  // leading dimension of the tile
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

template <class T>
struct TileOps {
  int panel;
  FillTile<T> sqdist;         // half squared distance from norms and products
  FillTile<T> sqdist_direct;  // half squared distance from differences
  FillTile<T> l1;
  FillTile<T> dot;
  T (*smallest)(const T* tile, Extent);
  T (*largest)(const T* tile, Extent);
  // Adds 1 to counts[digit] for every non-negative value whose bits above `shift + 16` equal
  // `prefix`.
  void (*count_digits)(const T* tile, Extent, int shift, std::uint64_t prefix,
                       std::uint64_t* counts);
  // Merges the tile into least[r*k ... r*k + k), the smallest values so far of each row r in
  // ascending order.
  void (*keep_smallest)(const T* tile, Extent, int k, T* least);
  // Adds the sum over j of a[i][j] b[i][j] to sums[i].
  void (*row_products)(const T* a, const T* b, Extent, double* sums);
  // Splits tile * 2^limb_bits into its nearest integer, in `limb`, and what is left of it, in
  // `tile`. The limb is 0 outside the extent.
  void (*split_limb)(T* tile, std::int32_t* limb, Extent, int limb_bits);
  void (*transpose)(const T* tile, T* out);  // out: tile_cols x tile_rows
  Spread<T> spread;                          // phi = x
  Spread<T> spread_differences;              // phi = (x - y) * difference_unit
  Spread<T> spread_signs;                    // phi = sign(x - y)
  // Adds sign * (sum(i) * x(i, k) - spread(i, k)) to out(i, k) for a panel, and zeroes `spread`.
  // The sums are the last feature of `spread`. With null x, it adds -sign * spread(i, k).
  void (*finish_spread)(T* spread, const T* x, std::ptrdiff_t dim, double sign, double* out);
  const KernelOps<T>* kernels;
  int n_kernels;
  AddClusterRows<T> add_cluster_rows[4];  // indexed by ClusterSum
  // Computes n vector multiply-adds on independent chains, and returns the flops done.
  double (*fma_burst)(std::int64_t n, T* sink);
};

// Rows of int8 for one tile, in panels of TileOps<float>::panel rows interleaved by pairs of
// features. Zero points are pairs of equal values. An integer is a value minus its zero point, and
// below 256. At most max_pairs pairs are summed, so that int32 holds the sums of products.
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

// Scale, half squared norm of the integers, and product of both, for each row.
struct Int8Rows {
  const double* scale;
  const double* half_norm;
  const double* scaled_norm;
};

// Computes a tile from a tile of exact integer products. Adds `before` to the products first,
// unless it is null.
template <class T>
using FromProducts = void (*)(const std::int32_t* products, const double* before, const Int8Rows& x,
                              const Int8Rows& y, int rows, int cols, T* tile);

template <class T>
struct Int8Ops {
  FromProducts<T> sqdist;  // half squared distances, never below 0
  FromProducts<T> dot;
  // Writes the rows of x in panels of T, their features (an even number) times feature_scale.
  void (*dequantise)(const Int8Operands&, const double* scale, const double* feature_scale, T* out);
};

}  // namespace fastdiv
