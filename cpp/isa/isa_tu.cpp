// Instantiates the tile, kernel and reduction templates of one ISA level and exports them as one
// table. The build compiles it once per level. It contains no static initialisers and no inline
// functions that levels could share, and is the only file here that includes the rooms above it.

#include "clusters/simd/cluster_rows.hpp"
#include "distributions/simd/categorical.hpp"
#include "distributions/simd/diagonal_gaussian.hpp"
#include "distributions/simd/full_gaussian.hpp"
#include "distributions/simd/gaussian_overlaps.hpp"
#include "distributions/simd/gaussian_transport.hpp"
#include "distributions/simd/log_ratios.hpp"
#include "isa/isa.hpp"
#include "pairs/simd/kernels.hpp"
#include "pairs/simd/reductions.hpp"
#include "pairs/simd/spread.hpp"
#include "pairs/simd/tile.hpp"
#include "pairs/simd/tile_int8.hpp"

#define FASTDIV_STRING_(x) #x
#define FASTDIV_STRING(x) FASTDIV_STRING_(x)

namespace fastdiv::FASTDIV_ISA_NAMESPACE {
namespace {

// Tables are filled by name, so that two neighbours of one type cannot be swapped unseen.

// Returns F::steep_slope, or false for a functor that does not say.
template <class F>
constexpr auto steep_slope(int) -> decltype(F::steep_slope) {
  return F::steep_slope;
}
template <class F>
constexpr bool steep_slope(long) {
  return false;
}

template <class T, class F>
constexpr KernelOps<T> kernel() {
  static_assert(F::n_params <= max_params);
  KernelOps<T> ops{};
  ops.name = F::name;
  ops.base = F::base;
  ops.n_params = F::n_params;
  ops.prepare = F::prepare;
  ops.sensitivity = F::sensitivity;
  ops.steep_slope = steep_slope<F>(0);
  ops.sum = sum<T, F, false>;
  ops.row_sums = sum<T, F, true>;
  ops.map = map<T, F>;
  ops.weigh = weigh<T, F>;
  return ops;
}

template <class T, class List>
struct KernelTable;

template <class T, class... F>
struct KernelTable<T, KernelList<F...>> {
  static constexpr KernelOps<T> rows[] = {kernel<T, F>()...};
  static constexpr int size = sizeof...(F);
};

template <class T>
constexpr TileOps<T> tile_ops() {
  using Kernels = KernelTable<T, AllKernels<T>>;
  TileOps<T> ops{};
  ops.panel = panel_rows<T>;
  static_assert(panel_rows<T> % rows_together<T> == 0);
  ops.sqdist = fill<T, ExpandedSqDist<T>>;
  ops.sqdist_direct = fill_maybe_scaled<T, DirectSqDist>;
  ops.l1 = fill_maybe_scaled<T, L1>;
  ops.dot = fill<T, Dot<T>>;
  ops.smallest = smallest<T>;
  ops.largest = largest<T>;
  ops.count_digits = count_digits<T>;
  ops.keep_smallest = keep_smallest<T>;
  ops.row_products = row_products<T>;
  ops.split_limb = split_limb<T>;
  ops.transpose = transpose_tile<T>;
  ops.spread = spread<T, SpreadRows<T>>;
  ops.spread_differences = spread<T, SpreadDifferences<T>>;
  ops.spread_signs = spread<T, SpreadSigns<T>>;
  ops.finish_spread = finish_spread<T>;
  ops.kernels = Kernels::rows;
  ops.n_kernels = Kernels::size;
  const auto cluster_rows = [&](ClusterSum sum) -> AddClusterRows<T>& {
    return ops.add_cluster_rows[static_cast<int>(sum)];
  };
  cluster_rows(ClusterSum::squares) = add_cluster_rows<T, ClusterSum::squares>;
  cluster_rows(ClusterSum::euclidean) = add_cluster_rows<T, ClusterSum::euclidean>;
  cluster_rows(ClusterSum::l1) = add_cluster_rows<T, ClusterSum::l1>;
  cluster_rows(ClusterSum::directions) = add_cluster_rows<T, ClusterSum::directions>;
  ops.fma_burst = fma_burst<T>;
  return ops;
}

template <class T>
constexpr Int8Ops<T> int8_ops() {
  Int8Ops<T> ops{};
  ops.sqdist = sqdist_of_products<T>;
  ops.dot = dot_of_products<T>;
  ops.dequantise = dequantise<T>;
  return ops;
}

template <class T>
constexpr GaussianOps<T> gaussian_ops() {
  GaussianOps<T> ops{};
  ops.items = items_at_once;
  ops.diagonal_kl = diagonal_kl<T>;
  ops.diagonal_gradients = diagonal_gradients<T, double>;
  ops.rounded_gradients = diagonal_gradients<T, T>;
  ops.full_kl = full_kl<T>;
  ops.full_renyi = full_renyi<T>;
  ops.full_coupling = full_coupling<T>;
  ops.full_wasserstein2 = full_wasserstein2<T>;
  ops.covariance_roots = covariance_roots<T>;
  ops.matrix_status = matrix_status<T>;
  ops.scratch_size = gaussian_scratch_size;
  return ops;
}

template <class T>
constexpr CategoricalOps<T> categorical_ops() {
  CategoricalOps<T> ops{};
  ops.normaliser = normaliser<T>;
  ops.entropy = entropy<T>;
  ops.kl = categorical_kl<T>;
  ops.jensen_shannon = jensen_shannon<T>;
  return ops;
}

constexpr IsaOps isa_ops() {
  IsaOps ops{};
  ops.name = FASTDIV_STRING(FASTDIV_ISA_NAME);
  ops.f32 = tile_ops<float>();
  ops.f64 = tile_ops<double>();
  ops.solve_strip = solve_strip;
  ops.halve_products = halve_products;
  ops.gaussian_f32 = gaussian_ops<float>();
  ops.gaussian_f64 = gaussian_ops<double>();
  ops.categorical_f32 = categorical_ops<float>();
  ops.categorical_f64 = categorical_ops<double>();
  ops.add_labelled = add_labelled;
  ops.labelled_scratch_bytes = labelled_scratch_bytes;
  ops.log_ratios[static_cast<int>(LogRatio::k1)] = log_ratios<LogRatio::k1>;
  ops.log_ratios[static_cast<int>(LogRatio::k2)] = log_ratios<LogRatio::k2>;
  ops.log_ratios[static_cast<int>(LogRatio::k3)] = log_ratios<LogRatio::k3>;
  ops.add_center_squares = add_center_squares;
  ops.multiply_int8 = multiply_int8;
  ops.int8_f32 = int8_ops<float>();
  ops.int8_f64 = int8_ops<double>();
  return ops;
}

}  // namespace

extern const IsaOps table;
constexpr IsaOps table = isa_ops();

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
