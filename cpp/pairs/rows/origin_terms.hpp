#pragma once

#include <vector>

#include "core/workers.hpp"
#include "fastdiv/pairs.hpp"
#include "fastdiv/weighted_sums.hpp"

// Tiles see a linear kernel from an origin o. They lack the part of x.y that depends on single
// rows:
//   x.y - |o|^2 = (x - o).(y - o) + h(x) + h(y), h(x) = o.(x - o).
// In an MMD^2 the part cancels if all pairs count, or all weights are equal. Otherwise row i of x
// has the factor 2 u_i (sum_j u_j / XX - sum_j v_j / XY) there, with sums over the rows that it is
// paired with, and counts XX and XY. The difference is taken before h comes in, which may be large.

namespace fastdiv {

// Adds the part to sums, values, row sums and gradients of weighted_sums. Returns false when the
// hook stopped it.
template <class T>
bool add_origin_terms(Workers& workers, const WeightedSample<T>& x, const WeightedSample<T>& y,
                      const double* counts, const std::vector<KernelGroup>& groups, Pairs pairs,
                      double* sums, double* values);

}  // namespace fastdiv
