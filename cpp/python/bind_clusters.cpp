#include "arguments.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

// Call call(pointer) with codes of int32 or int64.
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

const double* centers_of(const ContiguousValues& centers, std::ptrdiff_t cols) {
  if (centers.ndim() != 2 || centers.shape(1) != cols) {
    throw std::invalid_argument("centers must have the features of x");
  }
  return centers.data();
}

const double* offsets_of(const ContiguousValues& offsets, const ContiguousValues& centers) {
  if (offsets.ndim() != 2 || offsets.shape(0) != centers.shape(0) ||
      offsets.shape(1) != centers.shape(1)) {
    throw std::invalid_argument("offsets must have the shape of centers");
  }
  return offsets.data();
}

Values cluster_sums(const Sample& x, const py::array& codes, const OptionalValues& weights,
                    const ContiguousValues& centers, const OptionalValues& offsets,
                    const std::string& name, int n_threads, const Progress& progress) {
  return by_exact_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto rows = x.view<T>();
    if (codes.ndim() != 1 || codes.shape(0) != rows.rows) {
      throw std::invalid_argument("codes need one number per row");
    }
    const double* center_data = centers_of(centers, rows.cols);
    const double* offset_data = offsets ? offsets_of(*offsets, centers) : nullptr;
    const double* row_weights = weights_of(weights, rows.rows);
    const auto kind = choose<ClusterSum>(name,
                                         {{"squares", ClusterSum::squares},
                                          {"euclidean", ClusterSum::euclidean},
                                          {"l1", ClusterSum::l1},
                                          {"directions", ClusterSum::directions}},
                                         "unknown sum over clusters '" + name + "'");
    const py::ssize_t k = centers.shape(0);
    Values sums({k, cluster_scalars + rows.cols});
    double* out = sums.mutable_data();
    with_codes(codes, [&](const auto* numbers) {
      run(n_threads, progress, count(rows.rows), [&](const Options& options) {
        fastdiv::cluster_sums(rows, numbers, row_weights, center_data, offset_data, k, kind, out,
                              options);
      });
    });
    return sums;
  });
}

Values center_squares(const Sample& x, const ContiguousValues& anchors,
                      const ContiguousValues& offsets, int n_threads, const Progress& progress) {
  return by_exact_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto rows = x.view<T>();
    const double* anchor_data = centers_of(anchors, rows.cols);
    const double* offset_data = offsets_of(offsets, anchors);
    const py::ssize_t k = anchors.shape(0);
    Values squares({k, rows.rows});
    double* out = squares.mutable_data();
    run(n_threads, progress, count(rows.rows), [&](const Options& options) {
      fastdiv::center_squares<T>(rows, anchor_data, offset_data, k, out, options);
    });
    return squares;
  });
}

py::array_t<std::int64_t> first_rows(const py::array& codes, std::int64_t n_clusters) {
  if (codes.ndim() != 1) {
    throw std::invalid_argument("codes need one dimension");
  }
  py::array_t<std::int64_t> rows(n_clusters);
  std::int64_t* out = rows.mutable_data();
  with_codes(codes, [&](const auto* numbers) {
    const py::gil_scoped_release released;
    fastdiv::first_rows(numbers, codes.shape(0), n_clusters, out);
  });
  return rows;
}

}  // namespace

void bind_clusters(py::module_& m) {
  using py::arg;
  m.def("cluster_sums", &cluster_sums, arg("x"), arg("codes"), arg("weights"), arg("centers"),
        arg("offsets"), arg("name"), arg("n_threads"), arg("progress"), py::pos_only());
  m.def("center_squares", &center_squares, arg("x"), arg("anchors"), arg("offsets"),
        arg("n_threads"), arg("progress"), py::pos_only());
  m.def("first_rows", &first_rows, arg("codes"), arg("n_clusters"), py::pos_only());
}

}  // namespace fastdiv::python
