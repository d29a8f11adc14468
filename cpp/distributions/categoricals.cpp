#include <algorithm>
#include <cmath>

#include "core/workers.hpp"
#include "distributions/batch.hpp"
#include "fastdiv/distributions.hpp"
#include "isa/isa.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

// Categories in a part. Long rows are cut into parts, so that a row does not hold up Ctrl-C and is
// shared among the threads.
constexpr ptrdiff_t part_size = 1 << 17;
// Multiply-adds that the sums cost per category.
constexpr double category_work = 10;

template <class T>
Normaliser normaliser_at(const Categoricals<T>& all, const std::vector<ptrdiff_t>& shape,
                         ptrdiff_t index) {
  return all.normalisers == nullptr ? Normaliser{0, 0}
                                    : all.normalisers[offset(shape, all.normaliser_strides, index)];
}

template <class T>
CategoricalItem<T> item_at(const Categoricals<T>& all, const std::vector<ptrdiff_t>& shape,
                           ptrdiff_t index, ptrdiff_t first) {
  return {all.values + offset(shape, all.strides, index) + first * all.strides.back(),
          all.strides.back(), all.weights, normaliser_at(all, shape, index)};
}

// Computes sum(item, first, n) for categories [first, first + n) of every item. Passes the sums of
// each item, in order, to finish(item, sums, n_sums).
template <class Sum, class Finish>
bool for_each_item(ptrdiff_t items, ptrdiff_t n_categories, const Options& options, const Sum& sum,
                   const Finish& finish) {
  using Part = decltype(sum(0, 0, 0));
  const ptrdiff_t parts = (n_categories + part_size - 1) / part_size;
  const double part_work = category_work * static_cast<double>(std::min(n_categories, part_size));
  const ptrdiff_t step = items_per_unit(part_work);
  const ptrdiff_t n = items * parts;
  // Items of one part are finished at once, so that their sums need not be kept.
  std::vector<Part> sums(static_cast<std::size_t>(parts == 1 ? 0 : n));
  Workers workers(options, part_work * static_cast<double>(n));
  const bool completed = workers.for_each((n + step - 1) / step, 1, [&](std::int64_t unit, int) {
    for (ptrdiff_t i = unit * step; i < std::min(n, (unit + 1) * step); ++i) {
      const ptrdiff_t first = i % parts * part_size;
      const Part part = sum(i / parts, first, std::min(part_size, n_categories - first));
      if (parts == 1) {
        finish(i, &part, ptrdiff_t{1});
      } else {
        sums[static_cast<std::size_t>(i)] = part;
      }
    }
  });
  for (ptrdiff_t i = 0; completed && parts > 1 && i < items; ++i) {
    finish(i, sums.data() + i * parts, parts);
  }
  return completed;
}

// Like the above, but for one batch of distributions, whose sums are sum(item, n).
template <class T, class Part, class Finish>
bool for_each_item(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                   const Categoricals<T>& p, const Options& options,
                   Part (*sum)(const CategoricalItem<T>&, ptrdiff_t), const Finish& finish) {
  return for_each_item(
      count(batch_shape), n_categories, options,
      [&](ptrdiff_t i, ptrdiff_t first, ptrdiff_t n) {
        return sum(item_at(p, batch_shape, i, first), n);
      },
      finish);
}

double total(const double* sums, ptrdiff_t n) {
  double result = 0;
  for (ptrdiff_t i = 0; i < n; ++i) {
    result += sums[i];
  }
  return result;
}

Normaliser merged(const Normaliser& a, const Normaliser& b, Weights weights) {
  if (weights == Weights::probs) {
    return {std::min(a.extreme, b.extreme), a.rest + b.rest};
  }
  const Normaliser& high = a.extreme >= b.extreme ? a : b;
  const Normaliser& low = a.extreme >= b.extreme ? b : a;
  if (low.extreme == -HUGE_VAL) {
    return {high.extreme, high.rest + low.rest};  // 0, or NaN
  }
  return {high.extreme, high.rest + (1 + low.rest) * std::exp(low.extreme - high.extreme)};
}

