// Compiled once per ISA level: instantiates the tile, kernel and reduction templates and exports
// one table of them. No static initialisers, no inline functions shared between levels.

#include "kernels.hpp"
#include "reductions.hpp"
#include "tile.hpp"

#define FASTDIV_STRING_(x) #x
#define FASTDIV_STRING(x) FASTDIV_STRING_(x)

namespace fastdiv::FASTDIV_ISA_NAMESPACE {
namespace {

template <class T, class F>
constexpr KernelOps<T> kernel() {
  static_assert(F::n_params <= max_params);
  return {F::name,        F::base,   F::n_params,    F::prepare,
          F::sensitivity, sum<T, F>, row_sums<T, F>, map<T, F>};
}

template <class T>
constexpr KernelOps<T> kernels[] = {
    kernel<T, Rbf<T>>(),
    kernel<T, Laplacian<T>>(),
    kernel<T, Matern12<T>>(),
    kernel<T, Matern32<T>>(),
    kernel<T, Matern52<T>>(),
    kernel<T, RationalQuadratic<T>>(),
    kernel<T, InverseMultiquadric<T>>(),
    kernel<T, Polynomial<T>>(),
    kernel<T, Linear<T>>(),
    kernel<T, Energy<T>>(),
};

template <class T>
constexpr TileOps<T> tile_ops() {
  return {panel_rows<T>,
          fill<T, ExpandedSqDist<T>>,
          fill_maybe_scaled<T, DirectSqDist>,
          fill_maybe_scaled<T, L1>,
          fill<T, Dot<T>>,
          smallest<T>,
          count_digits<T>,
          take_limb<T>,
          kernels<T>,
          sizeof(kernels<T>) / sizeof(kernels<T>[0]),
          fma_burst<T>};
}

}  // namespace

extern const IsaOps table;
constexpr IsaOps table = {FASTDIV_STRING(FASTDIV_ISA_NAME), tile_ops<float>(), tile_ops<double>(),
                          add_labelled, labelled_scratch_bytes};

}  // namespace fastdiv::FASTDIV_ISA_NAMESPACE
