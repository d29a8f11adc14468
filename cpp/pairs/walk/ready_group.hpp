#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/workers.hpp"
#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/matrix_view.hpp"
#include "isa/tile_ops.hpp"
#include "pairs/walk/packing.hpp"
#include "pairs/walk/quantized_tiles.hpp"

namespace fastdiv {

// The accuracy contract for sums of kernel values, relative.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

// Throws std::invalid_argument for samples or groups that do not fit together.
template <class T>
void check(const std::vector<MatrixView<T>>& samples, const std::vector<KernelGroup>& groups,
           int n_outputs);

// Multiply-adds to a call over `pairs` pairs, counting a kernel value as 10.
double total_work(const std::vector<KernelGroup>& groups, std::ptrdiff_t dim, double pairs);

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

template <class T>
ReadyTerm<T> make_ready(const Term& term, double length, double bound);

// How base values are computed.
enum class Formula {
  automatic,  // as fast as the accuracy asked for allows
  direct,     // by exact differences for every tile, whatever the terms could bear
  plain       // dot products of the data as given, nothing taken out of the kernel values: these
              // overflow and underflow in T where they themselves leave its range, and only there
};

// What tile values are for, and so how exact they and the differences of rows have to be.
enum class Purpose {
  values,     // f(t)
  gradients,  // f'(t) (x - y): see ReadyGroup::too_inaccurate
  log_slopes  // t f'(t), as exact as t
};

// A group whose samples are packed: fills tiles of base values for its terms to map, and decides
// tile by tile which formula is accurate enough.
template <class T>
class ReadyGroup {
 public:
  ReadyGroup(Workers& workers, const std::vector<MatrixView<T>>& samples, const KernelGroup& group,
             Formula formula = Formula::automatic, Purpose purpose = Purpose::values);

  const std::vector<ReadyTerm<T>>& terms() const { return terms_; }
  double length() const { return length_; }  // of the tile's unit, see tile_ops.hpp
  // The distance that a tile value stands for.
  double distance(double tile_value) const {
    return length_ * (base_ == Base::l1 ? tile_value : std::sqrt(2 * tile_value));
  }
  double pair_work() const;

  // By how much a mapped value may be off because T cannot hold numbers that small: kernels of dot
  // products raise them to a power, in units of a bound that one far row may have made much too
  // large. Sums beside which this counts are taken again by Formula::plain in double precision.
  double underflow_error() const { return underflow_error_; }
  // Whether a sum of mapped values over so many pairs is accurate in spite of it.
  bool is_accurate(double sum, double pairs) const {
    return underflow_error_ == 0 || std::abs(sum) * tolerance<T> >= underflow_error_ * pairs;
  }

  // From here on all tiles come from one formula, so that equal pairs give equal values.
  void fix_formula() { direct_ = direct_ || may_cancel_; }

  // Fills the tile of rows [i, i + e.rows) of sample s and [j, j + e.cols) of sample t.
  // `direct_hint` carries from tile to tile: after one tile had to be done again by differences,
  // its neighbours start there. Returns whether the values come from differences.
  bool fill(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e, T* tile,
            bool& direct_hint) const;

  // What a gradient needs besides: the packed rows from row i of sample s on, centred or as given;
  // the unit of differences of the latter, per feature; and that of the former.
  const T* rows(int s, std::ptrdiff_t i, bool raw) const {
    const Packed<T>& x = packed_[static_cast<std::size_t>(s)];
    return (raw ? x.raw : x.centred).data() + i * dim_;
  }
  const T* difference_unit() const { return difference_unit_.data(); }
  const std::vector<double>& unit() const { return unit_; }

 private:
  double dot_bound(double longest, double next, double products);
  void add_terms(const KernelGroup& group, double bound);
  bool too_inaccurate(double error, double smallest) const;
  double largest_error(int sample, std::ptrdiff_t first, int rows) const;
  void scale_differences(const Frame& frame);
  TileOperands<T> operands(int s, std::ptrdiff_t i, int t, std::ptrdiff_t j, Extent e,
                           bool raw) const;

  Base base_;
  Purpose purpose_;
  std::ptrdiff_t dim_;
  std::vector<Packed<T>> packed_;
  std::optional<QuantizedTiles<T>> quantized_;  // instead, and without need of a formula
  std::vector<ReadyTerm<T>> terms_;
  double length_ = 1;
  double underflow_error_ = 0;
  bool may_cancel_ = false;
  bool direct_ = false;
  std::vector<T> feature_scale_;  // of differences; empty: 1
  std::vector<T> difference_unit_;
  std::vector<double> unit_;
  T factor_ = 1;
};

}  // namespace fastdiv
