#include "pairs/rows/origin_terms.hpp"

#include <algorithm>
#include <functional>

#include "core/pairwise_sum.hpp"
#include "isa/tile_ops.hpp"

namespace fastdiv {

using std::ptrdiff_t;

namespace {

using Numbers = std::vector<double>;

// Returns sum_{j != i} w_j for every i. The sum of all less w_i would cancel.
Numbers others(const Numbers& w) {
  Numbers sums(w.size());
  double before = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    sums[i] = before;
    before += w[i];
  }
  double after = 0;
  for (std::size_t i = w.size(); i-- > 0;) {
    sums[i] += after;
    after += w[i];
  }
  return sums;
}

// Returns the sum of w over the rows that each of n rows of the other sample is paired with.
Numbers partners(const Numbers& w, std::size_t n, Pairs pairs) {
  return pairs == Pairs::off_diagonal ? others(w) : Numbers(n, pairwise_sum(w));
}

Numbers product(const Numbers& a, const Numbers& b) {
  Numbers result(a.size());
  std::transform(a.begin(), a.end(), b.begin(), result.begin(), std::multiplies<>());
  return result;
}

// Returns a * b + c.
Numbers combined(const Numbers& a, const Numbers& b, const Numbers& c) {
  Numbers result = product(a, b);
  std::transform(result.begin(), result.end(), c.begin(), result.begin(), std::plus<>());
  return result;
}

double dot(const Numbers& a, const Numbers& b) {
  return pairwise_sum(product(a, b));
}

// Linear kernels of one origin and scale, at both samples.
template <class T>
class OriginTerms {
 public:
  OriginTerms(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* counts,
              const KernelGroup& group, Pairs pairs)
      : samples_{&x, &y}, slope_(group.origin) {
    for (std::size_t k = 0; k < group.scale.size(); ++k) {
      slope_[k] *= group.scale[k] * group.scale[k];
    }
    for (int s = 0; s < 2; ++s) {
      weights_[s] = Numbers(samples_[s]->weights, samples_[s]->weights + rows(s));
    }
    for (int s = 0; s < 2; ++s) {
      const Numbers& w = weights_[s];
      peers_[s] = others(w);
      partners_[s] = partners(weights_[1 - s], w.size(), pairs);
      for (std::size_t i = 0; i < w.size(); ++i) {
        factors_[s].push_back(
            2 * (w[i] * peers_[s][i] / counts[s] - w[i] * partners_[s][i] / counts[2]));
      }
    }
  }

  // Computes h of every row.
  bool run(Workers& workers, const Numbers& origin, Pairs pairs) {
    for (int s = 0; s < 2; ++s) {
      h_[s].resize(weights_[s].size());
      if (!for_each_row(workers, s, [&](ptrdiff_t i) {
            h_[s][static_cast<std::size_t>(i)] = h(samples_[s]->rows, i, origin);
          })) {
        return false;
      }
    }
    for (int s = 0; s < 2; ++s) {
      const Numbers weighted = product(weights_[s], h_[s]);
      within_[s] = combined(h_[s], peers_[s], others(weighted));
      const Numbers other = product(weights_[1 - s], h_[1 - s]);
      between_[s] = combined(h_[s], partners_[s], partners(other, h_[s].size(), pairs));
    }
    return true;
  }

  double value() const { return dot(factors_[0], h_[0]) + dot(factors_[1], h_[1]); }

  double sum_of_block(int block) const {
    return block == 2 ? dot(weights_[0], between_[0]) : dot(weights_[block], within_[block]);
  }

  // Adds the part of an output to row sums and gradients.
  bool add_to_rows(Workers& workers, int output, double weight) const {
    for (int s = 0; s < 2; ++s) {
      const WeightedSample<T>& sample = *samples_[s];
      const auto add = [&](ptrdiff_t i) {
        const auto at = static_cast<std::size_t>(i);
        const ptrdiff_t row = output * rows(s) + i;
        if (sample.within != nullptr) {
          sample.within[row] += weight * within_[s][at];
          sample.between[row] += weight * between_[s][at];
        }
        if (sample.gradient != nullptr) {
          T* to = sample.gradient + row * sample.rows.cols;
          for (std::size_t k = 0; k < slope_.size(); ++k) {
            to[k] += static_cast<T>(weight * (factors_[s][at] * slope_[k]));
          }
        }
      };
      if ((sample.within != nullptr || sample.gradient != nullptr) &&
          !for_each_row(workers, s, add)) {
        return false;
      }
    }
    return true;
  }

 private:
  ptrdiff_t rows(int s) const { return samples_[s]->rows.rows; }

  template <class Visit>
  bool for_each_row(Workers& workers, int s, const Visit& visit) const {
    constexpr ptrdiff_t step = 64;
    return workers.for_each((rows(s) + step - 1) / step, 0,
                            [&](std::int64_t part, int) {
                              const ptrdiff_t end = std::min(rows(s), (part + 1) * step);
                              for (ptrdiff_t i = part * step; i < end; ++i) {
                                visit(i);
                              }
                            },
                            static_cast<double>(rows(s) * samples_[s]->rows.cols));
  }

  double h(const MatrixView<T>& x, ptrdiff_t i, const Numbers& origin) const {
    double total = 0;
    double chain = 0;
    for (ptrdiff_t k = 0; k < x.cols; ++k) {
      const auto at = static_cast<std::size_t>(k);
      chain += (static_cast<double>(x(i, k)) - origin[at]) * slope_[at];
      if ((k + 1) % feature_block == 0) {
        total += chain;
        chain = 0;
      }
    }
    return total + chain;
  }

  const WeightedSample<T>* samples_[2];
  Numbers slope_;  // of h, per feature
  Numbers weights_[2];
  Numbers peers_[2];     // sums of weights of the rows that a row is paired with, in its sample
  Numbers partners_[2];  // and in the other one
  Numbers factors_[2];   // of h in MMD^2
  Numbers h_[2];
  Numbers within_[2];  // what the row sums lack
  Numbers between_[2];
};

}  // namespace

template <class T>
bool add_origin_terms(Workers& workers, const WeightedSample<T>& x, const WeightedSample<T>& y,
                      const double* counts, const std::vector<KernelGroup>& groups, Pairs pairs,
                      double* sums, double* values) {
  for (const KernelGroup& group : groups) {
    if (group.origin.empty()) {
      continue;
    }
    OriginTerms<T> terms(x, y, counts, group, pairs);
    if (!terms.run(workers, group.origin, pairs)) {
      return false;
    }
    for (const Term& term : group.terms) {
      values[term.output] += term.weight * terms.value();
      for (int block = 0; block < 3; ++block) {
        sums[3 * term.output + block] += term.weight * terms.sum_of_block(block);
      }
      if (!terms.add_to_rows(workers, term.output, term.weight)) {
        return false;
      }
    }
  }
  return true;
}

#define FASTDIV_INSTANTIATE(T)                                                                   \
  template bool add_origin_terms(Workers&, const WeightedSample<T>&, const WeightedSample<T>&,   \
                                 const double*, const std::vector<KernelGroup>&, Pairs, double*, \
                                 double*);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
