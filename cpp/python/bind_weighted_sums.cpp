#include "arguments.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {

// A WeightedSumsRequest of Python.
struct Request {
  Pairs pairs = Pairs::distinct;
  ContiguousValues counts;
  OptionalValues scales;
  bool row_sums = false;
  bool x_gradient = false;
  bool y_gradient = false;
};

}  // namespace fastdiv::python

template <>
struct pybind11::detail::type_caster<fastdiv::python::Request> {
  PYBIND11_TYPE_CASTER(fastdiv::python::Request,
                       const_name("fastdiv._engine.types.WeightedSumsRequest"));
  bool load(handle from, bool) {
    using namespace fastdiv::python;
    value.pairs = pairs_from(from.attr("pairs").cast<std::string>());
    value.counts = from.attr("counts").cast<ContiguousValues>();
    value.scales = from.attr("scales").cast<OptionalValues>();
    value.row_sums = from.attr("row_sums").cast<bool>();
    value.x_gradient = from.attr("x_gradient").cast<bool>();
    value.y_gradient = from.attr("y_gradient").cast<bool>();
    return true;
  }
};

namespace fastdiv::python {
namespace {

// the sums, the row sums of x and of y, the gradients with respect to x and y, and the values
using WeightedSums = std::tuple<Values, Values, Values, py::array, py::array, Values>;

// A weighted sample and the results that it requires. Results that it does not have no rows.
template <class T>
struct WeightedRows {
  WeightedRows(const Sample& x, py::ssize_t items, const ContiguousValues& weights, int n_outputs,
               bool requires_row_sums, bool requires_gradient)
      : sample{x.view<T>(), nullptr} {
    const py::ssize_t outputs = n_outputs;
    const MatrixView<T>& rows = sample.rows;
    const py::ssize_t n = rows.rows / items;
    sample.weights = weights_of(weights, rows.rows);
    row_sums = Values({py::ssize_t{2}, items, outputs, requires_row_sums ? n : 0});
    gradient = py::array_t<T>({items, outputs, requires_gradient ? n : 0, rows.cols});
    if (requires_row_sums) {
      sample.within = row_sums.mutable_data();
      sample.between = row_sums.mutable_data(1);
    }
    if (requires_gradient) {
      sample.gradient = gradient.mutable_data();
    }
  }
  WeightedSample<T> sample;
  Values row_sums;          // (2, items, n_outputs, n): within and between
  py::array_t<T> gradient;  // (items, n_outputs, n, d)
};

WeightedSums weighted_sums(const Sample& x, const Sample& y, const ContiguousValues& x_weights,
                           const ContiguousValues& y_weights, const Request& request,
                           const PyGroups& kernels, int n_outputs, int n_threads,
                           const Progress& progress) {
  return by_dtype(x, [&](auto zero) -> WeightedSums {
    using T = decltype(zero);
    const ContiguousValues& counts = request.counts;
    if (counts.ndim() != 2 || counts.shape(0) < 1 || counts.shape(1) != 3) {
      throw std::invalid_argument("counts must be three numbers per item");
    }
    const py::ssize_t items = counts.shape(0);
    WeightedRows<T> x_rows(x, items, x_weights, n_outputs, request.row_sums, request.x_gradient);
    WeightedRows<T> y_rows(y, items, y_weights, n_outputs, request.row_sums, request.y_gradient);
    Values sums({items, py::ssize_t{n_outputs}, py::ssize_t{3}});
    Values values({items, py::ssize_t{n_outputs}});
    double* out = sums.mutable_data();
    double* value_data = values.mutable_data();
    const auto groups = groups_from(kernels);
    const py::ssize_t n = (x_rows.sample.rows.rows + y_rows.sample.rows.rows) / items;
    const double* count_data = counts.data();
    const double* scale_data = weights_of(request.scales, items);
    run(n_threads, progress, count(items) * pairs_of(n), [&](const Options& options) {
      fastdiv::weighted_sums<T>(items, x_rows.sample, y_rows.sample, count_data, scale_data, groups,
                                n_outputs, out, value_data, options, request.pairs);
    });
    return {sums, x_rows.row_sums, y_rows.row_sums, x_rows.gradient, y_rows.gradient, values};
  });
}

Values log_slope_sums(const Sample& x, const Sample& y, const ContiguousValues& x_weights,
                      const ContiguousValues& y_weights, const PyGroups& kernels, int n_outputs,
                      int n_threads, const Progress& progress, const std::string& pairs) {
  return by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const WeightedRows<T> x_rows(x, 1, x_weights, n_outputs, false, false);
    const WeightedRows<T> y_rows(y, 1, y_weights, n_outputs, false, false);
    Values slopes({py::ssize_t{n_outputs}, py::ssize_t{3}});
    double* out = slopes.mutable_data();
    const auto groups = groups_from(kernels);
    const Pairs counted = pairs_from(pairs);
    std::vector<double> sums(static_cast<std::size_t>(3 * n_outputs));
    const double counts[3] = {1, 1, 1};
    const double total = pairs_of(x_rows.sample.rows.rows + y_rows.sample.rows.rows);
    run(n_threads, progress, total, [&](const Options& options) {
      fastdiv::weighted_sums<T>(x_rows.sample, y_rows.sample, counts, groups, n_outputs,
                                sums.data(), nullptr, out, options, counted);
    });
    return slopes;
  });
}

}  // namespace

void bind_weighted_sums(py::module_& m) {
  using py::arg;
  m.def("weighted_sums", &weighted_sums, arg("x"), arg("y"), arg("x_weights"), arg("y_weights"),
        arg("request"), arg("kernels"), arg("n_outputs"), arg("n_threads"), arg("progress"),
        py::pos_only());
  m.def("log_slope_sums", &log_slope_sums, arg("x"), arg("y"), arg("x_weights"), arg("y_weights"),
        arg("kernels"), arg("n_outputs"), arg("n_threads"), arg("progress"),
        arg("pairs") = "distinct", py::pos_only());
}

}  // namespace fastdiv::python
