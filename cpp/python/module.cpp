// The Python module: converts arguments once, releases the GIL, calls the engine.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "fastdiv/fastdiv.hpp"

namespace py = pybind11;

// A sample as Python gives it: a float32 or float64 array, or fastdiv.QuantizedRows. Views point
// into it.
class Sample {
 public:
  Sample() = default;
  explicit Sample(py::handle from);

  bool is_quantized() const { return quantized_.values != nullptr; }
  bool is_float32() const;
  template <class T>
  fastdiv::MatrixView<T> view() const;

 private:
  py::array values_, scale_, zero_point_;
  fastdiv::Quantized quantized_{};
};

template <>
struct py::detail::type_caster<Sample> {
  PYBIND11_TYPE_CASTER(Sample, const_name("fastdiv._engine.backend.Sample"));
  bool load(handle from, bool) {
    value = Sample(from);
    return true;
  }
};

namespace {

using Progress = std::optional<py::function>;
using PyTerm = std::tuple<std::string, std::vector<double>, double, int>;
using PyGroup = std::tuple<std::string, std::optional<std::vector<double>>, std::vector<PyTerm>>;
using PyGroups = std::vector<PyGroup>;
using Values = py::array_t<double>;
using WeightArray = py::array_t<double, py::array::c_style>;
using Weights = std::optional<WeightArray>;
using Offsets = std::optional<WeightArray>;
using DiagonalGradients = std::tuple<Values, Values, Values>;
using Sizes = py::array_t<std::int64_t, py::array::c_style>;
// the sums, the row sums of x and of y, and the gradients by x and by y
using WeightedSums = std::tuple<Values, Values, Values, py::array, py::array>;

fastdiv::KernelGroup group_from(const PyGroup& from) {
  const auto& [base, scale, terms] = from;
  fastdiv::KernelGroup group;
  if (base == "sqdist") {
    group.base = fastdiv::Base::sqdist;
  } else if (base == "l1") {
    group.base = fastdiv::Base::l1;
  } else if (base == "dot") {
    group.base = fastdiv::Base::dot;
  } else {
    throw std::invalid_argument("unknown base '" + base + "'");
  }
  group.scale = scale.value_or(std::vector<double>{});
  for (const auto& [name, params, weight, output] : terms) {
    group.terms.push_back({name, params, weight, output});
  }
  return group;
}

std::vector<fastdiv::KernelGroup> groups_from(const PyGroups& from) {
  std::vector<fastdiv::KernelGroup> groups;
  for (const PyGroup& group : from) {
    groups.push_back(group_from(group));
  }
  return groups;
}

bool is_float32(const py::array& x) {
  if (py::isinstance<py::array_t<float>>(x)) {
    return true;
  }
  if (py::isinstance<py::array_t<double>>(x)) {
    return false;
  }
  throw py::type_error("arrays must be float32 or float64");
}

template <class T>
fastdiv::MatrixView<T> view(const py::array& x) {
  if (x.ndim() != 2 || !py::isinstance<py::array_t<T>>(x)) {
    throw py::type_error("samples must be 2-D and of one dtype");
  }
  constexpr auto size = static_cast<py::ssize_t>(sizeof(T));
  if (x.strides(0) % size != 0 || x.strides(1) % size != 0) {
    throw std::invalid_argument("samples must have strides that are multiples of the item size");
  }
  return {static_cast<const T*>(x.data()), x.shape(0), x.shape(1), x.strides(0) / size,
          x.strides(1) / size};
}

template <class T>
const T* per_row(const py::array& a, py::ssize_t rows) {
  if (a.ndim() != 1 || a.shape(0) != rows ||
      !py::isinstance<py::array_t<T, py::array::c_style>>(a)) {
    throw py::type_error("scales must be float32 and zero points int8, contiguous, one per row");
  }
  return static_cast<const T*>(a.data());
}

}  // namespace

Sample::Sample(py::handle from) {
  if (py::isinstance<py::array>(from)) {
    values_ = py::reinterpret_borrow<py::array>(from);
    return;
  }
  if (!py::hasattr(from, "values") || !py::hasattr(from, "scale")) {
    throw py::type_error("samples must be arrays or quantised rows");
  }
  values_ = from.attr("values");
  scale_ = from.attr("scale");
  const auto values = ::view<std::int8_t>(values_);
  quantized_ = {values.data, per_row<float>(scale_, values.rows), nullptr};
  if (const py::object zero_point = from.attr("zero_point"); !zero_point.is_none()) {
    zero_point_ = zero_point;
    quantized_.zero_point = per_row<std::int8_t>(zero_point_, values.rows);
  }
}

bool Sample::is_float32() const {
  return is_quantized() || ::is_float32(values_);
}

template <class T>
fastdiv::MatrixView<T> Sample::view() const {
  if (!is_quantized()) {
    return ::view<T>(values_);
  }
  const auto values = ::view<std::int8_t>(values_);
  return {nullptr, values.rows, values.cols, values.row_stride, values.col_stride, &quantized_};
}

namespace {

// Options for a call that looks at `total` pairs of rows. The hook runs between slices of work: it
// takes the GIL, lets Ctrl-C through and reports progress.
fastdiv::Options options(int n_threads, const Progress& progress, double total) {
  fastdiv::Options o;
  o.n_threads = n_threads;
  o.hook = [&progress, total](double done) {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) {
      throw py::error_already_set();
    }
    if (progress) {
      (*progress)(static_cast<std::int64_t>(done * total), static_cast<std::int64_t>(total));
    }
    return true;
  };
  return o;
}

// Runs call() without the GIL, then reports the end and, once, the missing threads after a fork.
template <class Call>
void run(const Progress& progress, double total, const Call& call) {
  {
    const py::gil_scoped_release released;
    call();
  }
  if (progress) {
    (*progress)(static_cast<std::int64_t>(total), static_cast<std::int64_t>(total));
  }
  if (fastdiv::take_fork_warning() &&
      PyErr_WarnEx(PyExc_RuntimeWarning,
                   "fastdiv: this process was forked, and OpenMP threads do not survive a fork: "
                   "computing on one thread",
                   1) != 0) {
    throw py::error_already_set();
  }
}