// Sums the parts of a divergence and corrects the sum for the normalisers. Their rounding errors
// shift all log q - log p by one number near `excess`. That adds `curvature` times half its square
// to the divergence, which matters only for very close distributions.
double divergence(const DivergenceSums* parts, ptrdiff_t n, double curvature) {
  DivergenceSums sums = {0, 0};
  for (ptrdiff_t i = 0; i < n; ++i) {
    sums.divergence += parts[i].divergence;
    sums.excess += parts[i].excess;
  }
  if (std::isnan(sums.divergence)) {
    return HUGE_VAL;  // finite logits whose difference overflows
  }
  constexpr double close = 1e-3;  // divergence below which the correction matters
  const double correction = curvature / 2 * sums.excess * sums.excess;
  return sums.divergence < close ? std::max(sums.divergence - correction, 0.0) : sums.divergence;
}

// Computes one divergence of each item of two batches. Its sums are sum(item of p, item of q, n).
template <class T>
bool divergences(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                 const Categoricals<T>& p, const Categoricals<T>& q,
                 DivergenceSums (*sum)(const CategoricalItem<T>&, const CategoricalItem<T>&,
                                       ptrdiff_t),
                 double curvature, double* out, const Options& options) {
  return for_each_item(
      count(batch_shape), n_categories, options,
      [&](ptrdiff_t i, ptrdiff_t first, ptrdiff_t n) {
        return sum(item_at(p, batch_shape, i, first), item_at(q, batch_shape, i, first), n);
      },
      [&](ptrdiff_t i, const DivergenceSums* parts, ptrdiff_t n) {
        out[i] = divergence(parts, n, curvature);
      });
}

}  // namespace

template <class T>
bool categorical_normalisers(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                             const Categoricals<T>& p, Normaliser* out, const Options& options) {
  return for_each_item(batch_shape, n_categories, p, options, isa().categorical<T>().normaliser,
                       [&](ptrdiff_t i, const Normaliser* parts, ptrdiff_t n) {
                         out[i] = no_categories(p.weights);
                         for (ptrdiff_t k = 0; k < n; ++k) {
                           out[i] = merged(out[i], parts[k], p.weights);
                         }
                       });
}

template <class T>
bool categorical_entropy(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                         const Categoricals<T>& p, double* out, const Options& options) {
  return for_each_item(batch_shape, n_categories, p, options, isa().categorical<T>().entropy,
                       [&](ptrdiff_t i, const double* parts, ptrdiff_t n) {
                         const bool logits = p.weights == Weights::logits;
                         out[i] = total(parts, n) +
                                  (logits ? std::log1p(normaliser_at(p, batch_shape, i).rest) : 0);
                       });
}

template <class T>
bool categorical_kl(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                    const Categoricals<T>& p, const Categoricals<T>& q, double* out,
                    const Options& options) {
  return divergences(batch_shape, n_categories, p, q, isa().categorical<T>().kl, 1, out, options);
}

template <class T>
bool categorical_jensen_shannon(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t n_categories,
                                const Categoricals<T>& p, const Categoricals<T>& q, double* out,
                                const Options& options) {
  return divergences(batch_shape, n_categories, p, q, isa().categorical<T>().jensen_shannon, 0.25,
                     out, options);
}

#define FASTDIV_INSTANTIATE(T)                                                                   \
  template bool categorical_normalisers(const std::vector<ptrdiff_t>&, ptrdiff_t,                \
                                        const Categoricals<T>&, Normaliser*, const Options&);    \
  template bool categorical_entropy(const std::vector<ptrdiff_t>&, ptrdiff_t,                    \
                                    const Categoricals<T>&, double*, const Options&);            \
  template bool categorical_kl(const std::vector<ptrdiff_t>&, ptrdiff_t, const Categoricals<T>&, \
                               const Categoricals<T>&, double*, const Options&);                 \
  template bool categorical_jensen_shannon(const std::vector<ptrdiff_t>&, ptrdiff_t,             \
                                           const Categoricals<T>&, const Categoricals<T>&,       \
                                           double*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
