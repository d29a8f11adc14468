#include "pairs/walk/ready_group.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <stdexcept>

#include "isa/isa.hpp"
#include "pairs/walk/parameter_error.hpp"
#include "pairs/walk/tiles.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class T>
void check(const std::vector<MatrixView<T>>& samples, const std::vector<KernelGroup>& groups,
           int n_outputs) {
  const ptrdiff_t dim = samples[0].cols;
  for (const MatrixView<T>& x : samples) {
    if (x.rows < 1 || x.cols < 1 || x.cols != dim) {
      throw std::invalid_argument("samples need at least one row and the same number of features");
    }
    if ((x.quantized == nullptr) != (samples[0].quantized == nullptr)) {
      throw std::invalid_argument("either all samples are quantised or none is");
    }
  }
  for (const KernelGroup& group : groups) {
    if (!group.scale.empty() && group.scale.size() != static_cast<std::size_t>(dim)) {
      throw std::invalid_argument("a group's scale needs one entry per feature");
    }
    if (!group.origin.empty()) {
      if (group.origin.size() != static_cast<std::size_t>(dim) || group.base != Base::dot) {
        throw std::invalid_argument("a group of dot products has one origin per feature, or none");
      }
      if (samples[0].quantized != nullptr) {
        throw std::invalid_argument("dot products of quantised rows have no origin");
      }
      if (std::any_of(group.terms.begin(), group.terms.end(),
                      [](const Term& term) { return term.kernel != "linear"; })) {
        throw std::invalid_argument("only linear kernels have an origin");
      }
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

void check_matched(ptrdiff_t n, ptrdiff_t m, Pairs pairs) {
  if (pairs == Pairs::off_diagonal && n != m) {
    throw std::invalid_argument("matched samples need the same number of rows");
  }
}

double total_work(const std::vector<KernelGroup>& groups, ptrdiff_t dim, double pairs) {
  double terms = 0;
  for (const KernelGroup& group : groups) {
    terms += static_cast<double>(group.terms.size());
  }
  return pairs * (static_cast<double>(dim) * static_cast<double>(groups.size()) + 10 * terms);
}

KernelGroup only(const KernelGroup& group, const std::vector<int>& outputs) {
  KernelGroup some = group;
  some.terms.clear();
  std::copy_if(group.terms.begin(), group.terms.end(), std::back_inserter(some.terms),
               [&](const Term& term) { return contains(outputs, term.output); });
  return some;
}

template <class T>
const KernelOps<T>& find_kernel(const std::string& name) {
  const TileOps<T>& ops = isa().ops<T>();
  const auto end = ops.kernels + ops.n_kernels;
  const auto kernel =
      std::find_if(ops.kernels, end, [&](const KernelOps<T>& entry) { return name == entry.name; });
  if (kernel == end) {
    throw std::invalid_argument("unknown kernel '" + name + "'");
  }
  return *kernel;
}

template <class T>
ReadyTerm<T> make_ready(const Term& term, double length, double bound) {
  ReadyTerm<T> ready{&find_kernel<T>(term.kernel), {}, 0, term.output};
  const ParameterProblem problem =
      ready.ops->prepare(term.params.data(), length, bound, ready.constants);
  if (problem != ParameterProblem::none) {
    throw std::invalid_argument(parameter_error(problem, sizeof(T) == sizeof(float)));
  }
  ready.weight = term.weight * ready.constants[0];
  return ready;
}

template <class T>
ReadyGroup<T>::ReadyGroup(Workers& workers, const std::vector<MatrixView<T>>& samples,
                          const KernelGroup& group, Formula formula, Purpose purpose)
    : base_(group.base), purpose_(purpose), dim_(samples[0].cols), packed_(samples.size()) {
  const bool plain = formula == Formula::plain;
  if (samples[0].quantized != nullptr) {
    quantized_.emplace(workers, samples, base_, group.scale, plain);
    length_ = 1 / quantized_->scale();
    double bound = 2 * static_cast<double>(dim_);
    if (base_ == Base::dot) {
      bound = plain ? HUGE_VAL : dot_bound(quantized_->max_norm(), quantized_->next_norm(), 1);
    }
    add_terms(group, bound);
    const double error = 2 * quantized_->max_error();
    may_cancel_ = base_ != Base::dot && error > 0 && too_inaccurate(error, 0);
    return;
  }
  Frame frame;
  if (plain) {
    frame.centre = group.origin;
    frame.feature_scale = group.scale;
  } else {
    frame = make_frame(workers, samples, group);
  }
  direct_ = base_ == Base::l1 || purpose == Purpose::distances;
  const double dim = static_cast<double>(dim_);
  double bound = plain ? HUGE_VAL : 2 * dim;  // scaled differences are below 2
  double error = 0;
  if (!direct_) {
    std::vector<double> norms;
    for (std::size_t s = 0; s < samples.size(); ++s) {
      pack_centred(workers, samples[s], frame, packed_[s]);
      norms.push_back(packed_[s].max_norm);
      norms.push_back(packed_[s].next_norm);
      error = std::max(error, packed_[s].max_error);
    }
    std::sort(norms.begin(), norms.end(), std::greater<>());
    if (base_ == Base::sqdist) {
      bound = 4 * norms[0];
    } else if (!plain) {
      bound = dot_bound(norms[0], norms[1], dim);
    }
  }
  length_ = 1 / frame.scale;
  unit_.assign(static_cast<std::size_t>(dim_), frame.scale);
  std::transform(group.scale.begin(), group.scale.end(), unit_.begin(),
                 [&](double scale) { return scale * frame.scale; });
  add_terms(group, bound);
  may_cancel_ = base_ == Base::sqdist && !direct_ && too_inaccurate(2 * error, 0);
  if (may_cancel_ || direct_) {
    for (std::size_t s = 0; s < samples.size(); ++s) {
      pack_raw(workers, samples[s], frame, packed_[s]);
    }
    scale_differences(frame);
  }
}

// Bounds the dot products of different rows by |x.y| <= |x||y|, from the two largest half squared
// norms. `products` is the number of products in each.
template <class T>
double ReadyGroup<T>::dot_bound(double longest, double next, double products) {
  constexpr double tiny = std::numeric_limits<T>::min();
  const double bound = 2 * std::sqrt(longest * std::max(next, std::numeric_limits<double>::min()));
  underflow_error_ =
      tiny + 100 * tiny * products / bound;  // 100: the largest |f'| is degree / bound
  return bound;
}

template <class T>
void ReadyGroup<T>::add_terms(const KernelGroup& group, double bound) {
  bound_ = bound;
  for (const Term& term : group.terms) {
    terms_.push_back(make_ready<T>(term, length_, bound));
    if (underflow_error_ > 0 && !std::isfinite(terms_.back().weight)) {
      underflow_error_ = HUGE_VAL;  // not even the unit of the values is inside the range of double
    }
  }
}

template <class T>
double ReadyGroup<T>::pair_work() const {
  return static_cast<double>(dim_) + 10.0 * (1.0 + static_cast<double>(terms_.size()));
}

template <class T>
std::vector<int> ReadyGroup<T>::deep_outputs(const std::vector<double>& largest_mean) const {
  std::vector<int> outputs;
  for (const ReadyTerm<T>& term : terms_) {
    double mean = 0;  // a lower bound of that of the output
    double unit = 0;
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      if (terms_[t].output == term.output) {
        mean = std::max(mean, std::abs(terms_[t].weight) * largest_mean[t]);
        unit = std::max(unit, std::abs(terms_[t].weight));
      }
    }
    if (unit > 0 && is_deep(term, mean / unit) && !contains(outputs, term.output)) {
      outputs.push_back(term.output);
    }
  }
  return outputs;
}

template <class T>
bool ReadyGroup<T>::fill(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e, T* tile,
                         bool& direct_hint) const {
  if (quantized_) {
    fill_quantized(s, i, t, j, e, tile);
    return false;
  }
  constexpr double margin = 8;  // typical errors by which the smallest value may be off
  const TileOps<T>& ops = isa().ops<T>();
  if (base_ == Base::dot) {
    ops.dot(operands(s, i, t, j, e, false), tile);
    return false;
  }
  if (direct_) {
    (base_ == Base::l1 ? ops.l1 : ops.sqdist_direct)(operands(s, i, t, j, e, true), tile);
    return true;
  }
  const double error = may_cancel_ ? largest_error(s, i, e.rows) + largest_error(t, j, e.cols) : 0;
  const bool risky = may_cancel_ && too_inaccurate(error, 0);
  if (!risky || !direct_hint) {
    ops.sqdist(operands(s, i, t, j, e, false), tile);
    // The smallest value may itself be off by some multiples of the typical error.
    if (!risky ||
        !too_inaccurate(error, static_cast<double>(ops.smallest(tile, e)) - margin * error)) {
      return false;
    }
    direct_hint = true;
  }
  ops.sqdist_direct(operands(s, i, t, j, e, true), tile);
  return true;
}

// Takes values from differences in double precision where they lost too many digits. Each pair
// decides for itself, so that equal pairs have equal values.
template <class T>
void ReadyGroup<T>::fill_quantized(int s, ptrdiff_t i, int t, ptrdiff_t j, Extent e,
                                   T* tile) const {
  quantized_->fill(s, i, t, j, e, tile);
  if (!may_cancel_) {
    return;
  }
  const double* row_error = quantized_->error(s) + i;
  const double* col_error = quantized_->error(t) + j;
  const double largest = *std::max_element(row_error, row_error + e.rows) +
                         *std::max_element(col_error, col_error + e.cols);
  if (!too_inaccurate(largest, static_cast<double>(isa().ops<T>().smallest(tile, e)) - largest)) {
    return;
  }
  alignas(64) T exact[tile_size];
  quantized_->template fill_from_differences<double>(s, i, t, j, e, exact);
  for (int r = 0; r < e.rows; ++r) {
    for (int c = 0; c < e.cols; ++c) {
      const int at = r * tile_cols + c;
      const double error = row_error[r] + col_error[c];
      if (too_inaccurate(error, static_cast<double>(tile[at]) - error)) {
        tile[at] = exact[at];
      }
    }
  }
}

// Tells whether some term's relative error could exceed the tolerance, for tile values t >=
// smallest that are off by `error`. A gradient may be off by ten times the tolerance. The error of
// centred rows stays within that part of |x - y| if eps |x|^2 < (10 tolerance)^2 / eps * t. The
// left side is about `error`. A slope as 1 / sqrt(t) is off by error / (2 t) of itself.
template <class T>
bool ReadyGroup<T>::too_inaccurate(double error, double smallest) const {
  const double least = std::max(smallest, 0.0);
  constexpr double eps = std::numeric_limits<T>::epsilon();
  const double accuracy = quantized_ ? tolerance<float> : tolerance<T>;
  const double sensitivity = purpose_ == Purpose::values      ? 0
                             : purpose_ == Purpose::gradients ? eps / (100 * accuracy) / least
                                                              : 1 / least;
  const double of_slope = purpose_ == Purpose::gradients ? 0.5 / (10 * least) : 0;
  return !(sensitivity * error <= accuracy) ||
         std::any_of(terms_.begin(), terms_.end(), [&](const ReadyTerm<T>& term) {
           const double of_term = term.ops->sensitivity(term.constants, least) +
                                  (term.ops->steep_slope ? of_slope : 0);
           return !(of_term * error <= accuracy);
         });
}

template <class T>
double ReadyGroup<T>::largest_error(int sample, ptrdiff_t first, int rows) const {
  const auto begin =
      packed_[static_cast<std::size_t>(sample)].strip_error.begin() + first / tile_rows;
  return *std::max_element(begin, begin + (rows + tile_rows - 1) / tile_rows);
}

// Brings differences of raw values to the unit of the frame.
template <class T>
void ReadyGroup<T>::scale_differences(const Frame& frame) {
  std::vector<double> ratio(frame.raw_scale.size());
  for (std::size_t k = 0; k < ratio.size(); ++k) {
    const double weight = frame.feature_scale.empty() ? 1 : frame.feature_scale[k];
    // Differences of a constant feature are 0, however large it is.
    ratio[k] = frame.constant[k] ? 0 : weight * frame.scale / frame.raw_scale[k];
  }
  const double largest = *std::max_element(ratio.begin(), ratio.end());
  if (!(largest <= std::numeric_limits<T>::max())) {
    throw std::invalid_argument("the data are too far from 0 for their range");
  }
  difference_unit_.assign(ratio.begin(), ratio.end());
  const bool equal =
      std::all_of(ratio.begin(), ratio.end(), [&](double r) { return r == largest || r == 0; });
  if (!equal) {
    feature_scale_.assign(ratio.begin(), ratio.end());
  }
  const double common = equal ? largest : 1;
  factor_ = static_cast<T>(base_ == Base::l1 ? common : 0.5 * common * common);
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
  o.stride = dim_;
  o.rows = e.rows;
  o.cols = e.cols;
  o.feature_scale = feature_scale_.empty() ? nullptr : feature_scale_.data();
  o.factor = factor_;
  return o;
}

#define FASTDIV_INSTANTIATE(T)                                                                  \
  template void check(const std::vector<MatrixView<T>>&, const std::vector<KernelGroup>&, int); \
  template const KernelOps<T>& find_kernel(const std::string&);                                 \
  template ReadyTerm<T> make_ready(const Term&, double, double);                                \
  template class ReadyGroup<T>;
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