fastdiv::Scale scale_from(const std::string& name) {
  using fastdiv::Scale;
  constexpr std::pair<const char*, Scale> scales[] = {{"std", Scale::std},
                                                      {"var", Scale::var},
                                                      {"logstd", Scale::logstd},
                                                      {"logvar", Scale::logvar},
                                                      {"cov", Scale::cov},
                                                      {"scale_tril", Scale::scale_tril},
                                                      {"precision", Scale::precision}};
  for (const auto& [known, scale] : scales) {
    if (name == known) {
      return scale;
    }
  }
  throw std::invalid_argument("unknown parametrisation '" + name + "'");
}

// In elements.
template <class T>
std::vector<std::ptrdiff_t> strides(const py::array& a) {
  if (!py::isinstance<py::array_t<T>>(a)) {
    throw py::type_error("parameters must be of one dtype");
  }
  std::vector<std::ptrdiff_t> in_elements;
  for (py::ssize_t axis = 0; axis < a.ndim(); ++axis) {
    if (a.strides(axis) % static_cast<py::ssize_t>(sizeof(T)) != 0) {
      throw std::invalid_argument("strides must be multiples of the item size");
    }
    in_elements.push_back(a.strides(axis) / static_cast<py::ssize_t>(sizeof(T)));
  }
  return in_elements;
}

// Shapes (*batch, d), and (*batch, d) or (*batch, d, d); all of dtype T.
template <class T>
fastdiv::Gaussians<T> gaussians(const py::array& mean, const std::string& name,
                                const py::array& parameter) {
  const fastdiv::Scale scale = scale_from(name);
  const bool diagonal = fastdiv::is_diagonal(scale);
  if (mean.ndim() < 1 || parameter.ndim() != mean.ndim() + (diagonal ? 0 : 1) ||
      !std::equal(mean.shape(), mean.shape() + mean.ndim(), parameter.shape()) ||
      parameter.shape(parameter.ndim() - 1) != mean.shape(mean.ndim() - 1)) {
    throw std::invalid_argument("mean and parameter do not fit");
  }
  return {static_cast<const T*>(mean.data()), strides<T>(mean),
          static_cast<const T*>(parameter.data()), strides<T>(parameter), scale};
}

std::vector<std::ptrdiff_t> batch_shape(const py::array& mean) {
  return {mean.shape(), mean.shape() + mean.ndim() - 1};
}

void require_one_shape(const py::array& p, const py::array& q) {
  if (p.ndim() != q.ndim() || !std::equal(p.shape(), p.shape() + p.ndim(), q.shape())) {
    throw std::invalid_argument("p and q must have one shape");
  }
}

double count(py::ssize_t n) {
  return static_cast<double>(n);
}

template <class T>
Values pair_sums_of(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                    int n_threads, const Progress& progress) {
  Values out({py::ssize_t{n_outputs}, py::ssize_t{3}});
  const auto groups = groups_from(kernels);
  const auto vx = x.view<T>();
  const auto vy = y.view<T>();
  const double n = count(vx.rows + vy.rows);
  const double total = n * (n - 1) / 2;
  double* data = out.mutable_data();
  run(progress, total, [&] {
    fastdiv::pair_sums<T>(vx, vy, groups, n_outputs, data, options(n_threads, progress, total));
  });
  return out;
}

template <class T>
Values quad_forms_of(const Sample& z, const py::array_t<std::uint8_t, py::array::c_style>& labels,
                     const PyGroups& kernels, int n_outputs, int n_threads,
                     const Progress& progress) {
  const auto vz = z.view<T>();
  if (labels.ndim() != 2 || labels.shape(1) != vz.rows) {
    throw std::invalid_argument("labels must be (B, N) for N rows");
  }
  const py::ssize_t n_labellings = labels.shape(0);
  Values out({py::ssize_t{n_outputs}, n_labellings, py::ssize_t{3}});
  const auto groups = groups_from(kernels);
  const double total = count(vz.rows) * count(vz.rows - 1) / 2;
  double* data = out.mutable_data();
  const std::uint8_t* bytes = labels.data();
  run(progress, total, [&] {
    fastdiv::quad_forms<T>(vz, bytes, n_labellings, groups, n_outputs, data,
                           options(n_threads, progress, total));
  });
  return out;
}

const double* weights_of(const WeightArray& weights, py::ssize_t rows) {
  if (weights.ndim() != 1 || weights.shape(0) != rows) {
    throw std::invalid_argument("weights need one number per row");
  }
  return weights.data();
}

template <class T>
Values row_sums_of(const Sample& at, const Sample& x, const Weights& weights,
                   const PyGroups& kernels, int n_outputs, int n_threads,
                   const Progress& progress) {
  const auto vat = at.view<T>();
  const auto vx = x.view<T>();
  const double* w = weights ? weights_of(*weights, vx.rows) : nullptr;
  Values out({py::ssize_t{n_outputs}, vat.rows});
  const auto groups = groups_from(kernels);
  const double total = count(vat.rows) * count(vx.rows);
  double* data = out.mutable_data();
  run(progress, total, [&] {
    fastdiv::row_sums<T>(vat, vx, w, groups, n_outputs, data, options(n_threads, progress, total));
  });
  return out;
}

fastdiv::Base base_of_metric(const std::string& metric) {
  if (metric != "euclidean" && metric != "cityblock") {
    throw std::invalid_argument("metric must be 'euclidean' or 'cityblock'");
  }
  return metric == "euclidean" ? fastdiv::Base::sqdist : fastdiv::Base::l1;
}

