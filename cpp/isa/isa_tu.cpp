// Instantiates the tile, kernel and reduction templates of one ISA level and exports them as one
// table. The build compiles it once per level. It contains no static initialisers and no inline
// functions that levels could share, and is the only file here that includes the rooms above it.

#include "clusters/simd/cluster_rows.hpp"
#include "distributions/simd/categorical.hpp"
#include "distributions/simd/gaussian.hpp"
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

template <class T, class F>
constexpr KernelOps<T> kernel() {
  static_assert(F::n_params <= max_params);
  return {F::name,   F::base,        F::n_params, F::prepare, F::sensitivity,
          sum<T, F>, row_sums<T, F>, map<T, F>,   weigh<T, F>};
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
  return {panel_rows<T>,
          fill<T, ExpandedSqDist<T>>,
          fill_maybe_scaled<T, DirectSqDist>,
          fill_maybe_scaled<T, L1>,
          fill<T, Dot<T>>,
          smallest<T>,
          largest<T>,
          count_digits<T>,
          keep_smallest<T>,
          row_products<T>,
          take_limb<T>,
          transpose_tile<T>,
          spread<T, SpreadRows<T>>,
          spread<T, SpreadDifferences<T>>,
          spread<T, SpreadSigns<T>>,
          finish_spread<T>,
          Kernels::rows,
          Kernels::size,
          {add_cluster_rows<T, ClusterSum::squares>, add_cluster_rows<T, ClusterSum::euclidean>,
           add_cluster_rows<T, ClusterSum::manhattan>, add_cluster_rows<T, ClusterSum::directions>},
          fma_burst<T>};
}

template <class T>
constexpr Int8Ops<T> int8_ops() {
  return {sqdist_of_products<T>, dot_of_products<T>, dequantise<T>};
}

template <class T>
constexpr GaussianOps<T> gaussian_ops() {
  return {items_at_once, diagonal_kl<T>,   diagonal_gradients<T>,
          full_kl<T>,    matrix_status<T>, gaussian_scratch_size};
}

template <class T>
constexpr CategoricalOps<T> categorical_ops() {
  return {normaliser<T>, entropy<T>, categorical_kl<T>, jensen_shannon<T>};
}

}  // namespace

extern const IsaOps table;
constexpr IsaOps table = {
    FASTDIV_STRING(FASTDIV_ISA_NAME),
    tile_ops<float>(),
    tile_ops<double>(),
    solve_strip,
    halve_products,
    gaussian_ops<float>(),
    gaussian_ops<double>(),
    categorical_ops<float>(),
    categorical_ops<double>(),
    add_labelled,
    labelled_scratch_bytes,
    {log_ratios<LogRatio::k1>, log_ratios<LogRatio::k2>, log_ratios<LogRatio::k3>},
    add_center_squares,
    multiply_int8,
    int8_ops<float>(),
    int8_ops<double>()};

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
