#include "run.hpp"

#include <cstdint>

namespace fastdiv::python {

Options options_for(int n_threads, const Progress& progress, double total) {
  Options options;
  options.n_threads = n_threads;
  options.hook = [&progress, total](double done) {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) {
      throw py::error_already_set();
    }
    if (progress) {
      (*progress)(static_cast<std::int64_t>(done * total), static_cast<std::int64_t>(total));
    }
    return true;
  };
  return options;
}

namespace {

void warn(const char* message) {
  if (PyErr_WarnEx(PyExc_RuntimeWarning, message, 1) != 0) {
    throw py::error_already_set();
  }
}

}  // namespace

void finish(const Progress& progress, double total) {
  if (progress) {
    (*progress)(static_cast<std::int64_t>(total), static_cast<std::int64_t>(total));
  }
  if (take_fork_warning()) {
    warn(
        "fastdiv: this process was forked, and OpenMP threads do not survive a fork: computing on "
        "one thread");
  }
  if (take_team_warning()) {
    warn(
        "fastdiv: the system could not start as many threads as asked for: computing on fewer; "
        "lower n_threads, or raise the limit of memory or of processes");
  }
}

}  // namespace fastdiv::python