template <class T>
Values label_sums_of(const Sample& x, const Weights& weights, const Sizes& sizes,
                     const PyGroups& kernels, int n_outputs, int n_threads,
                     const Progress& progress) {
  const auto vx = x.view<T>();
  const double* w = weights ? weights_of(*weights, vx.rows) : nullptr;
  const std::vector<std::ptrdiff_t> counts(sizes.data(), sizes.data() + sizes.size());
  Values out({py::ssize_t{n_outputs}, sizes.size(), vx.rows});
  const auto groups = groups_from(kernels);
  const double total = count(vx.rows) * count(vx.rows - 1) / 2;
  double* data = out.mutable_data();
  run(progress, total, [&] {
    fastdiv::label_sums<T>(vx, w, counts, groups, n_outputs, data,
                           options(n_threads, progress, total));
  });
  return out;
}

template <class T>
py::tuple label_extremes_of(const Sample& x, const std::string& metric, const Sizes& sizes,
                            int n_threads, const Progress& progress) {
  const auto vx = x.view<T>();
  const std::vector<std::ptrdiff_t> counts(sizes.data(), sizes.data() + sizes.size());
  const double total = count(vx.rows) * count(vx.rows - 1) / 2;
  fastdiv::LabelExtremes found{};
  const fastdiv::Base base = base_of_metric(metric);
  run(progress, total, [&] {
    fastdiv::label_extremes<T>(vx, base, counts, &found, options(n_threads, progress, total));
  });
  return py::make_tuple(found.within, found.between);
}

// Sums within and between of each row, (2, items, n_outputs, n), and a gradient, (items, n_outputs,
// n, d); with nothing in them where they are not wanted.
template <class T>
struct PySample {
  PySample(const Sample& x, py::ssize_t items, const WeightArray& weights, int n_outputs,
           bool wants_row_sums, bool wants_gradient)
      : sample{x.view<T>(), nullptr} {
    const py::ssize_t outputs = n_outputs;
    const fastdiv::MatrixView<T>& rows = sample.rows;
    const py::ssize_t n = rows.rows / items;
    sample.weights = weights_of(weights, rows.rows);
    row_sums = Values({py::ssize_t{2}, items, outputs, wants_row_sums ? n : 0});
    gradient = py::array_t<T>({items, outputs, wants_gradient ? n : 0, rows.cols});
    if (wants_row_sums) {
      sample.within = row_sums.mutable_data();
      sample.between = row_sums.mutable_data(1);
    }
    if (wants_gradient) {
      sample.gradient = gradient.mutable_data();
    }
  }
  fastdiv::WeightedSample<T> sample;
  Values row_sums;
  py::array_t<T> gradient;
};

template <class T>
WeightedSums weighted_sums_of(const Sample& x, const Sample& y, const WeightArray& x_weights,
                              const WeightArray& y_weights, const WeightArray& factors,
                              const Weights& scales, bool row_sums, bool x_gradient,
                              bool y_gradient, const PyGroups& kernels, int n_outputs,
                              int n_threads, const Progress& progress) {
  if (factors.ndim() != 2 || factors.shape(0) < 1 || factors.shape(1) != 3) {
    throw std::invalid_argument("factors must be three numbers per item");
  }
  const py::ssize_t items = factors.shape(0);
  PySample<T> of_x(x, items, x_weights, n_outputs, row_sums, x_gradient);
  PySample<T> of_y(y, items, y_weights, n_outputs, row_sums, y_gradient);
  Values out({items, py::ssize_t{n_outputs}, py::ssize_t{3}});
  const auto groups = groups_from(kernels);
  const double n = count((of_x.sample.rows.rows + of_y.sample.rows.rows) / items);
  const double total = count(items) * n * (n - 1) / 2;
  double* data = out.mutable_data();
  const double* of_items = factors.data();
  const double* scale_of_items = scales ? weights_of(*scales, items) : nullptr;
  run(progress, total, [&] {
    fastdiv::weighted_sums<T>(items, of_x.sample, of_y.sample, of_items, scale_of_items, groups,
                              n_outputs, data, options(n_threads, progress, total));
  });
  return {out, of_x.row_sums, of_y.row_sums, of_x.gradient, of_y.gradient};
}

template <class T>
Values log_slope_sums_of(const Sample& x, const Sample& y, const WeightArray& x_weights,
                         const WeightArray& y_weights, const PyGroups& kernels, int n_outputs,
                         int n_threads, const Progress& progress) {
  const PySample<T> of_x(x, 1, x_weights, n_outputs, false, false);
  const PySample<T> of_y(y, 1, y_weights, n_outputs, false, false);
  Values out({py::ssize_t{n_outputs}, py::ssize_t{3}});
  const auto groups = groups_from(kernels);
  std::vector<double> sums(static_cast<std::size_t>(3 * n_outputs));
  const double n = count(of_x.sample.rows.rows + of_y.sample.rows.rows);
  const double total = n * (n - 1) / 2;
  double* data = out.mutable_data();
  const double none[3] = {};
  run(progress, total, [&] {
    fastdiv::weighted_sums<T>(of_x.sample, of_y.sample, none, groups, n_outputs, sums.data(), data,
                              options(n_threads, progress, total));
  });
  return out;
}

template <class T>
Values paired_values_of(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                        int n_threads) {
  const auto vx = x.view<T>();
  const auto vy = y.view<T>();
  Values out({py::ssize_t{n_outputs}, vx.rows});
  const auto groups = groups_from(kernels);
  double* data = out.mutable_data();
  const Progress none;
  run(none, 0, [&] {
    fastdiv::paired_values<T>(vx, vy, groups, n_outputs, data, options(n_threads, none, 0));
  });
  return out;
}

template <class T>
Values ranked_distances_of(const Sample& x, const std::optional<Sample>& y, py::ssize_t items,
                           const std::string& metric, std::uint64_t rank, int n_threads,
                           const Progress& progress) {
  const fastdiv::Base base = base_of_metric(metric);
  const auto vx = x.view<T>();
  std::optional<fastdiv::MatrixView<T>> vy;
  if (y) {
    vy = y->view<T>();
  }
  const double n = count(vx.rows) / count(items);
  const double total = count(items) * n * (vy ? count(vy->rows) / count(items) : (n - 1) / 2);
  Values distances(items);
  double* data = distances.mutable_data();
  run(progress, total, [&] {
    fastdiv::ranked_distances<T>(items, vx, vy ? &*vy : nullptr, base, rank, data,
                                 options(n_threads, progress, total));
  });
  return distances;
}

