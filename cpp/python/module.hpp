#pragma once

#include <pybind11/pybind11.h>

// Add the functions of one subject to the module. Each stands in the file of its name.
namespace fastdiv::python {

void bind_categoricals(pybind11::module_& m);
void bind_clusters(pybind11::module_& m);
void bind_distances(pybind11::module_& m);
void bind_gaussians(pybind11::module_& m);
void bind_labels(pybind11::module_& m);
void bind_machine(pybind11::module_& m);
void bind_pairs(pybind11::module_& m);
void bind_samples(pybind11::module_& m);
void bind_weighted_sums(pybind11::module_& m);

}  // namespace fastdiv::python
