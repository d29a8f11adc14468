#include "batches.hpp"
#include "module.hpp"
#include "run.hpp"

namespace fastdiv::python {
namespace {

// Python sees a normaliser as a pair of numbers.
static_assert(sizeof(Normaliser) == 2 * sizeof(double));

// Convert values (*batch, k) of T. The normalisers are still to be computed.
template <class T>
Categoricals<T> categoricals(const py::array& values, const std::string& name) {
  const auto weights =
      choose<Weights>(name, {{"probs", Weights::probs}, {"logits", Weights::logits}},
                      "unknown parametrisation '" + name + "'");
  if (values.ndim() < 1 || last_size(values) < 1) {
    throw std::invalid_argument("there must be at least one category");
  }
  return {static_cast<const T*>(values.data()), strides<T>(values), weights, nullptr, {}};
}

// Like the above, but with normalisers (*batch, 2).
template <class T>
Categoricals<T> categoricals(const py::array& values, const std::string& name,
                             const Values& normalisers) {
  Categoricals<T> result = categoricals<T>(values, name);
  if (normalisers.ndim() != values.ndim() || last_size(normalisers) != 2 ||
      !std::equal(values.shape(), values.shape() + values.ndim() - 1, normalisers.shape())) {
    throw std::invalid_argument("values and normalisers do not fit");
  }
  std::vector<std::ptrdiff_t> in_pairs = strides<double>(normalisers);
  bool are_pairs = in_pairs.back() == 1;
  in_pairs.pop_back();
  for (std::ptrdiff_t& stride : in_pairs) {
    are_pairs = are_pairs && stride % 2 == 0;
    stride /= 2;
  }
  if (!are_pairs && normalisers.size() != 0) {
    throw std::invalid_argument("normalisers must come in pairs");
  }
  result.normalisers = reinterpret_cast<const Normaliser*>(normalisers.data());
  result.normaliser_strides = in_pairs;
  return result;
}

Values categorical_normalisers(const py::array& values, const std::string& name, int n_threads,
                               const Progress& progress) {
  return by_dtype(values, [&](auto zero) {
    using T = decltype(zero);
    const auto p = categoricals<T>(values, name);
    const auto shape = batch_shape(values);
    const std::ptrdiff_t k = last_size(values);
    std::vector<py::ssize_t> pairs_shape(shape);
    pairs_shape.push_back(2);
    Values normalisers(pairs_shape);
    auto* out = reinterpret_cast<Normaliser*>(normalisers.mutable_data());
    run(n_threads, progress, count(values.size()), [&](const Options& options) {
      fastdiv::categorical_normalisers<T>(shape, k, p, out, options);
    });
    return normalisers;
  });
}

Values categorical_entropy(const py::array& values, const std::string& name,
                           const Values& normalisers, int n_threads, const Progress& progress) {
  return by_dtype(values, [&](auto zero) {
    using T = decltype(zero);
    const auto p = categoricals<T>(values, name, normalisers);
    return values_of_items(
        values, count(last_size(values)), n_threads, progress,
        [&](const auto& shape, std::ptrdiff_t k, double* out, const Options& options) {
          fastdiv::categorical_entropy<T>(shape, k, p, out, options);
        });
  });
}

// Add a divergence, a function of the engine as divergence(shape, k, p, q, out, options).
template <class Divergence>
void def_divergence(py::module_& m, const char* function, const Divergence& divergence) {
  using py::arg;
  m.def(
      function,
      [divergence](const py::array& p_values, const std::string& p_name,
                   const Values& p_normalisers, const py::array& q_values,
                   const std::string& q_name, const Values& q_normalisers, int n_threads,
                   const Progress& progress) {
        return by_dtype(p_values, [&](auto zero) {
          using T = decltype(zero);
          const auto p = categoricals<T>(p_values, p_name, p_normalisers);
          const auto q = categoricals<T>(q_values, q_name, q_normalisers);
          return values_of_pairs(
              p_values, q_values, count(last_size(p_values)), n_threads, progress,
              [&](const auto& shape, std::ptrdiff_t k, double* out, const Options& options) {
                divergence(shape, k, p, q, out, options);
              });
        });
      },
      arg("p_values"), arg("p_name"), arg("p_normalisers"), arg("q_values"), arg("q_name"),
      arg("q_normalisers"), arg("n_threads"), arg("progress"), py::pos_only());
}

}  // namespace

void bind_categoricals(py::module_& m) {
  using py::arg;
  m.def("categorical_normalisers", &categorical_normalisers, arg("values"), arg("name"),
        arg("n_threads"), arg("progress"), py::pos_only());
  m.def("categorical_entropy", &categorical_entropy, arg("values"), arg("name"), arg("normalisers"),
        arg("n_threads"), arg("progress"), py::pos_only());
  def_divergence(m, "categorical_kl",
                 [](const auto&... arguments) { return categorical_kl(arguments...); });
  def_divergence(m, "categorical_jensen_shannon",
                 [](const auto&... arguments) { return categorical_jensen_shannon(arguments...); });
}

}  // namespace fastdiv::python