template <class T>
Values median_distances_of(const Sample& x, const Sizes& sizes, const std::string& metric,
                           int n_threads, const Progress& progress) {
  const fastdiv::Base base = base_of_metric(metric);
  const auto vx = x.view<T>();
  const std::vector<std::ptrdiff_t> rows(sizes.data(), sizes.data() + sizes.size());
  double total = 0;
  for (const std::ptrdiff_t n : rows) {
    total += count(n) * count(n - 1) / 2;
  }
  Values medians(sizes.size());
  double* data = medians.mutable_data();
  run(progress, total, [&] {
    fastdiv::median_distances<T>(vx, rows, base, data, options(n_threads, progress, total));
  });
  return medians;
}

template <class T>
Values kth_distances_of(const Sample& at, const Sample& x, int k, bool exclude_self, int n_threads,
                        const Progress& progress) {
  const auto vat = at.view<T>();
  const auto vx = x.view<T>();
  Values out(vat.rows);
  const double total = count(vat.rows) * count(vx.rows);
  double* data = out.mutable_data();
  run(progress, total, [&] {
    fastdiv::kth_distances<T>(vat, vx, k, exclude_self, data, options(n_threads, progress, total));
  });
  return out;
}

fastdiv::ClusterSum cluster_sum_from(const std::string& name) {
  using fastdiv::ClusterSum;
  constexpr std::pair<const char*, ClusterSum> kinds[] = {{"squares", ClusterSum::squares},
                                                          {"euclidean", ClusterSum::euclidean},
                                                          {"manhattan", ClusterSum::manhattan},
                                                          {"directions", ClusterSum::directions}};
  for (const auto& [known, kind] : kinds) {
    if (name == known) {
      return kind;
    }
  }
  throw std::invalid_argument("unknown sum over clusters '" + name + "'");
}

// call(pointer) with codes of int32 or int64.
template <class Call>
void with_codes(const py::array& codes, const Call& call) {
  if (py::isinstance<py::array_t<std::int32_t>>(codes)) {
    const py::array_t<std::int32_t, py::array::c_style> contiguous(codes);
    call(contiguous.data());
  } else {
    const py::array_t<std::int64_t, py::array::c_style> contiguous(codes);
    call(contiguous.data());
  }
}

const double* centers_of(const WeightArray& centers, std::ptrdiff_t cols) {
  if (centers.ndim() != 2 || centers.shape(1) != cols) {
    throw std::invalid_argument("centers must have the features of x");
  }
  return centers.data();
}

const double* offsets_of(const WeightArray& offsets, const WeightArray& centers) {
  if (offsets.ndim() != 2 || offsets.shape(0) != centers.shape(0) ||
      offsets.shape(1) != centers.shape(1)) {
    throw std::invalid_argument("offsets must have the shape of centers");
  }
  return offsets.data();
}

template <class T>
Values cluster_sums_of(const Sample& x, const py::array& codes, const Weights& weights,
                       const WeightArray& centers, const Offsets& offsets, const std::string& name,
                       int n_threads, const Progress& progress) {
  const auto vx = x.view<T>();
  if (codes.ndim() != 1 || codes.shape(0) != vx.rows) {
    throw std::invalid_argument("codes need one number per row");
  }
  const double* at = centers_of(centers, vx.cols);
  const double* beside = offsets ? offsets_of(*offsets, centers) : nullptr;
  const double* w = weights ? weights_of(*weights, vx.rows) : nullptr;
  const auto kind = cluster_sum_from(name);
  const py::ssize_t k = centers.shape(0);
  Values out({k, fastdiv::cluster_scalars + vx.cols});
  const double total = count(vx.rows);
  double* data = out.mutable_data();
  with_codes(codes, [&](const auto* numbers) {
    run(progress, total, [&] {
      fastdiv::cluster_sums(vx, numbers, w, at, beside, k, kind, data,
                            options(n_threads, progress, total));
    });
  });
  return out;
}

template <class T>
Values center_squares_of(const Sample& x, const WeightArray& anchors, const WeightArray& offsets,
                         int n_threads, const Progress& progress) {
  const auto vx = x.view<T>();
  const double* at = centers_of(anchors, vx.cols);
  const double* off = offsets_of(offsets, anchors);
  const py::ssize_t k = anchors.shape(0);
  Values out({k, vx.rows});
  const double total = count(vx.rows);
  double* data = out.mutable_data();
  run(progress, total, [&] {
    fastdiv::center_squares<T>(vx, at, off, k, data, options(n_threads, progress, total));
  });
  return out;
}

template <class T>
Values log_ratio_moments_of(const py::array& log_p, const py::array& log_q,
                            const std::string& estimator, int n_threads) {
  using fastdiv::LogRatio;
  if (estimator != "k1" && estimator != "k2" && estimator != "k3") {
    throw std::invalid_argument("estimator must be 'k1', 'k2' or 'k3'");
  }
  const auto kind = estimator == "k1"   ? LogRatio::k1
                    : estimator == "k2" ? LogRatio::k2
                                        : LogRatio::k3;
  const auto vp = view<T>(log_p);
  const auto vq = view<T>(log_q);
  Values out({py::ssize_t{2}, vp.cols});
  double* data = out.mutable_data();
  const Progress none;
  run(none, 0,
      [&] { fastdiv::log_ratio_moments<T>(vp, vq, kind, data, options(n_threads, none, 0)); });
  return out;
}

template <class T>
std::int64_t first_nonfinite_of(const py::array& x) {
  const auto vx = view<T>(x);
  const py::gil_scoped_release released;
  return fastdiv::first_nonfinite<T>(vx);
}

