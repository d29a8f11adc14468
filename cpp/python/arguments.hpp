#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fastdiv/fastdiv.hpp"

// Converts the arguments of Python to those of the engine.
namespace fastdiv::python {

namespace py = pybind11;

using Values = py::array_t<double>;
using ContiguousValues = py::array_t<double, py::array::c_style>;
using OptionalValues = std::optional<ContiguousValues>;
using Sizes = py::array_t<std::int64_t, py::array::c_style>;
using PyTerm = std::tuple<std::string, std::vector<double>, double, int>;
using PyGroup = std::tuple<std::string, std::optional<std::vector<double>>,
                           std::optional<std::vector<double>>, std::vector<PyTerm>>;
using PyGroups = std::vector<PyGroup>;

// Return whether the values are float32. Throws unless they are float32 or float64.
bool is_float32(const py::array& values);

// Return a view of a 2-D array of T.
template <class T>
MatrixView<T> view_of(const py::array& x) {
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

// A sample as Python gives it: a float32 or float64 array, or fastdiv.QuantizedRows. Views point
// into it.
class Sample {
 public:
  Sample() = default;
  explicit Sample(py::handle from);

  bool is_quantized() const { return quantized_.values != nullptr; }
  const py::array& values() const { return values_; }

  template <class T>
  MatrixView<T> view() const {
    if (!is_quantized()) {
      return view_of<T>(values_);
    }
    const auto values = view_of<std::int8_t>(values_);
    return {nullptr, values.rows, values.cols, values.row_stride, values.col_stride, &quantized_};
  }

 private:
  py::array values_, scale_, zero_point_;
  Quantized quantized_{};
};

template <class Call>
auto by_dtype(bool is_float, const Call& call) {
  return is_float ? call(float{}) : call(double{});
}

// Return call(T{}), where T is the type of the values.
template <class Call>
auto by_dtype(const py::array& values, const Call& call) {
  return by_dtype(is_float32(values), call);
}

// Like the above, but T is float for quantised rows.
template <class Call>
auto by_dtype(const Sample& x, const Call& call) {
  return by_dtype(x.is_quantized() || is_float32(x.values()), call);
}

// Like the above, but T is double for quantised rows, which are not exact in float.
template <class Call>
auto by_exact_dtype(const Sample& x, const Call& call) {
  return by_dtype(!x.is_quantized() && is_float32(x.values()), call);
}

// Return the value of a name, or throw the error.
template <class T>
T choose(const std::string& name, std::initializer_list<std::pair<const char*, T>> choices,
         const std::string& error) {
  for (const auto& [known, value] : choices) {
    if (name == known) {
      return value;
    }
  }
  throw std::invalid_argument(error);
}

std::vector<KernelGroup> groups_from(const PyGroups& groups);
Base base_of_metric(const std::string& metric);
Pairs pairs_from(const std::string& word);
std::vector<std::ptrdiff_t> sizes_from(const Sizes& sizes);

// Return the weights, of which there must be one per row.
const double* weights_of(const ContiguousValues& weights, py::ssize_t rows);
// Like the above, but null without weights.
const double* weights_of(const OptionalValues& weights, py::ssize_t rows);

}  // namespace fastdiv::python

template <>
struct pybind11::detail::type_caster<fastdiv::python::Sample> {
  PYBIND11_TYPE_CASTER(fastdiv::python::Sample, const_name("fastdiv._engine.backend.Sample"));
  bool load(handle from, bool) {
    value = fastdiv::python::Sample(from);
    return true;
  }
};
