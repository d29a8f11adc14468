#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "fastdiv/threads.hpp"

// Runs the engine on behalf of Python.
namespace fastdiv::python {

namespace py = pybind11;

using Progress = std::optional<py::function>;

// Return options with a hook that takes the GIL, lets Ctrl-C through, and reports how many of
// `total` units of work are done.
Options options_for(int n_threads, const Progress& progress, double total);

// Report the end of the work and, once, the missing threads after a fork.
void finish(const Progress& progress, double total);

// Run call(options) without the GIL. It does `total` units of work, such as pairs of rows.
template <class Call>
void run(int n_threads, const Progress& progress, double total, const Call& call) {
  {
    const py::gil_scoped_release released;
    call(options_for(n_threads, progress, total));
  }
  finish(progress, total);
}

// Like the above, but without a report.
template <class Call>
void run(int n_threads, const Call& call) {
  run(n_threads, std::nullopt, 0, call);
}

inline double count(py::ssize_t n) {
  return static_cast<double>(n);
}

// Return the number of unordered pairs of n rows.
inline double pairs_of(py::ssize_t n) {
  return count(n) * (count(n) - 1) / 2;
}

}  // namespace fastdiv::python