Values pair_sums(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                 int n_threads, const Progress& progress) {
  return (x.is_float32() ? pair_sums_of<float> : pair_sums_of<double>)(x, y, kernels, n_outputs,
                                                                       n_threads, progress);
}

Values quad_forms(const Sample& z, const py::array_t<std::uint8_t, py::array::c_style>& labels,
                  const PyGroups& kernels, int n_outputs, int n_threads, const Progress& progress) {
  return (z.is_float32() ? quad_forms_of<float> : quad_forms_of<double>)(z, labels, kernels,
                                                                         n_outputs, n_threads,
                                                                         progress);
}

Values row_sums(const Sample& at, const Sample& x, const Weights& weights, const PyGroups& kernels,
                int n_outputs, int n_threads, const Progress& progress) {
  return (at.is_float32() ? row_sums_of<float> : row_sums_of<double>)(at, x, weights, kernels,
                                                                      n_outputs, n_threads,
                                                                      progress);
}

Values label_sums(const Sample& x, const Weights& weights, const Sizes& sizes,
                  const PyGroups& kernels, int n_outputs, int n_threads, const Progress& progress) {
  return (x.is_float32() ? label_sums_of<float> : label_sums_of<double>)(x, weights, sizes, kernels,
                                                                         n_outputs, n_threads,
                                                                         progress);
}

py::tuple label_extremes(const Sample& x, const std::string& metric, const Sizes& sizes,
                         int n_threads, const Progress& progress) {
  return (x.is_float32() ? label_extremes_of<float>
                         : label_extremes_of<double>)(x, metric, sizes, n_threads, progress);
}

WeightedSums weighted_sums(const Sample& x, const Sample& y, const WeightArray& x_weights,
                           const WeightArray& y_weights, const WeightArray& factors,
                           const Weights& scales, bool row_sums, bool x_gradient, bool y_gradient,
                           const PyGroups& kernels, int n_outputs, int n_threads,
                           const Progress& progress) {
  return (x.is_float32() ? weighted_sums_of<float>
                         : weighted_sums_of<double>)(x, y, x_weights, y_weights, factors, scales,
                                                     row_sums, x_gradient, y_gradient, kernels,
                                                     n_outputs, n_threads, progress);
}

Values log_slope_sums(const Sample& x, const Sample& y, const WeightArray& x_weights,
                      const WeightArray& y_weights, const PyGroups& kernels, int n_outputs,
                      int n_threads, const Progress& progress) {
  return (x.is_float32() ? log_slope_sums_of<float>
                         : log_slope_sums_of<double>)(x, y, x_weights, y_weights, kernels,
                                                      n_outputs, n_threads, progress);
}

// Quantised rows are not exact in float.
bool is_exact_in_float(const Sample& x) {
  return x.is_float32() && !x.is_quantized();
}

Values paired_values(const Sample& x, const Sample& y, const PyGroups& kernels, int n_outputs,
                     int n_threads) {
  const auto values = is_exact_in_float(x) ? paired_values_of<float> : paired_values_of<double>;
  return values(x, y, kernels, n_outputs, n_threads);
}

Values ranked_distances(const Sample& x, const std::optional<Sample>& y, py::ssize_t items,
                        const std::string& metric, std::uint64_t rank, int n_threads,
                        const Progress& progress) {
  return (x.is_float32()
              ? ranked_distances_of<float>
              : ranked_distances_of<double>)(x, y, items, metric, rank, n_threads, progress);
}

Values median_distances(const Sample& x, const Sizes& sizes, const std::string& metric,
                        int n_threads, const Progress& progress) {
  return (x.is_float32() ? median_distances_of<float>
                         : median_distances_of<double>)(x, sizes, metric, n_threads, progress);
}

Values kth_distances(const Sample& at, const Sample& x, int k, bool exclude_self, int n_threads,
                     const Progress& progress) {
  return (at.is_float32() ? kth_distances_of<float>
                          : kth_distances_of<double>)(at, x, k, exclude_self, n_threads, progress);
}

py::array_t<float> quantized_products(const Sample& x, const Sample& w, int n_threads) {
  const auto vx = x.view<double>();
  const auto vw = w.view<double>();
  py::array_t<float> out({vx.rows, vw.rows});
  float* data = out.mutable_data();
  const Progress none;
  run(none, 0, [&] { fastdiv::quantized_products(vx, vw, data, options(n_threads, none, 0)); });
  return out;
}

Values cluster_sums(const Sample& x, const py::array& codes, const Weights& weights,
                    const WeightArray& centers, const Offsets& offsets, const std::string& name,
                    int n_threads, const Progress& progress) {
  const auto sums = is_exact_in_float(x) ? cluster_sums_of<float> : cluster_sums_of<double>;
  return sums(x, codes, weights, centers, offsets, name, n_threads, progress);
}

Values center_squares(const Sample& x, const WeightArray& anchors, const WeightArray& offsets,
                      int n_threads, const Progress& progress) {
  const auto squares = is_exact_in_float(x) ? center_squares_of<float> : center_squares_of<double>;
  return squares(x, anchors, offsets, n_threads, progress);
}

py::array_t<std::int64_t> first_rows(const py::array& codes, std::int64_t n_clusters) {
  if (codes.ndim() != 1) {
    throw std::invalid_argument("codes need one dimension");
  }
  py::array_t<std::int64_t> out(n_clusters);
  std::int64_t* data = out.mutable_data();
  with_codes(codes, [&](const auto* numbers) {
    const py::gil_scoped_release released;
    fastdiv::first_rows(numbers, codes.shape(0), n_clusters, data);
  });
  return out;
}

Values log_ratio_moments(const py::array& log_p, const py::array& log_q,
                         const std::string& estimator, int n_threads) {
  return (is_float32(log_p) ? log_ratio_moments_of<float>
                            : log_ratio_moments_of<double>)(log_p, log_q, estimator, n_threads);
}

