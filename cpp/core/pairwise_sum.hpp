#pragma once

#include <cstddef>
#include <vector>

namespace fastdiv {

// Sums neighbours, then neighbouring sums and so on, in place. The rounding error grows with the
// logarithm of the number of values.
inline double pairwise_sum(double* values, std::size_t n) {
  if (n == 0) {
    return 0;
  }
  for (; n > 1; n = (n + 1) / 2) {
    for (std::size_t i = 0; i < n / 2; ++i) {
      values[i] = values[2 * i] + values[2 * i + 1];
    }
    if (n % 2 == 1) {
      values[n / 2] = values[n - 1];
    }
  }
  return values[0];
}

inline double pairwise_sum(std::vector<double> values) {
  return pairwise_sum(values.data(), values.size());
}

}  // namespace fastdiv
