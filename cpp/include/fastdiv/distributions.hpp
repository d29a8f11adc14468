#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

// Divergences between distributions, batched. As in fastdiv.hpp, a function returns false when the
// hook stopped it, and results are bit-identical for any number of threads.

namespace fastdiv {

// How a Gaussian's covariance is given.
enum class Scale { std, var, logstd, logvar, cov, scale_tril, precision };
constexpr bool is_diagonal(Scale scale) {
  return scale < Scale::cov;
}

// Gaussians over the axes of a batch; strides in elements, those of the batch first, then those of
// the features (mean and diagonal parameters) or of rows and columns (matrices). A stride may be 0.
template <class T>
struct Gaussians {
  const T* mean;
  std::vector<std::ptrdiff_t> mean_strides;
  const T* parameter;
  std::vector<std::ptrdiff_t> parameter_strides;
  Scale scale;
};

// out[i] = KL(p_i || q_i) for the items of the batch in C order; NaN where a matrix is not positive
// definite.
template <class T>
bool gaussian_kl(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                 const Gaussians<T>& p, const Gaussians<T>& q, double* out,
                 const Options& options = {});

// Gradients of gaussian_kl of diagonal Gaussians with respect to the means of p and to both
// parameters: `dim` numbers per item. by_q may be null.
template <class T>
bool diagonal_gradients(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                        const Gaussians<T>& p, const Gaussians<T>& q, double* means, double* by_p,
                        double* by_q, const Options& options = {});

// What is wrong with a matrix.
enum MatrixStatus : std::uint8_t {
  matrix_is_fine = 0,
  not_finite = 1,
  not_symmetric = 2,
  not_positive_definite = 3,
  not_lower_triangular = 4,
  zero_on_diagonal = 5,
};

// status[i] of the parameter matrices of the items.
template <class T>
bool matrix_status(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t dim,
                   const Gaussians<T>& p, std::uint8_t* status, const Options& options = {});

// out[i*b.rows + j] = (a_i . b_j + a_offset[i] + b_offset[j]) / 2, or NaN where the rounding of its
// terms may exceed `tolerance` times the value. All pairs of Gaussians in one matrix product: see
// python/fastdiv/pairwise.py for the features.
bool kl_from_products(MatrixView<double> a, MatrixView<double> b, const double* a_offset,
                      const double* b_offset, double tolerance, double* out,
                      const Options& options = {});

// One draw's estimate of KL(p || q), with l = log q - log p: -l, l^2 / 2, exp(l) - 1 - l.
enum class LogRatio { k1, k2, k3 };

// Of the estimates of KL(p || q) by the draws in the rows of column c: out[c] is the mean, out[cols
// + c] the sum of squared deviations from it (infinite beside an infinite mean). NaN where a log p
// is not finite, or a log q NaN or +infinity.
template <class T>
bool log_ratio_moments(MatrixView<T> log_p, MatrixView<T> log_q, LogRatio estimator, double* out,
                       const Options& options = {});

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

// Categorical distributions over the axes of a batch; strides as above, last that of the
// categories.
template <class T>
struct Categoricals {
  const T* values;
  std::vector<std::ptrdiff_t> strides;
  Weights weights;
  const Normaliser* normalisers;  // with strides of their own over the batch
  std::vector<std::ptrdiff_t> normaliser_strides;
};

// out[i]: what the functions below need to know of item i (which uses no normalisers). Its sum is
// NaN if a value is, infinite or NaN if one is infinite.
template <class T>
bool categorical_normalisers(const std::vector<std::ptrdiff_t>& batch_shape,
                             std::ptrdiff_t n_categories, const Categoricals<T>& p, Normaliser* out,
                             const Options& options = {});

// out[i]: the entropy of item i
template <class T>
bool categorical_entropy(const std::vector<std::ptrdiff_t>& batch_shape,
                         std::ptrdiff_t n_categories, const Categoricals<T>& p, double* out,
                         const Options& options = {});

// out[i] = KL(p_i || q_i), infinity where p > 0 = q for some category
template <class T>
bool categorical_kl(const std::vector<std::ptrdiff_t>& batch_shape, std::ptrdiff_t n_categories,
                    const Categoricals<T>& p, const Categoricals<T>& q, double* out,
                    const Options& options = {});

// out[i] = (KL(p_i || m_i) + KL(q_i || m_i)) / 2 with m = (p + q) / 2
template <class T>
bool categorical_jensen_shannon(const std::vector<std::ptrdiff_t>& batch_shape,
                                std::ptrdiff_t n_categories, const Categoricals<T>& p,
                                const Categoricals<T>& q, double* out, const Options& options = {});

}  // namespace fastdiv
