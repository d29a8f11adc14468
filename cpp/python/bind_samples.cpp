#include "arguments.hpp"
#include "batches.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

std::int64_t first_nonfinite(const py::array& x, bool positive, int n_threads) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto* data = static_cast<const T*>(x.data());
    const std::vector<std::ptrdiff_t> shape(x.shape(), x.shape() + x.ndim());
    const auto steps = strides<T>(x);
    std::int64_t first = -1;
    run(n_threads, [&](const Options& options) {
      first = fastdiv::first_nonfinite(data, shape, steps, positive, options);
    });
    return first;
  });
}

py::array_t<float> quantized_products(const Sample& x, const Sample& w, int n_threads) {
  const auto x_rows = x.view<double>();
  const auto w_rows = w.view<double>();
  py::array_t<float> products({x_rows.rows, w_rows.rows});
  float* out = products.mutable_data();
  run(n_threads,
      [&](const Options& options) { fastdiv::quantized_products(x_rows, w_rows, out, options); });
  return products;
}

}  // namespace

void bind_samples(py::module_& m) {
  using py::arg;
  m.def("first_nonfinite", &first_nonfinite, arg("x"), arg("positive") = false,
        arg("n_threads") = 1, py::pos_only());
  m.def("quantized_products", &quantized_products, arg("x"), arg("w"), arg("n_threads"),
        py::pos_only());
}

}  // namespace fastdiv::python
