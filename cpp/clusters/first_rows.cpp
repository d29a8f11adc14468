#include <algorithm>
#include <stdexcept>

#include "fastdiv/clusters.hpp"

namespace fastdiv {

using std::ptrdiff_t;

template <class Code>
void first_rows(const Code* codes, ptrdiff_t n, std::int64_t n_clusters, std::int64_t* out) {
  std::fill(out, out + n_clusters, -1);
  std::int64_t missing = n_clusters;
  const auto note_row = [&](ptrdiff_t row) {
    const Code code = codes[row];
    if (code >= n_clusters) {
      throw std::invalid_argument("codes must be below the number of clusters");
    }
    if (code >= 0 && out[code] < 0) {
      out[code] = row;
      --missing;
    }
  };
  // Rows compared at once. Codes are mostly equal within them if labels are sorted.
  constexpr ptrdiff_t block_rows = 32;
  for (ptrdiff_t begin = 0; begin < n && missing > 0; begin += block_rows) {
    const ptrdiff_t end = std::min(n, begin + block_rows);
    Code differences = 0;
    for (ptrdiff_t row = begin; row < end; ++row) {
      differences |= codes[row] ^ codes[begin];
    }
    const ptrdiff_t last = differences == 0 ? begin + 1 : end;
    for (ptrdiff_t row = begin; row < last; ++row) {
      note_row(row);
    }
  }
}

template void first_rows(const std::int32_t*, ptrdiff_t, std::int64_t, std::int64_t*);
template void first_rows(const std::int64_t*, ptrdiff_t, std::int64_t, std::int64_t*);

}  // namespace fastdiv
