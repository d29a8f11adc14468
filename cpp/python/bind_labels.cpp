#include "arguments.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

Values label_sums(const Sample& x, const OptionalValues& weights, const Sizes& sizes,
                  const PyGroups& kernels, int n_outputs, int n_threads, const Progress& progress) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto rows = x.view<T>();
    const double* row_weights = weights_of(weights, rows.rows);
    const auto counts = sizes_from(sizes);
    Values sums({py::ssize_t{n_outputs}, sizes.size(), rows.rows});
    double* out = sums.mutable_data();
    const auto groups = groups_from(kernels);
    run(n_threads, progress, pairs_of(rows.rows), [&](const Options& options) {
      fastdiv::label_sums<T>(rows, row_weights, counts, groups, n_outputs, out, options);
    });
    return sums;
  });
}

py::tuple label_extremes(const Sample& x, const std::string& metric, const Sizes& sizes,
                         int n_threads, const Progress& progress) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto rows = x.view<T>();
    const auto counts = sizes_from(sizes);
    const Base base = base_of_metric(metric);
    LabelExtremes extremes{};
    run(n_threads, progress, pairs_of(rows.rows), [&](const Options& options) {
      fastdiv::label_extremes<T>(rows, base, counts, &extremes, options);
    });
    return py::make_tuple(extremes.within, extremes.between);
  });
}

}  // namespace

void bind_labels(py::module_& m) {
  using py::arg;
  m.def("label_sums", &label_sums, arg("x"), arg("weights"), arg("sizes"), arg("kernels"),
        arg("n_outputs"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("label_extremes", &label_extremes, arg("x"), arg("metric"), arg("sizes"), arg("n_threads"),
        arg("progress"), py::pos_only());
}

}  // namespace fastdiv::python
