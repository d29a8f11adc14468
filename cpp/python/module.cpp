// The Python module. Every function converts its arguments, releases the GIL and calls the engine.

#include "module.hpp"

#include "fastdiv/machine.hpp"
#include "fastdiv/threads.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled engine; fastdiv._sums.reference documents each function.";
  fastdiv::isa_name();  // a wrong FASTDIV_ISA is an error here, not in the middle of some call
  fastdiv::watch_forks();
  fastdiv::python::bind_pairs(m);
  fastdiv::python::bind_weighted_sums(m);
  fastdiv::python::bind_labels(m);
  fastdiv::python::bind_distances(m);
  fastdiv::python::bind_clusters(m);
  fastdiv::python::bind_gaussians(m);
  fastdiv::python::bind_categoricals(m);
  fastdiv::python::bind_samples(m);
  fastdiv::python::bind_machine(m);
}