std::int64_t first_nonfinite(const py::array& x) {
  return (is_float32(x) ? first_nonfinite_of<float> : first_nonfinite_of<double>)(x);
}

template <class T>
Values gaussian_kl_of(const py::array& p_mean, const std::string& p_name,
                      const py::array& p_parameter, const py::array& q_mean,
                      const std::string& q_name, const py::array& q_parameter, int n_threads,
                      const Progress& progress) {
  const auto p = gaussians<T>(p_mean, p_name, p_parameter);
  const auto q = gaussians<T>(q_mean, q_name, q_parameter);
  const auto shape = batch_shape(p_mean);
  require_one_shape(p_mean, q_mean);
  Values out(shape);
  const double total = count(out.size());
  double* data = out.mutable_data();
  const std::ptrdiff_t dim = p_mean.shape(p_mean.ndim() - 1);
  run(progress, total, [&] {
    fastdiv::gaussian_kl<T>(shape, dim, p, q, data, options(n_threads, progress, total));
  });
  return out;
}

Values gaussian_kl(const py::array& p_mean, const std::string& p_name, const py::array& p_parameter,
                   const py::array& q_mean, const std::string& q_name, const py::array& q_parameter,
                   int n_threads, const Progress& progress) {
  return (is_float32(p_mean) ? gaussian_kl_of<float>
                             : gaussian_kl_of<double>)(p_mean, p_name, p_parameter, q_mean, q_name,
                                                       q_parameter, n_threads, progress);
}

template <class T>
DiagonalGradients diagonal_gradients_of(const py::array& p_mean, const std::string& p_name,
                                        const py::array& p_parameter, const py::array& q_mean,
                                        const std::string& q_name, const py::array& q_parameter,
                                        bool of_q, int n_threads) {
  const auto p = gaussians<T>(p_mean, p_name, p_parameter);
  const auto q = gaussians<T>(q_mean, q_name, q_parameter);
  require_one_shape(p_mean, q_mean);
  const std::vector<py::ssize_t> shape(p_mean.shape(), p_mean.shape() + p_mean.ndim());
  Values means(shape), by_p(shape), by_q(of_q ? shape : std::vector<py::ssize_t>{0});
  double* data[] = {means.mutable_data(), by_p.mutable_data(),
                    of_q ? by_q.mutable_data() : nullptr};
  const Progress none;
  run(none, 0, [&] {
    fastdiv::diagonal_gradients<T>(batch_shape(p_mean), shape.back(), p, q, data[0], data[1],
                                   data[2], options(n_threads, none, 0));
  });
  return {means, by_p, by_q};
}

DiagonalGradients diagonal_gradients(const py::array& p_mean, const std::string& p_name,
                                     const py::array& p_parameter, const py::array& q_mean,
                                     const std::string& q_name, const py::array& q_parameter,
                                     bool of_q, int n_threads) {
  return (is_float32(p_mean) ? diagonal_gradients_of<float>
                             : diagonal_gradients_of<double>)(p_mean, p_name, p_parameter, q_mean,
                                                              q_name, q_parameter, of_q, n_threads);
}

Values kl_from_products(const py::array& a, const py::array& b, const Values& a_offset,
                        const Values& b_offset, double tolerance, int n_threads,
                        const Progress& progress) {
  const auto va = view<double>(a);
  const auto vb = view<double>(b);
  if (a_offset.ndim() != 1 || b_offset.ndim() != 1 || a_offset.shape(0) != va.rows ||
      b_offset.shape(0) != vb.rows || a_offset.strides(0) != sizeof(double) ||
      b_offset.strides(0) != sizeof(double)) {
    throw std::invalid_argument("offsets must be contiguous, one per row");
  }
  Values out({va.rows, vb.rows});
  const double total = count(out.size());
  double* data = out.mutable_data();
  const double* of_a = a_offset.data();
  const double* of_b = b_offset.data();
  run(progress, total, [&] {
    fastdiv::kl_from_products(va, vb, of_a, of_b, tolerance, data,
                              options(n_threads, progress, total));
  });
  return out;
}

template <class T>
py::array_t<std::uint8_t> matrix_status_of(const py::array& matrices, const std::string& name,
                                           int n_threads) {
  if (matrices.ndim() < 2) {
    throw std::invalid_argument("matrices must have shape (..., d, d)");
  }
  const std::vector<py::ssize_t> mean_shape(matrices.shape(),
                                            matrices.shape() + matrices.ndim() - 1);
  const py::array_t<T> mean(mean_shape, std::vector<py::ssize_t>(mean_shape.size(), 0),
                            static_cast<const T*>(matrices.data()), matrices);
  const auto p = gaussians<T>(mean, name, matrices);
  const auto shape = batch_shape(mean);
  py::array_t<std::uint8_t> out(shape);
  std::uint8_t* data = out.mutable_data();
  const std::ptrdiff_t dim = matrices.shape(matrices.ndim() - 1);
  const Progress none;
  run(none, 0,
      [&] { fastdiv::matrix_status<T>(shape, dim, p, data, options(n_threads, none, 0)); });
  return out;
}

py::array_t<std::uint8_t> matrix_status(const py::array& matrices, const std::string& name,
                                        int n_threads) {
  return (is_float32(matrices) ? matrix_status_of<float> : matrix_status_of<double>)(matrices, name,
                                                                                     n_threads);
}

// (extreme, rest) per item, see fastdiv::Normaliser.
static_assert(sizeof(fastdiv::Normaliser) == 2 * sizeof(double));

