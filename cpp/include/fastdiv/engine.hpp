#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isa.hpp"
#include "matrix_view.hpp"
#include "parallel.hpp"

// Kernel sums over all pairs of rows, in O(n) memory. T is float or double; inputs must be finite.
// The samples of a call may be quantised, all of them: see matrix_view.hpp.
// Every function throws std::invalid_argument on an unknown kernel, wrong parameters or shapes, and
// returns false when the hook stopped it (its output is then undefined). Results are bit-identical
// for any number of threads.

namespace fastdiv {

// weight * kernel, added to row `output` of the result.
struct Term {
  std::string kernel;          // a name from kernels.hpp
  std::vector<double> params;  // its parameters, in the order of its formula there
  double weight = 1;
  int output = 0;
};

// Terms that share one pass over the base values.
struct Group {
  Base base = Base::sqdist;
  std::vector<double> scale;  // every feature is multiplied by it first; empty: 1
  std::vector<Term> terms;
};

// out[3*o + 0, 1, 2] = sum_{i != j} k_o(x_i, x_j), the same for y, sum_{i, j} k_o(x_i, y_j).
template <class T>
bool pair_sums(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups, int n_outputs,
               double* out, const Options& options = {});

// The same triple for each 0/1 labelling of the rows of z (labels: n_labellings x z.rows, 1 = x
// group): out[3*(o*n_labellings + b) + 0, 1, 2]. Kernel values are rounded to one quantum,
// harmless beside their sum, and summed exactly, so labellings that pick equal entries give equal
// bits.
template <class T>
bool quad_forms(MatrixView<T> z, const std::uint8_t* labels, std::int64_t n_labellings,
                const std::vector<Group>& groups, int n_outputs, double* out,
                const Options& options = {});

// out[o*at.rows + i] = sum_j w_j k_o(at_i, x_j); without weights, w_j = 1.
template <class T>
bool row_sums(MatrixView<T> at, MatrixView<T> x, const double* weights,
              const std::vector<Group>& groups, int n_outputs, double* out,
              const Options& options = {});

// A sample whose rows have weights, of order 1 at most, and what is wanted for them.
template <class T>
struct WeightedSample {
  MatrixView<T> rows;
  const double* weights;
  // [o*n + i] = sum over j != i of w_j k_o(x_i, x_j), or over the other sample; both or neither
  double* within = nullptr;
  double* between = nullptr;
  // [(o*n + i)*d + k] = derivative by x_ik of factors[0] * xx + factors[1] * yy + factors[2] * xy,
  // the three sums of output o; or null
  T* gradient = nullptr;
};

// out[3*o + 0, 1, 2] = the sums of pair_sums, each pair times the weights of its rows, and what the
// samples ask for besides. log_slopes, unless null: the same sums of t f'(t) in place of k = f(t),
// with t the base value.
template <class T>
bool weighted_sums(const WeightedSample<T>& x, const WeightedSample<T>& y, const double* factors,
                   const std::vector<Group>& groups, int n_outputs, double* out, double* log_slopes,
                   const Options& options = {});

// The same for a stack of `items` pairs of samples: x and y hold those of the first pair, those of
// the second, ..., equally many rows each, and all results have one more dimension in front;
// factors: items x 3. scales, unless null: for every item a number that its rows are multiplied by
// in the kernels. Rows that are not quantised.
template <class T>
bool weighted_sums(std::int64_t items, const WeightedSample<T>& x, const WeightedSample<T>& y,
                   const double* factors, const double* scales, const std::vector<Group>& groups,
                   int n_outputs, double* out, const Options& options = {});

// out[(o*n_labels + l)*x.rows + i] = the sum over the rows j != i with label l of w_j k_o(x_i,
// x_j), for kernels of a distance. The first sizes[0] rows of x have label 0, the next sizes[1]
// label 1 and so on; weights of order 1 at most, or null for w_j = 1.
template <class T>
bool label_sums(MatrixView<T> x, const double* weights, const std::vector<std::ptrdiff_t>& sizes,
                const std::vector<Group>& groups, int n_outputs, double* out,
                const Options& options = {});

// The largest distance between rows of one label, 0 if there is no pair, and the smallest between
// rows of different labels, infinite if there is no pair. metric: sqdist (Euclidean) or l1; labels
// as in label_sums.
struct LabelExtremes {
  double within;
  double between;
};
template <class T>
bool label_extremes(MatrixView<T> x, Base metric, const std::vector<std::ptrdiff_t>& sizes,
                    LabelExtremes* out, const Options& options = {});

// out[o*x.rows + i] = k_o(x_i, y_i), evaluated in double precision.
template <class T>
bool paired_values(MatrixView<T> x, MatrixView<T> y, const std::vector<Group>& groups,
                   int n_outputs, double* out, const Options& options = {});

// The distance of rank 0, 1, ... in ascending order among those between rows i < j of x, or between
// the rows of x and of y. metric: sqdist (Euclidean) or l1.
template <class T>
bool ranked_distance(MatrixView<T> x, const MatrixView<T>* y, Base metric, std::uint64_t rank,
                     double* out, const Options& options = {});

// The same for a stack, as in weighted_sums. out: items
template <class T>
bool ranked_distances(std::int64_t items, MatrixView<T> x, const MatrixView<T>* y, Base metric,
                      std::uint64_t rank, double* out, const Options& options = {});

// The median of the distances between rows i < j; the mean of the middle two for an even number of
// pairs. metric as above.
template <class T>
bool median_distance(MatrixView<T> x, Base metric, double* out, const Options& options = {});

// The same for each item of a stack: the first sizes[0] rows of x, the next sizes[1], ...
template <class T>
bool median_distances(MatrixView<T> x, const std::vector<std::ptrdiff_t>& sizes, Base metric,
                      double* out, const Options& options = {});

// out[i]: the Euclidean distance from row i of `at` to the k-th nearest row of x, 1 <= k <=
// max_neighbours. exclude_self: `at` is x, and row i is no neighbour of itself.
constexpr int max_neighbours = 64;
template <class T>
bool kth_distances(MatrixView<T> at, MatrixView<T> x, int k, bool exclude_self, double* out,
                   const Options& options = {});

// out[i*w.rows + j] = x_i . w_j of quantised rows: the exact product rounded to double and float.
bool quantized_products(MatrixView<double> x, MatrixView<double> w, float* out,
                        const Options& options = {});

// The row-major index of the first NaN or infinity, or -1.
template <class T>
std::int64_t first_nonfinite(MatrixView<T> x);

// Peak rates of this machine at the level in use, for rooflines and run-time estimates.
struct Peaks {
  double flops;  // multiply-adds from registers, 2 flops each, per second
  double maps;   // RBF values mapped in place in the cache, per second
};
template <class T>
Peaks measure_peaks(int n_threads, double seconds);

}  // namespace fastdiv
