#include "group.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
void check(const std::vector<MatrixView<T>>& samples, const std::vector<Group>& groups,
           int n_outputs) {
  const ptrdiff_t dim = samples[0].cols;
  for (const MatrixView<T>& x : samples) {
    if (x.rows < 1 || x.cols < 1 || x.cols != dim) {
      throw std::invalid_argument("samples need at least one row and the same number of features");
    }
  }
  for (const Group& group : groups) {
    if (!group.scale.empty() && group.scale.size() != static_cast<std::size_t>(dim)) {
      throw std::invalid_argument("a group's scale needs one entry per feature");
    }
    for (const Term& term : group.terms) {
      const KernelOps<T>& kernel = find_kernel<T>(term.kernel);
      if (kernel.base != group.base) {
        throw std::invalid_argument("kernel '" + term.kernel + "' is in a group of another base");
      }
      if (term.params.size() != static_cast<std::size_t>(kernel.n_params)) {
        throw std::invalid_argument("kernel '" + term.kernel + "' takes " +
                                    std::to_string(kernel.n_params) + " parameters, got " +
                                    std::to_string(term.params.size()));
      }
      if (term.output < 0 || term.output >= n_outputs) {
        throw std::invalid_argument("a term's output is out of range");
      }
    }
  }
}

double total_work(const std::vector<Group>& groups, ptrdiff_t dim, double pairs) {
  double terms = 0;
  for (const Group& group : groups) {
    terms += static_cast<double>(group.terms.size());
  }
  return pairs * (static_cast<double>(dim) * static_cast<double>(groups.size()) + 10 * terms);
}

template <class T>
const KernelOps<T>& find_kernel(const std::string& name) {
  const TileOps<T>& ops = isa().ops<T>();
  const auto end = ops.kernels + ops.n_kernels;
  const auto found = std::find_if(ops.kernels, end,
                                  [&](const KernelOps<T>& kernel) { return name == kernel.name; });
  if (found == end) {
    throw std::invalid_argument("unknown kernel '" + name + "'");
  }
  return *found;
}

template <class T>
ReadyTerm<T> make_ready(const Term& term, double unit, double bound) {
  ReadyTerm<T> ready{&find_kernel<T>(term.kernel), {}, 0, term.output};
  if (!ready.ops->prepare(term.params.data(), unit, bound, ready.constants)) {
    throw std::invalid_argument(
        sizeof(T) == 4 ? "the bandwidth is below 1e-15 of the range of the data (a fill value or "
                         "an outlier?), too little for float32: clean the data or pass float64"
                       : "the bandwidth is below 1e-100 of the range of the data");
  }
  ready.weight = term.weight * ready.constants[0];
  return ready;
}

template <class T>
ReadyGroup<T>::ReadyGroup(Workers& workers, const std::vector<MatrixView<T>>& samples,
                          const Group& group, bool always_direct)
    : base_(group.base), dim_(samples[0].cols), packed_(samples.size()) {
  const Frame frame = make_frame(workers, samples, base_ != Base::dot, group.scale);
  direct_ = base_ == Base::l1 || always_direct;
  if (direct_) {
    bound_ = 2 * static_cast<double>(dim_);  // scaled differences are below 2
  } else {
    double norm = 0;
    for (std::size_t s = 0; s < samples.size(); ++s) {
      pack_centred(workers, samples[s], frame, packed_[s]);
      norm = std::max(norm, packed_[s].max_norm);
    }
    bound_ = 2 * norm * (base_ == Base::sqdist ? 2 : 1);
  }
  unit_ = base_ == Base::l1       ? 1 / frame.scale
          : base_ == Base::sqdist ? 2 / frame.scale / frame.scale
                                  : 1 / frame.scale / frame.scale;
  for (const Term& term : group.terms) {
    terms_.push_back(make_ready<T>(term, unit_, bound_));
  }

  // Rounded inputs and norms, and a random walk of d roundings of partial sums of that size.
  error_per_norm_ =
      std::numeric_limits<T>::epsilon() / 2 * (2 + 0.5 * std::sqrt(static_cast<double>(dim_)));
  may_cancel_ = base_ == Base::sqdist && !direct_ && too_inaccurate(bound_ / 2, 0);
  if (may_cancel_ || direct_) {
    for (std::size_t s = 0; s < samples.size(); ++s) {
      pack_raw(workers, samples[s], frame, packed_[s]);
    }
    scale_differences(frame);
  }
}

