#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/workers.hpp"
#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/pairs.hpp"
#include "isa/tile_ops.hpp"
#include "pairs/walk/packing.hpp"
#include "pairs/walk/quantized_tiles.hpp"

namespace fastdiv {

// Relative accuracy promised for sums of kernel values.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

// Throws std::invalid_argument for samples or groups that do not fit together.
template <class T>
void check(const std::vector<MatrixView<T>>& samples, const std::vector<KernelGroup>& groups,
           int n_outputs);

// Returns the multiply-adds of a call over `pairs` pairs, counting a kernel value as 10.
double total_work(const std::vector<KernelGroup>& groups, std::ptrdiff_t dim, double pairs);

// Returns the kernel of that name, or throws std::invalid_argument.
template <class T>
const KernelOps<T>& find_kernel(const std::string& name);

// A term whose constants are known.
template <class T>
struct ReadyTerm {
  const KernelOps<T>* ops;
  double constants[max_constants];
  double weight;  // of the mapped values: the term's weight times constants[0]
  int output;
};

// Throws std::invalid_argument if rows cannot be matched because their numbers differ.
void check_matched(std::ptrdiff_t n, std::ptrdiff_t m, Pairs pairs);

// Computes the constants of a term, or throws std::invalid_argument if its parameters are invalid.
template <class T>
ReadyTerm<T> make_ready(const Term& term, double length, double bound);

// Ways to compute base values.
enum class Formula {
  automatic,  // as fast as the accuracy asked for allows
  plain       // from dot products of the data as given. Nothing is taken out of kernel values: they
              // leave the range of T only where they are themselves outside it.
};

// Returns the formula that double precision takes, where sums in T are not accurate.
inline Formula formula_in_double(const KernelGroup& group) {
  return group.base == Base::dot ? Formula::plain : Formula::automatic;
}

// Returns the terms of a group that belong to these outputs.
KernelGroup only(const KernelGroup& group, const std::vector<int>& outputs);

inline bool contains(const std::vector<int>& outputs, int output) {
  return std::find(outputs.begin(), outputs.end(), output) != outputs.end();
}

// Uses of tile values, which decide how exact they and the differences of rows have to be.
enum class Purpose {
  values,      // f(t)
  gradients,   // f'(t) (x - y): see ReadyGroup::too_inaccurate
  log_slopes,  // t f'(t), as exact as t
  distances    // t itself
};

// A kernel group with packed samples. It fills tiles with base values, and chooses for every tile
// the fastest formula that is accurate enough.
template <class T>
class ReadyGroup {
 public:
  ReadyGroup(Workers& workers, const std::vector<MatrixView<T>>& samples, const KernelGroup& group,
             Formula formula = Formula::automatic, Purpose purpose = Purpose::values);

  const std::vector<ReadyTerm<T>>& terms() const { return terms_; }
  Base base() const { return base_; }
  double length() const { return length_; }  // of the tile's unit, see tile_ops.hpp
  // Returns the distance that a tile value stands for.
  double distance(double tile_value) const {
    return length_ * (base_ == Base::l1 ? tile_value : std::sqrt(2 * tile_value));
  }
  // Returns the multiply-adds per pair.
  double pair_work() const;
  // Returns the size of a packed row.
  double row_bytes() const {
    return static_cast<double>(dim_) * (quantized_ ? 1 : static_cast<double>(sizeof(T)));
  }

  // Returns the error of a mapped value that is too small for T. Kernels of dot products take
  // powers in units of a bound, and one far row can make that bound much too large. A sum in which
  // this error matters is computed again by Formula::plain in double precision.
  double underflow_error() const { return underflow_error_; }
  // Tells whether a sum of mapped values over so many pairs is accurate in spite of that error.
  bool is_accurate(double sum, double pairs) const {
    return underflow_error_ == 0 || std::abs(sum) * tolerance<T> >= underflow_error_ * pairs;
  }

  // Tells whether float holds too few digits of base values for kernel values whose largest mean is
  // this small. exp(-t) magnifies the rounding of t by t. The roundings of equal features all go
  // one way, and t is then off by up to 1.1e-6 of itself. Kernel values add their own rounding.
  bool is_deep(const ReadyTerm<T>& term, double largest_mean) const {
    constexpr double most = tolerance<T> / 1.25e-6;
    if (sizeof(T) > sizeof(float) || base_ == Base::dot || -std::log(largest_mean) <= most) {
      return false;
    }
    // Powers of the distance magnify it by little, however small they are.
    for (double t = bound_; t > 0x1p-60 * bound_; t /= 2) {
      if (term.ops->sensitivity(term.constants, t) * t > most) {
        return true;
      }
    }
    return false;
  }
  // Returns the outputs of terms that are deep beside what else they are added to, from the
  // largest mean of each term.
  std::vector<int> deep_outputs(const std::vector<double>& largest_mean) const;
  // Tells whether some kernel value may be too small for float by itself.
  bool may_be_deep() const {
    return std::any_of(terms_.begin(), terms_.end(),
                       [&](const ReadyTerm<T>& term) { return is_deep(term, 0); });
  }

  // Fixes one formula for all tiles from now on, so that equal pairs give equal values. Those of
  // quantised rows do so anyway.
  void fix_formula() { direct_ = direct_ || (may_cancel_ && !quantized_); }

  // Fills the tile of rows [i, i + e.rows) of sample s and [j, j + e.cols) of sample t. Returns
  // whether the values come from differences of raw rows. `direct_hint` carries from tile to tile:
  // once a tile had to be filled again from differences, its neighbours start there.
  bool fill(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile,
            bool& direct_hint) const;

  // Return operands of gradients. `rows` gives the packed rows of sample s from row i on, centred
  // or, with `raw`, as given. `difference_unit` is the unit of raw differences per feature, `unit`
  // that of centred ones.
  const T* rows(int s, std::ptrdiff_t i, bool raw) const {
    const Packed<T>& x = packed_[static_cast<std::size_t>(s)];
    return (raw ? x.raw : x.centred).data() + i * dim_;
  }
  const T* difference_unit() const { return difference_unit_.data(); }
  const std::vector<double>& unit() const { return unit_; }

 private:
  double dot_bound(double longest, double next, double products);
  void add_terms(const KernelGroup& group, double bound);
  void fill_quantized(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile) const;
  bool too_inaccurate(double error, double smallest) const;
  double largest_error(int sample, std::ptrdiff_t first, int rows) const;
  void scale_differences(const Frame& frame);
  TileOperands<T> operands(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e,
                           bool raw) const;

  Base base_;
  Purpose purpose_;
  std::ptrdiff_t dim_;
  std::vector<Packed<T>> packed_;
  std::optional<QuantizedTiles<T>> quantized_;  // in place of packed_
  std::vector<ReadyTerm<T>> terms_;
  double length_ = 1;
  double underflow_error_ = 0;
  double bound_ = 0;  // of tile values
  bool may_cancel_ = false;
  bool direct_ = false;
  std::vector<T> feature_scale_;  // of differences; empty: 1
  std::vector<T> difference_unit_;
  std::vector<double> unit_;
  T factor_ = 1;
};

}  // namespace fastdiv
