#pragma once

#include <algorithm>

#include "arguments.hpp"
#include "run.hpp"

// Converts batches of distributions, whose parameters have shape (*batch, ...).
namespace fastdiv::python {

// Return the strides of an array of T in elements.
template <class T>
std::vector<std::ptrdiff_t> strides(const py::array& a) {
  if (!py::isinstance<py::array_t<T>>(a)) {
    throw py::type_error("parameters must be of one dtype");
  }
  constexpr auto size = static_cast<py::ssize_t>(sizeof(T));
  std::vector<std::ptrdiff_t> in_elements;
  in_elements.reserve(static_cast<std::size_t>(a.ndim()));
  for (py::ssize_t axis = 0; axis < a.ndim(); ++axis) {
    if (a.strides(axis) % size != 0) {
      throw std::invalid_argument("strides must be multiples of the item size");
    }
    in_elements.push_back(a.strides(axis) / size);
  }
  return in_elements;
}

// Return the shape but for the last axis.
inline std::vector<std::ptrdiff_t> batch_shape(const py::array& a) {
  return {a.shape(), a.shape() + a.ndim() - 1};
}

inline std::ptrdiff_t last_size(const py::array& a) {
  return a.shape(a.ndim() - 1);
}

inline void require_one_shape(const py::array& p, const py::array& q) {
  if (p.ndim() != q.ndim() || !std::equal(p.shape(), p.shape() + p.ndim(), q.shape())) {
    throw std::invalid_argument("p and q must have one shape");
  }
}

// Return one value per item of arrays (*batch, size), by compute(batch shape, size, out, options).
// An item is `item_work` units of work.
template <class Compute>
Values values_of_items(const py::array& batch, double item_work, int n_threads,
                       const Progress& progress, const Compute& compute) {
  const auto shape = batch_shape(batch);
  const std::ptrdiff_t size = last_size(batch);
  Values values(shape);
  double* out = values.mutable_data();
  run(n_threads, progress, item_work * count(values.size()),
      [&](const Options& options) { compute(shape, size, out, options); });
  return values;
}

// Like the above, but for the pairs of items of two arrays, which must have one shape.
template <class Compute>
Values values_of_pairs(const py::array& p, const py::array& q, double item_work, int n_threads,
                       const Progress& progress, const Compute& compute) {
  require_one_shape(p, q);
  return values_of_items(p, item_work, n_threads, progress, compute);
}

}  // namespace fastdiv::python
