#include "arguments.hpp"
#include "module.hpp"

namespace fastdiv::python {
namespace {

py::tuple measure_peaks(const std::string& dtype, int n_threads, double seconds) {
  const bool is_float = choose<bool>(dtype, {{"float32", true}, {"float64", false}},
                                     "dtype must be 'float32' or 'float64'");
  const Peaks peaks = by_dtype(is_float, [&](auto zero) {
    const py::gil_scoped_release released;
    return fastdiv::measure_peaks<decltype(zero)>(n_threads, seconds);
  });
  return py::make_tuple(peaks.flops, peaks.maps);
}

py::dict config() {
  py::dict info;
  info["version"] = FASTDIV_VERSION;
  info["isa"] = isa_name();
  info["isa_available"] = available_isas();
  info["n_threads"] = get_num_threads();
  info["openmp"] = openmp_runtime();
  info["compiler"] = FASTDIV_COMPILER;
  return info;
}

}  // namespace

void bind_machine(py::module_& m) {
  using py::arg;
  m.def("set_num_threads", &set_num_threads, arg("n"), py::pos_only());
  m.def("get_num_threads", &get_num_threads);
  m.def("measure_peaks", &measure_peaks, arg("dtype"), arg("n_threads"), arg("seconds"),
        py::pos_only());
  m.def("config", &config);
}

}  // namespace fastdiv::python
