#include "batches.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

Scale scale_from(const std::string& name) {
  return choose<Scale>(name,
                       {{"std", Scale::std},
                        {"var", Scale::var},
                        {"logstd", Scale::logstd},
                        {"logvar", Scale::logvar},
                        {"cov", Scale::cov},
                        {"scale_tril", Scale::scale_tril},
                        {"precision", Scale::precision}},
                       "unknown parametrisation '" + name + "'");
}

// Convert means (*batch, d) and parameters (*batch, d) or (*batch, d, d), all of T.
template <class T>
Gaussians<T> gaussians(const py::array& mean, const std::string& name, const py::array& parameter) {
  const Scale scale = scale_from(name);
  const int more_axes = is_diagonal(scale) ? 0 : 1;
  if (mean.ndim() < 1 || parameter.ndim() != mean.ndim() + more_axes ||
      !std::equal(mean.shape(), mean.shape() + mean.ndim(), parameter.shape()) ||
      last_size(parameter) != last_size(mean)) {
    throw std::invalid_argument("mean and parameter do not fit");
  }
  return {static_cast<const T*>(mean.data()), strides<T>(mean),
          static_cast<const T*>(parameter.data()), strides<T>(parameter), scale};
}

Values gaussian_kl(const py::array& p_mean, const std::string& p_name, const py::array& p_parameter,
                   const py::array& q_mean, const std::string& q_name, const py::array& q_parameter,
                   int n_threads, const Progress& progress) {
  return by_dtype(p_mean, [&](auto zero) {
    using T = decltype(zero);
    const auto p = gaussians<T>(p_mean, p_name, p_parameter);
    const auto q = gaussians<T>(q_mean, q_name, q_parameter);
    return values_of_pairs(
        p_mean, q_mean, 1, n_threads, progress,
        [&](const auto& shape, std::ptrdiff_t dim, double* out, const Options& options) {
          fastdiv::gaussian_kl<T>(shape, dim, p, q, out, options);
        });
  });
}

std::tuple<Values, Values, Values> diagonal_gradients(
    const py::array& p_mean, const std::string& p_name, const py::array& p_parameter,
    const py::array& q_mean, const std::string& q_name, const py::array& q_parameter,
    bool q_gradient, int n_threads) {
  return by_dtype(p_mean, [&](auto zero) {
    using T = decltype(zero);
    const auto p = gaussians<T>(p_mean, p_name, p_parameter);
    const auto q = gaussians<T>(q_mean, q_name, q_parameter);
    require_one_shape(p_mean, q_mean);
    const auto items = batch_shape(p_mean);
    const std::vector<py::ssize_t> shape(p_mean.shape(), p_mean.shape() + p_mean.ndim());
    Values mean_grad(shape);
    Values p_grad(shape);
    Values q_grad(q_gradient ? shape : std::vector<py::ssize_t>{0});
    double* mean_out = mean_grad.mutable_data();
    double* p_out = p_grad.mutable_data();
    double* q_out = q_gradient ? q_grad.mutable_data() : nullptr;
    run(n_threads, [&](const Options& options) {
      fastdiv::diagonal_gradients<T>(items, shape.back(), p, q, mean_out, p_out, q_out, options);
    });
    return std::make_tuple(mean_grad, p_grad, q_grad);
  });
}

Values kl_from_products(const py::array& a, const py::array& b, const Values& a_offset,
                        const Values& b_offset, double tolerance, int n_threads,
                        const Progress& progress) {
  const auto a_rows = view_of<double>(a);
  const auto b_rows = view_of<double>(b);
  if (a_offset.ndim() != 1 || b_offset.ndim() != 1 || a_offset.shape(0) != a_rows.rows ||
      b_offset.shape(0) != b_rows.rows || a_offset.strides(0) != sizeof(double) ||
      b_offset.strides(0) != sizeof(double)) {
    throw std::invalid_argument("offsets must be contiguous, one per row");
  }
  Values divergences({a_rows.rows, b_rows.rows});
  double* out = divergences.mutable_data();
  const double* a_data = a_offset.data();
  const double* b_data = b_offset.data();
  run(n_threads, progress, count(divergences.size()), [&](const Options& options) {
    fastdiv::kl_from_products(a_rows, b_rows, a_data, b_data, tolerance, out, options);
  });
  return divergences;
}

py::array_t<std::uint8_t> matrix_status(const py::array& matrices, const std::string& name,
                                        int n_threads) {
  return by_dtype(matrices, [&](auto zero) {
    using T = decltype(zero);
    if (matrices.ndim() < 2) {
      throw std::invalid_argument("matrices must have shape (..., d, d)");
    }
    const auto mean_shape = batch_shape(matrices);
    const py::array_t<T> mean(mean_shape, std::vector<py::ssize_t>(mean_shape.size(), 0),
                              static_cast<const T*>(matrices.data()), matrices);
    const auto p = gaussians<T>(mean, name, matrices);
    const auto shape = batch_shape(mean);
    const std::ptrdiff_t dim = last_size(matrices);
    py::array_t<std::uint8_t> status(shape);
    std::uint8_t* out = status.mutable_data();
    run(n_threads,
        [&](const Options& options) { fastdiv::matrix_status<T>(shape, dim, p, out, options); });
    return status;
  });
}

Values log_ratio_moments(const py::array& log_p, const py::array& log_q,
                         const std::string& estimator, int n_threads) {
  return by_dtype(log_p, [&](auto zero) {
    using T = decltype(zero);
    const auto kind = choose<LogRatio>(
        estimator, {{"k1", LogRatio::k1}, {"k2", LogRatio::k2}, {"k3", LogRatio::k3}},
        "estimator must be 'k1', 'k2' or 'k3'");
    const auto p = view_of<T>(log_p);
    const auto q = view_of<T>(log_q);
    Values moments({py::ssize_t{2}, p.cols});
    double* out = moments.mutable_data();
    run(n_threads,
        [&](const Options& options) { fastdiv::log_ratio_moments<T>(p, q, kind, out, options); });
    return moments;
  });
}

}  // namespace

void bind_gaussians(py::module_& m) {
  using py::arg;
  m.def("gaussian_kl", &gaussian_kl, arg("p_mean"), arg("p_name"), arg("p_parameter"),
        arg("q_mean"), arg("q_name"), arg("q_parameter"), arg("n_threads"), arg("progress"),
        py::pos_only());
  m.def("diagonal_gradients", &diagonal_gradients, arg("p_mean"), arg("p_name"), arg("p_parameter"),
        arg("q_mean"), arg("q_name"), arg("q_parameter"), arg("q_gradient"), arg("n_threads"),
        py::pos_only());
  m.def("kl_from_products", &kl_from_products, arg("a"), arg("b"), arg("a_offset"), arg("b_offset"),
        arg("tolerance"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("matrix_status", &matrix_status, arg("matrices"), arg("name"), arg("n_threads"),
        py::pos_only());
  m.def("log_ratio_moments", &log_ratio_moments, arg("log_p"), arg("log_q"), arg("estimator"),
        arg("n_threads"), py::pos_only());
}

}  // namespace fastdiv::python