// Shapes (*batch, k) and, unless they are still to be computed, (*batch, 2).
template <class T>
fastdiv::Categoricals<T> categoricals(const py::array& values, const std::string& name,
                                      const Values* normalisers) {
  if (name != "probs" && name != "logits") {
    throw std::invalid_argument("unknown parametrisation '" + name + "'");
  }
  if (values.ndim() < 1 || values.shape(values.ndim() - 1) < 1) {
    throw std::invalid_argument("there must be at least one category");
  }
  if (normalisers != nullptr &&
      (normalisers->ndim() != values.ndim() || normalisers->shape(values.ndim() - 1) != 2 ||
       !std::equal(values.shape(), values.shape() + values.ndim() - 1, normalisers->shape()))) {
    throw std::invalid_argument("values and normalisers do not fit");
  }
  const auto weights = name == "probs" ? fastdiv::Weights::probs : fastdiv::Weights::logits;
  if (normalisers == nullptr) {
    return {static_cast<const T*>(values.data()), strides<T>(values), weights, nullptr, {}};
  }
  std::vector<std::ptrdiff_t> in_pairs = strides<double>(*normalisers);
  bool pairs = normalisers->size() == 0 || in_pairs.back() == 1;
  in_pairs.pop_back();
  for (std::ptrdiff_t& stride : in_pairs) {
    pairs = pairs && (normalisers->size() == 0 || stride % 2 == 0);
    stride /= 2;
  }
  if (!pairs) {
    throw std::invalid_argument("normalisers must come in pairs");
  }
  return {static_cast<const T*>(values.data()), strides<T>(values), weights,
          reinterpret_cast<const fastdiv::Normaliser*>(normalisers->data()), in_pairs};
}

template <class T>
Values categorical_normalisers_of(const py::array& values, const std::string& name, int n_threads,
                                  const Progress& progress) {
  const auto p = categoricals<T>(values, name, nullptr);
  const auto shape = batch_shape(values);
  std::vector<py::ssize_t> out_shape(shape);
  out_shape.push_back(2);
  Values out(out_shape);
  const double total = count(values.size());
  auto* data = reinterpret_cast<fastdiv::Normaliser*>(out.mutable_data());
  const std::ptrdiff_t k = values.shape(values.ndim() - 1);
  run(progress, total, [&] {
    fastdiv::categorical_normalisers<T>(shape, k, p, data, options(n_threads, progress, total));
  });
  return out;
}

template <class T>
Values categorical_entropy_of(const py::array& values, const std::string& name,
                              const Values& normalisers, int n_threads, const Progress& progress) {
  const auto p = categoricals<T>(values, name, &normalisers);
  const auto shape = batch_shape(values);
  Values out(shape);
  const double total = count(values.size());
  double* data = out.mutable_data();
  const std::ptrdiff_t k = values.shape(values.ndim() - 1);
  run(progress, total, [&] {
    fastdiv::categorical_entropy<T>(shape, k, p, data, options(n_threads, progress, total));
  });
  return out;
}

template <class T>
using CategoricalDivergence = bool (*)(const std::vector<std::ptrdiff_t>&, std::ptrdiff_t,
                                       const fastdiv::Categoricals<T>&,
                                       const fastdiv::Categoricals<T>&, double*,
                                       const fastdiv::Options&);

template <class T>
Values categorical_divergence_of(CategoricalDivergence<T> divergence, const py::array& p_values,
                                 const std::string& p_name, const Values& p_normalisers,
                                 const py::array& q_values, const std::string& q_name,
                                 const Values& q_normalisers, int n_threads,
                                 const Progress& progress) {
  const auto p = categoricals<T>(p_values, p_name, &p_normalisers);
  const auto q = categoricals<T>(q_values, q_name, &q_normalisers);
  const auto shape = batch_shape(p_values);
  require_one_shape(p_values, q_values);
  Values out(shape);
  const double total = count(p_values.size());
  double* data = out.mutable_data();
  const std::ptrdiff_t k = p_values.shape(p_values.ndim() - 1);
  run(progress, total,
      [&] { divergence(shape, k, p, q, data, options(n_threads, progress, total)); });
  return out;
}

Values categorical_divergence(CategoricalDivergence<float> narrow,
                              CategoricalDivergence<double> wide, const py::array& p_values,
                              const std::string& p_name, const Values& p_normalisers,
                              const py::array& q_values, const std::string& q_name,
                              const Values& q_normalisers, int n_threads,
                              const Progress& progress) {
  const auto compute = [&](auto divergence) {
    return categorical_divergence_of(divergence, p_values, p_name, p_normalisers, q_values, q_name,
                                     q_normalisers, n_threads, progress);
  };
  return is_float32(p_values) ? compute(narrow) : compute(wide);
}

Values categorical_normalisers(const py::array& values, const std::string& name, int n_threads,
                               const Progress& progress) {
  return (is_float32(values)
              ? categorical_normalisers_of<float>
              : categorical_normalisers_of<double>)(values, name, n_threads, progress);
}

Values categorical_entropy(const py::array& values, const std::string& name,
                           const Values& normalisers, int n_threads, const Progress& progress) {
  return (is_float32(values)
              ? categorical_entropy_of<float>
              : categorical_entropy_of<double>)(values, name, normalisers, n_threads, progress);
}

Values categorical_kl(const py::array& p_values, const std::string& p_name,
                      const Values& p_normalisers, const py::array& q_values,
                      const std::string& q_name, const Values& q_normalisers, int n_threads,
                      const Progress& progress) {
  return categorical_divergence(fastdiv::categorical_kl<float>, fastdiv::categorical_kl<double>,
                                p_values, p_name, p_normalisers, q_values, q_name, q_normalisers,
                                n_threads, progress);
}

Values categorical_jensen_shannon(const py::array& p_values, const std::string& p_name,
                                  const Values& p_normalisers, const py::array& q_values,
                                  const std::string& q_name, const Values& q_normalisers,
                                  int n_threads, const Progress& progress) {
  return categorical_divergence(
      fastdiv::categorical_jensen_shannon<float>, fastdiv::categorical_jensen_shannon<double>,
      p_values, p_name, p_normalisers, q_values, q_name, q_normalisers, n_threads, progress);
}

