#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

// Computes divergences between batches of distributions, under the rules of fastdiv.hpp.

namespace fastdiv {

// The form in which a Gaussian's covariance is given. `root` is any matrix R with covariance R R^T,
// for gaussian_wasserstein2 alone.
enum class Scale { std, var, logstd, logvar, cov, scale_tril, precision, root };
constexpr bool is_diagonal(Scale scale) {
  return scale < Scale::cov;
}

// Gaussians over the axes of a batch. Strides count elements and may be 0. Those of the batch come
// first, then that of the features (means, diagonal parameters) or those of rows and columns.
template <class T>
struct Gaussians {
  const T* mean;
  std::vector<std::ptrdiff_t> mean_strides;
  const T* parameter;
  std::vector<std::ptrdiff_t> parameter_strides;
  Scale scale;
};

// Compute out[i] = KL(p_i || q_i) for the items of the batch in C order. The result is NaN where a
// matrix is not positive definite.
template <class T>
bool gaussian_kl(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                 const Gaussians<T>& p, const Gaussians<T>& q, double* out,
                 const Options& options = {});

// Results of diagonal_kl_and_gradients: one divergence per item, and `dim` numbers per item for the
// gradients with respect to the means of p and to both parameters. by_q may be null.
template <class Out>
struct DiagonalGradients {
  Out* values;
  Out* means;
  Out* by_p;
  Out* by_q;
};

// Compute KL(p_i || q_i) of diagonal Gaussians and its gradients in double precision, and round
// them to Out. `sound` tells whether all parameters are finite, all std and var > 0, and all
// results finite. Where it is false, divergences of extreme ratios may be NaN here but not in
// gaussian_kl.
template <class T, class Out>
bool diagonal_kl_and_gradients(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                               const Gaussians<T>& p, const Gaussians<T>& q,
                               const DiagonalGradients<Out>& out, bool& sound,
                               const Options& options = {});

// Largest dimension of Gaussians that are factored side by side, as many as a vector has lanes.
// That takes a third of the time of one by one. Larger matrices would fill the caches.
constexpr std::ptrdiff_t most_factored_dim = 256;
// Largest dimension of Gaussians whose singular vectors are found side by side. Larger ones would
// keep Ctrl-C waiting.
constexpr std::ptrdiff_t most_turned_dim = 64;

// Compute the Renyi divergences of order alpha = 1 + above_one. They are infinite where the
// integral diverges, and NaN where a matrix is not positive definite or a product overflows. Not
// both Gaussians are diagonal.
template <class T>
bool gaussian_renyi(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                    const Gaussians<T>& p, const Gaussians<T>& q, double alpha, double above_one,
                    double* out, const Options& options = {});

// Compute log(1 + c (tr(A - I) + |z|^2)) - c log|A| with A = Sigma_q^-1 Sigma_p, |z|^2 the squared
// distance of the means in units of q, and c = `share` = (1 - rest) / dim. NaN and arguments as
// above.
template <class T>
bool gaussian_coupling(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                       const Gaussians<T>& p, const Gaussians<T>& q, double share, double rest,
                       double* out, const Options& options = {});

// Compute the squared Wasserstein distances. They are NaN where a matrix is not positive definite
// or a product overflows. Arguments as above. Throws if an iteration does not converge.
template <class T>
bool gaussian_wasserstein2(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                           const Gaussians<T>& p, const Gaussians<T>& q, double* out,
                           const Options& options = {});

// Compute roots R, dim x dim, of semidefinite covariances R R^T. Eigenvalues within rounding of 0
// count as 0. A root has NaN if eigenvalues are negative by more than half of the digits of T.
// Throws if an iteration does not converge.
template <class T>
bool covariance_roots(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                      const Gaussians<T>& p, double* out, const Options& options = {});

// Compute the covariances of mixtures, dim x dim, about their means. The last axis of the batch are
// the components, with weights(mixture, component). Their parameters are diagonal or covariances.
template <class T>
bool mixture_covariances(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                         const Gaussians<T>& components, MatrixView<double> weights,
                         const double* means, double* out, const Options& options = {});

// Reasons why a matrix is no valid parameter.
enum MatrixStatus : std::uint8_t {
  matrix_is_fine = 0,
  not_finite = 1,
  not_symmetric = 2,
  not_positive_definite = 3,
  not_lower_triangular = 4,
  zero_on_diagonal = 5,
};

// Check the parameter matrices of the items. status: a MatrixStatus per item
template <class T>
bool matrix_status(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                   const Gaussians<T>& p, std::uint8_t* status, const Options& options = {});

// Compute the divergences of all pairs of Gaussians by one matrix product of their features (see
// python/fastdiv/distributions/pairwise.py):
// out[i*b.rows + j] = (a_i . b_j + a_offset[i] + b_offset[j]) / 2, or NaN where rounding may exceed
// `tolerance` times the value.
bool kl_from_products(MatrixView<double> a, MatrixView<double> b, const double* a_offset,
                      const double* b_offset, double tolerance, double* out,
                      const Options& options = {});

// Estimates of KL(p || q) from one draw: -l, l^2 / 2 or exp(l) - 1 - l, with l = log q - log p.
enum class LogRatio { k1, k2, k3 };

// Compute the mean (out[c]) and the sum of squared deviations (out[cols + c]) of the estimates from
// the draws in the rows of each column c. The latter is infinite beside an infinite mean. Both are
// NaN where a log p is not finite, or a log q is NaN or +infinity.
template <class T>
bool log_ratio_moments(MatrixView<T> log_p, MatrixView<T> log_q, LogRatio estimator, double* out,
                       const Options& options = {});

// The form in which categorical distributions are given.
enum class Weights { probs, logits };

// The extreme value of a distribution and the rest of its sum.
//   logits: the largest one; the sum of the exponentials is exp(extreme) * (1 + rest)
//   probabilities: the smallest one or 0, whichever is less; their sum is `rest`
struct Normaliser {
  double extreme;
  double rest;
};
constexpr Normaliser no_categories(Weights weights) {
  return {weights == Weights::logits ? -__builtin_inf() : 0, 0};
}

// Categorical distributions over the axes of a batch. Strides as in Gaussians, that of the
// categories last.
template <class T>
struct Categoricals {
  const T* values;
  std::vector<std::ptrdiff_t> strides;
  Weights weights;
  const Normaliser* normalisers;  // with strides of their own over the batch
  std::vector<std::ptrdiff_t> normaliser_strides;
};

// Compute the normalisers that the functions below need; those of p are not read. The sum of an
// item is NaN if a value is NaN, infinite or NaN if a value is infinite.
template <class T>
bool categorical_normalisers(const std::vector<std::ptrdiff_t>& batch_shape,
                             std::ptrdiff_t n_categories, const Categoricals<T>& p, Normaliser* out,
                             const Options& options = {});

// Compute out[i], the entropy of item i.
template <class T>
bool categorical_entropy(const std::vector<std::ptrdiff_t>& batch_shape,
                         std::ptrdiff_t n_categories, const Categoricals<T>& p, double* out,
                         const Options& options = {});

// Compute out[i] = KL(p_i || q_i), infinite where p > 0 = q for some category.
template <class T>
bool categorical_kl(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t n_categories,
                    const Categoricals<T>& p, const Categoricals<T>& q, double* out,
                    const Options& options = {});

// Compute out[i] = (KL(p_i || m_i) + KL(q_i || m_i)) / 2 with m = (p + q) / 2.
template <class T>
bool categorical_jensen_shannon(const std::vector<std::ptrdiff_t>& batch_shape,
                                std::ptrdiff_t n_categories, const Categoricals<T>& p,
                                const Categoricals<T>& q, double* out, const Options& options = {});

}  // namespace fastdiv
