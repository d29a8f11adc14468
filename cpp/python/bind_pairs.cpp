#include "arguments.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

// Return call(x, y, groups, out, options, pairs), where out has the shape (n_outputs, ...).
template <class Call>
Values over_pairs(const Sample& x, const Sample& y, const PyGroups& kernels,
                  const std::vector<py::ssize_t>& shape, int n_threads, const Progress& progress,
                  const std::string& pairs, const Call& call) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    Values values(shape);
    double* out = values.mutable_data();
    const auto groups = groups_from(kernels);
    const Pairs counted = pairs_from(pairs);
    const auto x_rows = x.view<T>();
    const auto y_rows = y.view<T>();
    const double total = pairs_of(x_rows.rows + y_rows.rows);
    run(n_threads, progress, total,
        [&](const Options& options) { call(x_rows, y_rows, groups, out, options, counted); });
    return values;
  });
}

Values pair_sums(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                 int n_threads, const Progress& progress, const std::string& pairs) {
  const auto call = [&](const auto& a, const auto& b, const auto& groups, double* out,
                        const Options& options, Pairs counted) {
    fastdiv::pair_sums(a, b, groups, n_outputs, out, options, counted);
  };
  return over_pairs(x, y, kernels, {n_outputs, 3}, n_threads, progress, pairs, call);
}

Values mmd2(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs, int n_threads,
            const Progress& progress, const std::string& pairs) {
  const auto call = [&](const auto& a, const auto& b, const auto& groups, double* out,
                        const Options& options, Pairs counted) {
    fastdiv::mmd2(a, b, groups, n_outputs, out, options, counted);
  };
  return over_pairs(x, y, kernels, {n_outputs}, n_threads, progress, pairs, call);
}

Values quad_forms(const Sample& z, const py::array_t<std::uint8_t, py::array::c_style>& labels,
                  const PyGroups& kernels, int n_outputs, int n_threads, const Progress& progress,
                  bool each_sum, const std::string& pairs) {
  return by_dtype(z, [&](auto zero) {
    using T = decltype(zero);
    const auto rows = z.view<T>();
    if (labels.ndim() != 2 || labels.shape(1) != rows.rows) {
      throw std::invalid_argument("labels must be (B, N) for N rows");
    }
    const py::ssize_t n_labellings = labels.shape(0);
    const std::uint8_t* label_data = labels.data();
    Values sums({py::ssize_t{n_outputs}, n_labellings, py::ssize_t{3}});
    double* out = sums.mutable_data();
    const auto groups = groups_from(kernels);
    const Accurate accurate = each_sum ? Accurate::each_sum : Accurate::largest_mean;
    const Pairs counted = pairs_from(pairs);
    run(n_threads, progress, pairs_of(rows.rows), [&](const Options& options) {
      fastdiv::quad_forms<T>(rows, label_data, n_labellings, groups, n_outputs, out, options,
                             accurate, counted);
    });
    return sums;
  });
}

Values row_sums(const Sample& at, const Sample& x, const OptionalValues& weights,
                const PyGroups& kernels, int n_outputs, int n_threads, const Progress& progress) {
  return by_dtype(at, [&](auto zero) {
    using T = decltype(zero);
    const auto at_rows = at.view<T>();
    const auto x_rows = x.view<T>();
    const double* x_weights = weights_of(weights, x_rows.rows);
    Values sums({py::ssize_t{n_outputs}, at_rows.rows});
    double* out = sums.mutable_data();
    const auto groups = groups_from(kernels);
    const double total = count(at_rows.rows) * count(x_rows.rows);
    run(n_threads, progress, total, [&](const Options& options) {
      fastdiv::row_sums<T>(at_rows, x_rows, x_weights, groups, n_outputs, out, options);
    });
    return sums;
  });
}

Values paired_values(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                     int n_threads) {
  return by_exact_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto x_rows = x.view<T>();
    const auto y_rows = y.view<T>();
    Values values({py::ssize_t{n_outputs}, x_rows.rows});
    double* out = values.mutable_data();
    const auto groups = groups_from(kernels);
    run(n_threads, [&](const Options& options) {
      fastdiv::paired_values<T>(x_rows, y_rows, groups, n_outputs, out, options);
    });
    return values;
  });
}

}  // namespace

void bind_pairs(py::module_& m) {
  using py::arg;
  m.def("pair_sums", &pair_sums, arg("x"), arg("y"), arg("kernels"), arg("n_outputs"),
        arg("n_threads"), arg("progress"), arg("pairs") = "distinct", py::pos_only());
  m.def("mmd2", &mmd2, arg("x"), arg("y"), arg("kernels"), arg("n_outputs"), arg("n_threads"),
        arg("progress"), arg("pairs") = "distinct", py::pos_only());
  m.def("quad_forms", &quad_forms, arg("z"), arg("labels"), arg("kernels"), arg("n_outputs"),
        arg("n_threads"), arg("progress"), arg("each_sum") = false, arg("pairs") = "distinct",
        py::pos_only());
  m.def("row_sums", &row_sums, arg("at"), arg("x"), arg("weights"), arg("kernels"),
        arg("n_outputs"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("paired_values", &paired_values, arg("x"), arg("y"), arg("kernels"), arg("n_outputs"),
        arg("n_threads"), py::pos_only());
}

}  // namespace fastdiv::python
