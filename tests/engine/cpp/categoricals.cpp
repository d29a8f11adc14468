// Tests functions of categorical distributions, at sizes around every edge, against loops.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fastdiv/distributions.hpp>

#include "draws.hpp"
#include "harness.hpp"
#include "threads.hpp"

namespace {

using fastdiv::Weights;
using std::ptrdiff_t;

// Compares all functions. Every third row of p has some impossible categories, and q has more of
// them there, for infinite divergences.
template <class T>
void categoricals(int n, int k, Weights weights_p, Weights weights_q) {
  struct Side {
    std::vector<T> values;
    std::vector<double> probs;  // normalised
    std::vector<fastdiv::Normaliser> normalisers;
    fastdiv::Categoricals<T> view;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const auto side = [&](Weights weights, bool q) {
    Side s;
    for (int item = 0; item < n; ++item) {
      std::vector<double> mass;
      double sum = 0;
      for (int i = 0; i < k; ++i) {
        const bool impossible = (item % 3 == 2 || (q && item % 3 == 1)) && i % 2 == 1;
        mass.push_back(impossible ? 0 : std::exp(static_cast<double>(static_cast<T>(normal()))));
        sum += mass.back();
      }
      for (const double m : mass) {
        const bool logits = weights == Weights::logits;
        s.values.push_back(static_cast<T>(logits ? (m > 0 ? std::log(m) : -infinity) : m / sum));
        s.probs.push_back(m / sum);
      }
    }
    s.normalisers.resize(static_cast<std::size_t>(n));
    s.view = {s.values.data(), {k, 1}, weights, nullptr, {}};
    check(fastdiv::categorical_normalisers<T>({n}, k, s.view, s.normalisers.data()),
          "normalisers finish");
    return s;
  };
  Side p = side(weights_p, false), q = side(weights_q, true);
  for (Side* side : {&p, &q}) {
    side->view.values = side->values.data();
    side->view.normalisers = side->normalisers.data();
    side->view.normaliser_strides = {1};
  }
  const auto size = static_cast<std::size_t>(n);
  const auto entropies = with_threads(size, [&](const fastdiv::Options& options, double* out) {
    return fastdiv::categorical_entropy<T>({n}, k, p.view, out, options);
  });
  const auto divergences = with_threads(size, [&](const fastdiv::Options& options, double* out) {
    return fastdiv::categorical_kl<T>({n}, k, p.view, q.view, out, options);
  });
  const auto shannon = with_threads(size, [&](const fastdiv::Options& options, double* out) {
    return fastdiv::categorical_jensen_shannon<T>({n}, k, p.view, q.view, out, options);
  });
  const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-10;  // also covers the rounded parameters
  for (int item = 0; item < n; ++item) {
    double entropy = 0, kl = 0, js = 0;
    for (int i = 0; i < k; ++i) {
      const auto at = static_cast<std::size_t>(item) * static_cast<std::size_t>(k) +
                      static_cast<std::size_t>(i);
      const double a = p.probs[at], b = q.probs[at];
      const auto term = [](double x, double y) { return x > 0 ? x * std::log(x / y) : 0; };
      entropy -= term(a, 1);
      kl += a > 0 && b == 0 ? infinity : term(a, b);
      js += (term(a, (a + b) / 2) + term(b, (a + b) / 2)) / 2;
    }
    const auto at = static_cast<std::size_t>(item);
    const auto close = [&](double value, double expected) {
      return value == expected || std::abs(value - expected) <= tolerance * (1 + expected);
    };
    check(close(entropies[at], entropy), "entropy of an item");
    check(close(divergences[at], kl), "categorical kl of a pair");
    check(close(shannon[at], js), "jensen_shannon of a pair");
  }
}

template <class T>
void everything() {
  for (const int k : {1, 2, 3, 8, 17, 100, 513}) {
    for (const auto p : {Weights::probs, Weights::logits}) {
      for (const auto q : {Weights::probs, Weights::logits}) {
        categoricals<T>(7, k, p, q);
      }
    }
  }
  if (few_sizes) {
    return;
  }
  // Tests rows of more than one part.
  categoricals<T>(2, 140000, Weights::probs, Weights::logits);
  categoricals<T>(2, 140000, Weights::logits, Weights::probs);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] { for_each_dtype([](auto zero) { everything<decltype(zero)>(); }); });
}
