#pragma once

#include <cstddef>
#include <cstdint>

#include "fastdiv/distributions.hpp"

namespace fastdiv {

// One Gaussian, with strides in elements. A diagonal parameter has no column stride.
template <class T>
struct GaussianItem {
  const T* mean;
  const T* parameter;
  std::ptrdiff_t mean_stride;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t col_stride;
  Scale scale;
};

template <class T>
struct GaussianOps {
  int items;  // number of items that the functions for matrices process side by side
  // Returns KL(p || q) of two diagonal Gaussians.
  double (*diagonal_kl)(const GaussianItem<T>& p, const GaussianItem<T>& q, std::ptrdiff_t dim);
  // Return KL(p || q) and compute its gradients with respect to p.mean and both parameters, `dim`
  // numbers each, all in double precision. `by_q` may be null. `sound` tells whether all parameters
  // are valid and all gradients finite.
  double (*diagonal_gradients)(const GaussianItem<T>& p, const GaussianItem<T>& q,
                               std::ptrdiff_t dim, double* means, double* by_p, double* by_q,
                               bool& sound);
  double (*rounded_gradients)(const GaussianItem<T>& p, const GaussianItem<T>& q,
                              std::ptrdiff_t dim, T* means, T* by_p, T* by_q, bool& sound);
  // Sets out[i] to KL(p[i] || q[i]) for i < count <= items, or to NaN if a matrix is not positive
  // definite. `scratch` holds scratch_size(dim) doubles. All p share one scale, and so do all q.
  void (*full_kl)(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                  double* scratch, double* out);
  // Sets out[i] to the Renyi divergence of p[i] from q[i], like full_kl. See gaussian_renyi.
  void (*full_renyi)(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                     double alpha, double above_one, double* scratch, double* out);
  // Sets out[i] like full_kl. See gaussian_coupling.
  void (*full_coupling)(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                        double share, double rest, double* scratch, double* out);
  // Sets out[i] like full_kl. See gaussian_wasserstein2. Returns whether all iterations converged.
  bool (*full_wasserstein2)(const GaussianItem<T>* p, const GaussianItem<T>* q, int count, int dim,
                            double* scratch, double* out);
  // Sets the `count` matrices of `out`. See covariance_roots. Returns whether all iterations
  // converged.
  bool (*covariance_roots)(const GaussianItem<T>* p, int count, int dim, double* scratch,
                           double* out);
  // Sets status[i] to the status of p[i].parameter. `scratch` is as above.
  void (*matrix_status)(const GaussianItem<T>* p, int count, int dim, double* scratch,
                        std::uint8_t* status);
  std::size_t (*scratch_size)(int dim);
};
constexpr int max_items = 8;

// Maps log_p[i] and log_q[i] to out[i], where n is a multiple of 8. The result is NaN unless log p
// is finite and log q is finite or -infinity.
using MapLogRatios = void (*)(const double* log_p, const double* log_q, std::ptrdiff_t n,
                              double* out);

// Consecutive categories of one distribution, with the normaliser of all its categories.
template <class T>
struct CategoricalItem {
  const T* values;
  std::ptrdiff_t stride;
  Weights weights;
  Normaliser normaliser;
};

// Partial sums of a divergence and of q - p. The sum of q - p over all categories is 0 but for the
// rounding errors of the normalisers.
struct DivergenceSums {
  double divergence;
  double excess;
};

// Functions that sum over n categories, see simd/categorical.hpp.
template <class T>
struct CategoricalOps {
  Normaliser (*normaliser)(const CategoricalItem<T>&, std::ptrdiff_t n);  // uses no normaliser
  double (*entropy)(const CategoricalItem<T>&, std::ptrdiff_t n);  // of logits, minus log(1 + rest)
  DivergenceSums (*kl)(const CategoricalItem<T>& p, const CategoricalItem<T>& q, std::ptrdiff_t n);
  DivergenceSums (*jensen_shannon)(const CategoricalItem<T>& p, const CategoricalItem<T>& q,
                                   std::ptrdiff_t n);
};

}  // namespace fastdiv
