#include "arguments.hpp"

namespace fastdiv::python {
namespace {

template <class T>
const T* per_row(const py::array& a, py::ssize_t rows) {
  if (a.ndim() != 1 || a.shape(0) != rows ||
      !py::isinstance<py::array_t<T, py::array::c_style>>(a)) {
    throw py::type_error("scales must be float32 and zero points int8, contiguous, one per row");
  }
  return static_cast<const T*>(a.data());
}

KernelGroup group_from(const PyGroup& from) {
  const auto& [base, scale, origin, terms] = from;
  KernelGroup group;
  group.base = choose<Base>(base, {{"sqdist", Base::sqdist}, {"l1", Base::l1}, {"dot", Base::dot}},
                            "unknown base '" + base + "'");
  group.scale = scale.value_or(std::vector<double>{});
  group.origin = origin.value_or(std::vector<double>{});
  for (const auto& [name, params, weight, output] : terms) {
    group.terms.push_back({name, params, weight, output});
  }
  return group;
}

}  // namespace

bool is_float32(const py::array& values) {
  if (py::isinstance<py::array_t<float>>(values)) {
    return true;
  }
  if (py::isinstance<py::array_t<double>>(values)) {
    return false;
  }
  throw py::type_error("arrays must be float32 or float64");
}

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
  const auto values = view_of<std::int8_t>(values_);
  quantized_ = {values.data, per_row<float>(scale_, values.rows), nullptr};
  if (const py::object zero_point = from.attr("zero_point"); !zero_point.is_none()) {
    zero_point_ = zero_point;
    quantized_.zero_point = per_row<std::int8_t>(zero_point_, values.rows);
  }
}

std::vector<KernelGroup> groups_from(const PyGroups& groups) {
  std::vector<KernelGroup> result;
  for (const PyGroup& group : groups) {
    result.push_back(group_from(group));
  }
  return result;
}

Base base_of_metric(const std::string& metric) {
  return choose<Base>(metric, {{"euclidean", Base::sqdist}, {"cityblock", Base::l1}},
                      "metric must be 'euclidean' or 'cityblock'");
}

Pairs pairs_from(const std::string& word) {
  return choose<Pairs>(
      word,
      {{"distinct", Pairs::distinct}, {"all", Pairs::all}, {"off_diagonal", Pairs::off_diagonal}},
      "pairs must be 'distinct', 'all' or 'off_diagonal'");
}

std::vector<std::ptrdiff_t> sizes_from(const Sizes& sizes) {
  return {sizes.data(), sizes.data() + sizes.size()};
}

const double* weights_of(const ContiguousValues& weights, py::ssize_t rows) {
  if (weights.ndim() != 1 || weights.shape(0) != rows) {
    throw std::invalid_argument("weights need one number per row");
  }
  return weights.data();
}

const double* weights_of(const OptionalValues& weights, py::ssize_t rows) {
  return weights ? weights_of(*weights, rows) : nullptr;
}

}  // namespace fastdiv::python