template <class T>
double ReadyGroup<T>::pair_work() const {
  return static_cast<double>(dim_) + 10.0 * (1.0 + static_cast<double>(terms_.size()));
}

template <class T>
void ReadyGroup<T>::fill(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e, T* tile,
                         bool& direct_hint) const {
  const TileOps<T>& ops = isa().ops<T>();
  if (base_ == Base::dot) {
    return ops.dot(operands(s, i, t, j, e, false), tile);
  }
  if (direct_) {
    return (base_ == Base::l1 ? ops.l1 : ops.sqdist_direct)(operands(s, i, t, j, e, true), tile);
  }
  const double norms = may_cancel_ ? largest_norm(s, i, e.rows) + largest_norm(t, j, e.cols) : 0;
  const bool risky = may_cancel_ && too_inaccurate(norms, 0);
  if (!risky || !direct_hint) {
    ops.sqdist(operands(s, i, t, j, e, false), tile);
    // The smallest value may itself be off by some multiples of the typical error.
    if (!risky || !too_inaccurate(norms, static_cast<double>(ops.smallest(tile, e)) -
                                             8 * error_per_norm_ * norms)) {
      return;
    }
    direct_hint = true;
  }
  ops.sqdist_direct(operands(s, i, t, j, e, true), tile);
}

// Whether some term's relative error could exceed the tolerance, for tile values >= smallest
// computed from half squared norms that add up to `norms`.
template <class T>
bool ReadyGroup<T>::too_inaccurate(double norms, double smallest) const {
  const double error = error_per_norm_ * norms;
  return std::any_of(terms_.begin(), terms_.end(), [&](const ReadyTerm<T>& term) {
    return !(term.ops->sensitivity(term.constants, std::max(smallest, 0.0)) * error <=
             tolerance<T>);
  });
}

template <class T>
double ReadyGroup<T>::largest_norm(int sample, ptrdiff_t first, int rows) const {
  const auto begin =
      packed_[static_cast<std::size_t>(sample)].strip_norm.begin() + first / tile_rows;
  return *std::max_element(begin, begin + (rows + tile_rows - 1) / tile_rows);
}

template <class T>
void ReadyGroup<T>::scale_differences(const Frame& frame) {
  int exponent = 0;
  if (!frame.feature_scale.empty()) {
    std::frexp(*std::max_element(frame.feature_scale.begin(), frame.feature_scale.end()),
               &exponent);
    for (const double weight : frame.feature_scale) {
      feature_scale_.push_back(static_cast<T>(std::ldexp(weight, -exponent)));
    }
  }
  const double ratio = std::ldexp(frame.scale / frame.raw_scale, exponent);
  factor_ = static_cast<T>(base_ == Base::l1 ? ratio : 0.5 * ratio * ratio);
}

template <class T>
TileOperands<T> ReadyGroup<T>::operands(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e,
                                        bool raw) const {
  const Packed<T>& x = packed_[static_cast<std::size_t>(s)];
  const Packed<T>& y = packed_[static_cast<std::size_t>(t)];
  TileOperands<T> o{};
  o.x = (raw ? x.raw : x.centred).data() + i * dim_;
  o.y = (raw ? y.raw : y.centred).data() + j * dim_;
  if (!raw) {
    o.x_bias = x.half_norm.data() + i;
    o.y_bias = y.half_norm.data() + j;
  }
  o.dim = dim_;
  o.rows = e.rows;
  o.cols = e.cols;
  o.feature_scale = feature_scale_.empty() ? nullptr : feature_scale_.data();
  o.factor = factor_;
  return o;
}

#define FASTDIV_INSTANTIATE(T)                                                            \
  template void check(const std::vector<MatrixView<T>>&, const std::vector<Group>&, int); \
  template const KernelOps<T>& find_kernel(const std::string&);                           \
  template ReadyTerm<T> make_ready(const Term&, double, double);                          \
  template class ReadyGroup<T>;
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
