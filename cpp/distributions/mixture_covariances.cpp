#include <algorithm>
#include <stdexcept>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "distributions/batch.hpp"
#include "distributions/scales.hpp"
#include "fastdiv/distributions.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

// Adds weight * covariance to the lower triangle of `sum`. The entries of the parameter are `row`
// and `col` apart.
template <class T>
void add_covariance(const T* parameter, Scale scale, ptrdiff_t row, ptrdiff_t col, ptrdiff_t dim,
                    double weight, double* sum) {
  if (is_diagonal(scale)) {
    for (ptrdiff_t i = 0; i < dim; ++i) {
      sum[i * dim + i] += weight * variance(static_cast<double>(parameter[i * row]), scale);
    }
    return;
  }
  for (ptrdiff_t i = 0; i < dim; ++i) {
    for (ptrdiff_t j = 0; j <= i; ++j) {
      sum[i * dim + j] += weight * static_cast<double>(parameter[i * row + j * col]);
    }
  }
}

}  // namespace

template <class T>
bool mixture_covariances(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim,
                         const Gaussians<T>& components, MatrixView<double> weights,
                         const double* means, double* out, const Options& options) {
  if (components.scale > Scale::cov) {
    throw std::invalid_argument("the parameters must be diagonal or covariances");
  }
  const ptrdiff_t n = weights.rows, k = weights.cols;
  const double work = 2 * static_cast<double>(k) * static_cast<double>(dim * dim);
  Workers workers(options, work * static_cast<double>(n));
  const auto memory = buffers<double>(workers.threads(), static_cast<std::size_t>(dim));
  const ptrdiff_t step = items_per_unit(work);
  const std::size_t axes = batch_shape.size();
  return workers.for_each((n + step - 1) / step, 1, [&](std::int64_t unit, int thread) {
    double* between = memory[static_cast<std::size_t>(thread)].data();
    for (ptrdiff_t item = unit * step; item < std::min(n, (unit + 1) * step); ++item) {
      double* sum = out + item * dim * dim;
      std::fill(sum, sum + dim * dim, 0.0);
      for (ptrdiff_t c = 0; c < k; ++c) {
        const double weight = weights(item, c);
        const ptrdiff_t at = item * k + c;
        const T* mean = components.mean + offset(batch_shape, components.mean_strides, at);
        add_covariance(components.parameter + offset(batch_shape, components.parameter_strides, at),
                       components.scale, components.parameter_strides[axes],
                       components.parameter_strides.back(), dim, weight, sum);
        for (ptrdiff_t i = 0; i < dim; ++i) {
          between[i] =
              static_cast<double>(mean[i * components.mean_strides.back()]) - means[item * dim + i];
          for (ptrdiff_t j = 0; j <= i; ++j) {
            sum[i * dim + j] += weight * (between[i] * between[j]);
          }
        }
      }
      for (ptrdiff_t i = 0; i < dim; ++i) {
        for (ptrdiff_t j = 0; j < i; ++j) {
          sum[j * dim + i] = sum[i * dim + j];
        }
      }
    }
  });
}

template bool mixture_covariances(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<float>&,
                                  MatrixView<double>, const double*, double*, const Options&);
template bool mixture_covariances(const std::vector<ptrdiff_t>&, ptrdiff_t,
                                  const Gaussians<double>&, MatrixView<double>, const double*,
                                  double*, const Options&);

}  // namespace fastdiv
