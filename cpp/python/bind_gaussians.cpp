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
                        {"precision", Scale::precision},
                        {"root", Scale::root}},
                       "unknown parametrisation '" + name + "'");
}

// Means (*batch, d), the name of a parametrisation and parameters (*batch, d) or (*batch, d, d).
using Arrays = std::tuple<py::array, std::string, py::array>;

// Convert arrays that are all of T.
template <class T>
Gaussians<T> gaussians(const Arrays& arrays) {
  const auto& [mean, name, parameter] = arrays;
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

// Return one value per pair, by compute(batch shape, dim, p, q, numbers..., out, options).
template <class Compute, class... Numbers>
Values values_of_gaussians(const Arrays& p, const Arrays& q, int n_threads,
                           const Progress& progress, const Compute& compute, Numbers... numbers) {
  const py::array& p_mean = std::get<0>(p);
  return by_dtype(p_mean, [&](auto zero) {
    using T = decltype(zero);
    const auto p_items = gaussians<T>(p);
    const auto q_items = gaussians<T>(q);
    return values_of_pairs(
        p_mean, std::get<0>(q), 1, n_threads, progress,
        [&](const auto& shape, std::ptrdiff_t dim, double* out, const Options& options) {
          compute(shape, dim, p_items, q_items, numbers..., out, options);
        });
  });
}

Values gaussian_kl(const Arrays& p, const Arrays& q, int n_threads, const Progress& progress) {
  return values_of_gaussians(p, q, n_threads, progress,
                             [](const auto&... of_call) { fastdiv::gaussian_kl(of_call...); });
}

Values gaussian_renyi(const Arrays& p, const Arrays& q, double alpha, double above_one,
                      int n_threads) {
  return values_of_gaussians(
      p, q, n_threads, std::nullopt,
      [](const auto&... of_call) { fastdiv::gaussian_renyi(of_call...); }, alpha, above_one);
}

Values gaussian_coupling(const Arrays& p, const Arrays& q, double share, double rest,
                         int n_threads) {
  return values_of_gaussians(
      p, q, n_threads, std::nullopt,
      [](const auto&... of_call) { fastdiv::gaussian_coupling(of_call...); }, share, rest);
}

Values gaussian_wasserstein2(const Arrays& p, const Arrays& q, int n_threads) {
  return values_of_gaussians(p, q, n_threads, std::nullopt, [](const auto&... of_call) {
    fastdiv::gaussian_wasserstein2(of_call...);
  });
}

using DiagonalResults = std::tuple<py::array, py::array, py::array, py::array, bool>;

template <class Out, class T>
DiagonalResults diagonal_results(const std::vector<py::ssize_t>& shape, const Gaussians<T>& p,
                                 const Gaussians<T>& q, bool q_gradient, int n_threads) {
  const std::vector<std::ptrdiff_t> items(shape.begin(), shape.end() - 1);
  py::array_t<Out> values(items);
  py::array_t<Out> mean_grad(shape);
  py::array_t<Out> p_grad(shape);
  py::array_t<Out> q_grad(q_gradient ? shape : std::vector<py::ssize_t>{0});
  const DiagonalGradients<Out> out{values.mutable_data(), mean_grad.mutable_data(),
                                   p_grad.mutable_data(),
                                   q_gradient ? q_grad.mutable_data() : nullptr};
  bool sound = false;
  run(n_threads, [&](const Options& options) {
    fastdiv::diagonal_kl_and_gradients<T, Out>(items, shape.back(), p, q, out, sound, options);
  });
  return {values, mean_grad, p_grad, q_grad, sound};
}

DiagonalResults diagonal_kl_and_gradients(const Arrays& p, const Arrays& q, bool q_gradient,
                                          bool as_given, int n_threads) {
  const py::array& mean = std::get<0>(p);
  return by_dtype(mean, [&](auto zero) {
    using T = decltype(zero);
    const auto p_items = gaussians<T>(p);
    const auto q_items = gaussians<T>(q);
    require_one_shape(mean, std::get<0>(q));
    const std::vector<py::ssize_t> shape(mean.shape(), mean.shape() + mean.ndim());
    return as_given ? diagonal_results<T>(shape, p_items, q_items, q_gradient, n_threads)
                    : diagonal_results<double>(shape, p_items, q_items, q_gradient, n_threads);
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

// Return call(p, batch shape, dim) for matrices (*batch, d, d), without means.
template <class Call>
auto with_matrices(const py::array& matrices, const std::string& name, const Call& call) {
  return by_dtype(matrices, [&](auto zero) {
    using T = decltype(zero);
    if (matrices.ndim() < 2) {
      throw std::invalid_argument("matrices must have shape (..., d, d)");
    }
    const auto mean_shape = batch_shape(matrices);
    const py::array_t<T> mean(mean_shape, std::vector<py::ssize_t>(mean_shape.size(), 0),
                              static_cast<const T*>(matrices.data()), matrices);
    return call(gaussians<T>({mean, name, matrices}), batch_shape(mean), last_size(matrices));
  });
}

py::array_t<std::uint8_t> matrix_status(const py::array& matrices, const std::string& name,
                                        int n_threads) {
  return with_matrices(matrices, name, [&](const auto& p, const auto& shape, std::ptrdiff_t dim) {
    py::array_t<std::uint8_t> status(shape);
    std::uint8_t* out = status.mutable_data();
    run(n_threads,
        [&](const Options& options) { fastdiv::matrix_status(shape, dim, p, out, options); });
    return status;
  });
}

Values covariance_roots(const py::array& matrices, int n_threads) {
  return with_matrices(matrices, "cov", [&](const auto& p, const auto& shape, std::ptrdiff_t dim) {
    Values roots(std::vector<py::ssize_t>(matrices.shape(), matrices.shape() + matrices.ndim()));
    double* out = roots.mutable_data();
    run(n_threads,
        [&](const Options& options) { fastdiv::covariance_roots(shape, dim, p, out, options); });
    return roots;
  });
}

Values mixture_covariances(const Values& weights, const ContiguousValues& means,
                           const py::array& component_means, const std::string& name,
                           const py::array& parameters, int n_threads) {
  return by_dtype(component_means, [&](auto zero) {
    using T = decltype(zero);
    const auto components = gaussians<T>({component_means, name, parameters});
    const auto items = batch_shape(component_means);
    const std::ptrdiff_t dim = last_size(component_means);
    const auto rows = view_of<double>(weights);
    std::vector<py::ssize_t> shape(means.shape(), means.shape() + means.ndim());
    const bool fits = !items.empty() && items.back() == rows.cols && last_size(means) == dim &&
                      means.size() == rows.rows * dim &&
                      component_means.size() == means.size() * rows.cols;
    if (!fits) {
      throw std::invalid_argument("weights, means and components do not fit");
    }
    shape.push_back(dim);
    Values covariances(shape);
    double* out = covariances.mutable_data();
    run(n_threads, [&](const Options& options) {
      fastdiv::mixture_covariances<T>(items, dim, components, rows, means.data(), out, options);
    });
    return covariances;
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
  m.def("gaussian_kl", &gaussian_kl, arg("p"), arg("q"), arg("n_threads"), arg("progress"),
        py::pos_only());
  m.def("diagonal_kl_and_gradients", &diagonal_kl_and_gradients, arg("p"), arg("q"),
        arg("q_gradient"), arg("as_given"), arg("n_threads"), py::pos_only());
  m.def("gaussian_renyi", &gaussian_renyi, arg("p"), arg("q"), arg("alpha"), arg("above_one"),
        arg("n_threads"), py::pos_only());
  m.def("gaussian_coupling", &gaussian_coupling, arg("p"), arg("q"), arg("share"), arg("rest"),
        arg("n_threads"), py::pos_only());
  m.def("gaussian_wasserstein2", &gaussian_wasserstein2, arg("p"), arg("q"), arg("n_threads"),
        py::pos_only());
  m.def("covariance_roots", &covariance_roots, arg("matrices"), arg("n_threads"), py::pos_only());
  m.def("mixture_covariances", &mixture_covariances, arg("weights"), arg("means"),
        arg("component_means"), arg("name"), arg("parameters"), arg("n_threads"), py::pos_only());
  m.def("kl_from_products", &kl_from_products, arg("a"), arg("b"), arg("a_offset"), arg("b_offset"),
        arg("tolerance"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("matrix_status", &matrix_status, arg("matrices"), arg("name"), arg("n_threads"),
        py::pos_only());
  m.def("log_ratio_moments", &log_ratio_moments, arg("log_p"), arg("log_q"), arg("estimator"),
        arg("n_threads"), py::pos_only());
}

}  // namespace fastdiv::python
