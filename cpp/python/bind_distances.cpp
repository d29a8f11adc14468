#include "arguments.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

Values ranked_distances(const Sample& x, const std::optional<Sample>& y, py::ssize_t items,
                        const std::string& metric, std::uint64_t rank, int n_threads,
                        const Progress& progress) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Base base = base_of_metric(metric);
    const auto x_rows = x.view<T>();
    std::optional<MatrixView<T>> y_rows;
    if (y) {
      y_rows = y->view<T>();
    }
    const double n = count(x_rows.rows) / count(items);
    const double partners = y_rows ? count(y_rows->rows) / count(items) : (n - 1) / 2;
    const double total = count(items) * n * partners;
    Values distances(items);
    double* out = distances.mutable_data();
    run(n_threads, progress, total, [&](const Options& options) {
      fastdiv::ranked_distances<T>(items, x_rows, y_rows ? &*y_rows : nullptr, base, rank, out,
                                   options);
    });
    return distances;
  });
}

Values median_distances(const Sample& x, const Sizes& sizes, const std::string& metric,
                        int n_threads, const Progress& progress) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Base base = base_of_metric(metric);
    const auto rows = x.view<T>();
    const auto counts = sizes_from(sizes);
    double total = 0;
    for (const std::ptrdiff_t n : counts) {
      total += pairs_of(n);
    }
    Values medians(sizes.size());
    double* out = medians.mutable_data();
    run(n_threads, progress, total, [&](const Options& options) {
      fastdiv::median_distances<T>(rows, counts, base, out, options);
    });
    return medians;
  });
}

Values kth_distances(const Sample& at, const Sample& x, int k, bool exclude_self, int n_threads,
                     const Progress& progress) {
  return by_dtype(at, [&](auto zero) {
    using T = decltype(zero);
    const auto at_rows = at.view<T>();
    const auto x_rows = x.view<T>();
    Values distances(at_rows.rows);
    double* out = distances.mutable_data();
    const double total = count(at_rows.rows) * count(x_rows.rows);
    run(n_threads, progress, total, [&](const Options& options) {
      fastdiv::kth_distances<T>(at_rows, x_rows, k, exclude_self, out, options);
    });
    return distances;
  });
}

}  // namespace

void bind_distances(py::module_& m) {
  using py::arg;
  m.def("ranked_distances", &ranked_distances, arg("x"), arg("y"), arg("items"), arg("metric"),
        arg("rank"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("median_distances", &median_distances, arg("x"), arg("sizes"), arg("metric"),
        arg("n_threads"), arg("progress"), py::pos_only());
  m.def("kth_distances", &kth_distances, arg("at"), arg("x"), arg("k"), arg("exclude_self"),
        arg("n_threads"), arg("progress"), py::pos_only());
}

}  // namespace fastdiv::python