py::tuple measure_peaks(const std::string& dtype, int n_threads, double seconds) {
  if (dtype != "float32" && dtype != "float64") {
    throw std::invalid_argument("dtype must be 'float32' or 'float64'");
  }
  fastdiv::Peaks peaks{};
  {
    const py::gil_scoped_release released;
    peaks = dtype == "float32" ? fastdiv::measure_peaks<float>(n_threads, seconds)
                               : fastdiv::measure_peaks<double>(n_threads, seconds);
  }
  return py::make_tuple(peaks.flops, peaks.maps);
}

py::dict config() {
  py::dict info;
  info["version"] = FASTDIV_VERSION;
  info["isa"] = fastdiv::isa_name();
  info["isa_available"] = fastdiv::available_isas();
  info["n_threads"] = fastdiv::get_num_threads();
  info["openmp"] = fastdiv::openmp_runtime();
  info["compiler"] = FASTDIV_COMPILER;
  return info;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled engine; fastdiv._sums.reference documents each function.";
  fastdiv::isa_name();  // a wrong FASTDIV_ISA is an error here, not in the middle of some call
  fastdiv::watch_forks();
  m.def("pair_sums", &pair_sums, py::arg("x"), py::arg("y"), py::arg("kernels"),
        py::arg("n_outputs"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("quad_forms", &quad_forms, py::arg("z"), py::arg("labels"), py::arg("kernels"),
        py::arg("n_outputs"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("row_sums", &row_sums, py::arg("at"), py::arg("x"), py::arg("weights"), py::arg("kernels"),
        py::arg("n_outputs"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("label_sums", &label_sums, py::arg("x"), py::arg("weights"), py::arg("sizes"),
        py::arg("kernels"), py::arg("n_outputs"), py::arg("n_threads"), py::arg("progress"),
        py::pos_only());
  m.def("label_extremes", &label_extremes, py::arg("x"), py::arg("metric"), py::arg("sizes"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("weighted_sums", &weighted_sums, py::arg("x"), py::arg("y"), py::arg("x_weights"),
        py::arg("y_weights"), py::arg("factors"), py::arg("scales"), py::arg("row_sums"),
        py::arg("x_gradient"), py::arg("y_gradient"), py::arg("kernels"), py::arg("n_outputs"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("log_slope_sums", &log_slope_sums, py::arg("x"), py::arg("y"), py::arg("x_weights"),
        py::arg("y_weights"), py::arg("kernels"), py::arg("n_outputs"), py::arg("n_threads"),
        py::arg("progress"), py::pos_only());
  m.def("paired_values", &paired_values, py::arg("x"), py::arg("y"), py::arg("kernels"),
        py::arg("n_outputs"), py::arg("n_threads"), py::pos_only());
  m.def("ranked_distances", &ranked_distances, py::arg("x"), py::arg("y"), py::arg("items"),
        py::arg("metric"), py::arg("rank"), py::arg("n_threads"), py::arg("progress"),
        py::pos_only());
  m.def("median_distances", &median_distances, py::arg("x"), py::arg("sizes"), py::arg("metric"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("quantized_products", &quantized_products, py::arg("x"), py::arg("w"), py::arg("n_threads"),
        py::pos_only());
  m.def("gaussian_kl", &gaussian_kl, py::arg("p_mean"), py::arg("p_name"), py::arg("p_parameter"),
        py::arg("q_mean"), py::arg("q_name"), py::arg("q_parameter"), py::arg("n_threads"),
        py::arg("progress"), py::pos_only());
  m.def("diagonal_gradients", &diagonal_gradients, py::arg("p_mean"), py::arg("p_name"),
        py::arg("p_parameter"), py::arg("q_mean"), py::arg("q_name"), py::arg("q_parameter"),
        py::arg("of_q"), py::arg("n_threads"), py::pos_only());
  m.def("kl_from_products", &kl_from_products, py::arg("a"), py::arg("b"), py::arg("a_offset"),
        py::arg("b_offset"), py::arg("tolerance"), py::arg("n_threads"), py::arg("progress"),
        py::pos_only());
  m.def("matrix_status", &matrix_status, py::arg("matrices"), py::arg("name"), py::arg("n_threads"),
        py::pos_only());
  m.def("kth_distances", &kth_distances, py::arg("at"), py::arg("x"), py::arg("k"),
        py::arg("exclude_self"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("cluster_sums", &cluster_sums, py::arg("x"), py::arg("codes"), py::arg("weights"),
        py::arg("centers"), py::arg("offsets"), py::arg("name"), py::arg("n_threads"),
        py::arg("progress"), py::pos_only());
  m.def("center_squares", &center_squares, py::arg("x"), py::arg("anchors"), py::arg("offsets"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("first_rows", &first_rows, py::arg("codes"), py::arg("n_clusters"), py::pos_only());
  m.def("log_ratio_moments", &log_ratio_moments, py::arg("log_p"), py::arg("log_q"),
        py::arg("estimator"), py::arg("n_threads"), py::pos_only());
  m.def("categorical_normalisers", &categorical_normalisers, py::arg("values"), py::arg("name"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("categorical_entropy", &categorical_entropy, py::arg("values"), py::arg("name"),
        py::arg("normalisers"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("categorical_kl", &categorical_kl, py::arg("p_values"), py::arg("p_name"),
        py::arg("p_normalisers"), py::arg("q_values"), py::arg("q_name"), py::arg("q_normalisers"),
        py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("categorical_jensen_shannon", &categorical_jensen_shannon, py::arg("p_values"),
        py::arg("p_name"), py::arg("p_normalisers"), py::arg("q_values"), py::arg("q_name"),
        py::arg("q_normalisers"), py::arg("n_threads"), py::arg("progress"), py::pos_only());
  m.def("first_nonfinite", &first_nonfinite, py::arg("x"), py::pos_only());
  m.def("set_num_threads", &fastdiv::set_num_threads, py::arg("n"), py::pos_only());
  m.def("get_num_threads", &fastdiv::get_num_threads);
  m.def("measure_peaks", &measure_peaks, py::arg("dtype"), py::arg("n_threads"), py::arg("seconds"),
        py::pos_only());
  m.def("config", &config);
}
