#include "pairs/walk/packing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "isa/isa.hpp"

namespace fastdiv {
namespace {

// Least and largest value of a feature, and the sum of its values.
struct Range {
  double least = HUGE_VAL;
  double most = -HUGE_VAL;
  double sum = 0;
};

// Returns the mean, rounded to an eighth of the range. A centre this close serves as well as the
// exact mean. As a short binary number it leaves data on a grid (integers, categories, money) on a
// grid, whose distances are then exact.
double rounded_mean(const Range& r, double n) {
  const double range = r.most - r.least;
  if (!(range > 0) || !std::isfinite(range)) {
    return r.least / 2 + r.most / 2;
  }
  int exponent;
  std::frexp(range, &exponent);
  const double step = std::ldexp(1.0, exponent - 4);
  const double centre = std::nearbyint(r.sum / n / step) * step;
  return std::isfinite(centre) ? centre : 0;
}

// Returns the multiply-adds that take as long as a pass over a sample, which is 0.8 ns per value.
// Below 62 500 values it is not worth a parallel region.
template <class T>
double cost(const MatrixView<T>& x) {
  return 24.0 * static_cast<double>(x.rows) * static_cast<double>(x.cols);
}

// Features in a unit of work. A unit of a million features would outlast the stop hook's patience.
constexpr std::ptrdiff_t feature_step = 4096;

std::ptrdiff_t feature_steps(std::ptrdiff_t dim) {
  return (dim + feature_step - 1) / feature_step;
}

// Measures the ranges of `n` features from k on over rows [begin, end), of values x(i, k). A
// feature alone waits for its sum from row to row.
template <int n, class Value>
void measure_features(const Value& x, std::ptrdiff_t begin, std::ptrdiff_t end, std::ptrdiff_t k,
                      Range* ranges) {
  Range r[n];
  std::copy(ranges + k, ranges + k + n, r);
  for (std::ptrdiff_t i = begin; i < end; ++i) {
    for (int j = 0; j < n; ++j) {
      const double value = static_cast<double>(x(i, k + j));
      r[j].least = std::min(r[j].least, value);
      r[j].most = std::max(r[j].most, value);
      r[j].sum += value;
    }
  }
  std::copy(r, r + n, ranges + k);
}

// Measures the ranges of features [first, last) over rows [begin, end), of values x(i, k).
template <class Value>
void measure(const Value& x, std::ptrdiff_t begin, std::ptrdiff_t end, std::ptrdiff_t first,
             std::ptrdiff_t last, Range* ranges) {
  constexpr int together = 4;
  for (std::ptrdiff_t strip = begin; strip < end; strip += tile_rows) {
    const std::ptrdiff_t stop = std::min(end, strip + tile_rows);
    std::ptrdiff_t k = first;
    for (; k + together <= last; k += together) {
      measure_features<together>(x, strip, stop, k, ranges);
    }
    for (; k < last; ++k) {
      measure_features<1>(x, strip, stop, k, ranges);
    }
  }
}

// Stores one feature of the rows of a strip, value(r) of row r, in the panels of the strip, which
// lie panel * dim apart, and 0 for the rows that it lacks.
template <class T, class Value>
void store_column(const Value& value, int rows, int panel, std::ptrdiff_t dim, T* out) {
  for (int first = 0; first < tile_rows; first += panel, out += panel * dim) {
    const int end = std::clamp(rows - first, 0, panel);
    for (int r = 0; r < end; ++r) {
      out[r] = value(first + r);
    }
    std::fill(out + end, out + panel, T{0});
  }
}

// Returns the rounding error of a half squared distance, relative to the half norm of either row.
// It counts rounded inputs and norms, and a random walk of as many roundings of partial sums of
// that size as a chain of the tile has.
template <class T>
double typical_error(std::ptrdiff_t dim) {
  const auto chain = static_cast<double>(std::min(dim, chain_features<T>));
  return std::numeric_limits<T>::epsilon() / 2 * (2 + 0.5 * std::sqrt(chain));
}

// Returns the largest half squared distance of a row of the strip to itself, from norms and
// products in chains as in a tile. It should be 0. Rows of repeating values have roundings that all
// go one way, and show here how large the error is.
template <class T>
double error_with_itself(const T* strip, const T* half_norm, int rows, int panel,
                         std::ptrdiff_t dim) {
  constexpr int together = rows_together<T>;
  double largest = 0;
  for (int first = 0; first < rows; first += together) {
    const T* column = strip + first / panel * panel * dim + first % panel;
    double remaining[together];
    for (int r = 0; r < together; ++r) {
      remaining[r] = 2 * static_cast<double>(half_norm[first + r]);
    }
    for (std::ptrdiff_t k = 0; k < dim; k += block_features(dim)) {
      // A short chain begins with the norms. Others are added to them, here without rounding.
      const bool is_short = dim <= short_chain<T>;
      T chain[together];
      std::transform(remaining, remaining + together, chain,
                     [&](double value) { return is_short ? static_cast<T>(value) : T{0}; });
      T total[together] = {};
      const std::ptrdiff_t end = std::min(dim, k + block_features(dim));
      for (std::ptrdiff_t i = k; i < end; ++i, column += panel) {
        for (int r = 0; r < together; ++r) {
          chain[r] -= column[r] * column[r];
        }
        if ((i - k) % chain_features<T> == chain_features<T> - 1 || i == end - 1) {
          for (int r = 0; r < together; ++r) {
            total[r] += chain[r];
            chain[r] = 0;
          }
        }
      }
      for (int r = 0; r < together; ++r) {
        const double sum = static_cast<double>(total[r]);
        remaining[r] = is_short ? sum : remaining[r] + sum;
      }
    }
    for (int r = 0; r < together; ++r) {
      largest = std::max(largest, std::abs(remaining[r]));
    }
  }
  return largest;
}

}  // namespace

double scale_for(double largest) {
  if (largest == 0) {
    return 1;
  }
  int exponent;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0, std::clamp(-exponent, -1000, 1000));
}

template <class T>
Frame make_frame(Workers& workers, const std::vector<MatrixView<T>>& samples,
                 const KernelGroup& group) {
  const bool centred = group.base != Base::dot;
  const std::ptrdiff_t dim = samples[0].cols;
  std::vector<Range> total(static_cast<std::size_t>(dim));
  double n = 0;
  for (const MatrixView<T>& x : samples) {
    // A fixed number of parts is merged in order, which gives equal sums for any number of threads.
    const std::ptrdiff_t most_parts = std::clamp<std::ptrdiff_t>(1000000 / dim, 1, 64);
    const std::ptrdiff_t strips = (x.rows + tile_rows - 1) / tile_rows;
    const std::ptrdiff_t parts = std::min(strips, most_parts);
    const std::ptrdiff_t part_rows = (strips + parts - 1) / parts * tile_rows;
    std::vector<Range> ranges(static_cast<std::size_t>(parts * dim));
    const std::ptrdiff_t steps = feature_steps(dim);
    const auto measure_part = [&](std::int64_t unit, int) {
      const std::ptrdiff_t part = unit / steps;
      const std::ptrdiff_t first = unit % steps * feature_step;
      const auto measure_values = [&](const auto& values) {
        measure(values, part * part_rows, std::min(x.rows, (part + 1) * part_rows), first,
                std::min(dim, first + feature_step), ranges.data() + part * dim);
      };
      if (x.quantized == nullptr) {  // asked once, not for every value
        measure_values(
            [data = x.data, rows = x.row_stride, cols = x.col_stride](
                std::ptrdiff_t i, std::ptrdiff_t k) { return data[i * rows + k * cols]; });
      } else {
        measure_values(x);
      }
    };
    workers.for_each(parts * steps, 0, measure_part, cost(x));
    const Range* of_part = ranges.data();
    for (std::ptrdiff_t part = 0; part < parts; ++part) {
      for (Range& r : total) {
        r.least = std::min(r.least, of_part->least);
        r.most = std::max(r.most, of_part->most);
        r.sum += of_part->sum;
        ++of_part;
      }
    }
    n += static_cast<double>(x.rows);
  }

  Frame frame;
  frame.centre = group.origin;
  frame.feature_scale = group.scale;
  frame.raw_scale.reserve(total.size());
  frame.constant.reserve(total.size());
  if (centred) {
    frame.centre.reserve(total.size());
  }
  double largest = 0;
  for (std::size_t k = 0; k < total.size(); ++k) {
    if (centred) {
      frame.centre.push_back(rounded_mean(total[k], n));
    }
    const double centre = frame.centre.empty() ? 0 : frame.centre[k];
    const double weight = group.scale.empty() ? 1 : group.scale[k];
    const double reach = std::max(total[k].most - centre, centre - total[k].least);
    largest = std::max(largest, reach * weight);
    frame.raw_scale.push_back(
        scale_for(std::max(std::abs(total[k].most), std::abs(total[k].least))));
    frame.constant.push_back(total[k].most == total[k].least);
  }
  frame.scale = scale_for(largest);
  // One scale for all features saves a multiplication per difference. It serves features of similar
  // size, and those whose squares stay far inside the range of float.
  const auto [least, most] = std::minmax_element(frame.raw_scale.begin(), frame.raw_scale.end());
  constexpr double most_ratio = 0x1p24;
  if (*most / *least <= most_ratio) {
    frame.raw_scale.assign(frame.raw_scale.size(), *least);
  }
  return frame;
}

template <class T>
void pack_centred(Workers& workers, const MatrixView<T>& x, const Frame& frame, Packed<T>& packed) {
  const int panel = isa().ops<T>().panel;
  packed.rows = x.rows;
  packed.dim = x.cols;
  const std::ptrdiff_t strips = packed.strips();
  packed.centred = Buffer<T>(static_cast<std::size_t>(strips * tile_rows * x.cols));
  packed.half_norm = Buffer<T>(static_cast<std::size_t>(strips * tile_rows));
  packed.strip_error.assign(static_cast<std::size_t>(strips), 0);
  const std::ptrdiff_t steps = feature_steps(x.cols);
  std::vector<double> norms(static_cast<std::size_t>(strips * steps * tile_rows));
  const auto pack = [&](std::int64_t unit, int) {
    const std::ptrdiff_t first = unit / steps * tile_rows;
    const std::ptrdiff_t begin = unit % steps * feature_step;
    T* out = packed.centred.data() + first * x.cols;
    const auto rows = static_cast<int>(std::min<std::ptrdiff_t>(tile_rows, x.rows - first));
    double norm[tile_rows] = {};
    for (std::ptrdiff_t k = begin; k < std::min(x.cols, begin + feature_step); ++k) {
      const auto at = static_cast<std::size_t>(k);
      const double centre = frame.centre.empty() ? 0 : frame.centre[at];
      const double scale =
          frame.feature_scale.empty() ? frame.scale : frame.feature_scale[at] * frame.scale;
      const T* column = x.data + first * x.row_stride + k * x.col_stride;
      const auto value = [&, stride = x.row_stride](int r) {
        const auto v = static_cast<T>((static_cast<double>(column[r * stride]) - centre) * scale);
        norm[r] += static_cast<double>(v) * static_cast<double>(v);
        return v;
      };
      store_column(value, rows, panel, x.cols, out + k * panel);
    }
    std::copy(norm, norm + tile_rows, norms.data() + unit * tile_rows);
  };
  workers.for_each(strips * steps, 0, pack, cost(x));

  std::vector<double> strip_norm(static_cast<std::size_t>(strips));
  std::vector<double> strip_next(static_cast<std::size_t>(strips));
  const auto finish_strip = [&](std::int64_t strip, int) {
    double norm[tile_rows] = {};
    for (std::ptrdiff_t i = 0; i < steps * tile_rows; ++i) {
      norm[i % tile_rows] += norms[static_cast<std::size_t>(strip * steps * tile_rows + i)];
    }
    T* half_norm = packed.half_norm.data() + strip * tile_rows;
    const auto rows =
        static_cast<int>(std::min<std::ptrdiff_t>(tile_rows, x.rows - strip * tile_rows));
    std::transform(norm, norm + tile_rows, half_norm,
                   [](double value) { return static_cast<T>(value / 2); });
    const auto at = static_cast<std::size_t>(strip);
    double largest = 0;
    double next = 0;
    for (const double value : norm) {
      next = std::max(next, std::min(largest, value));
      largest = std::max(largest, value);
    }
    strip_norm[at] = largest / 2;
    strip_next[at] = next / 2;
    packed.strip_error[at] = typical_error<T>(x.cols) * strip_norm[at] +
                             error_with_itself(packed.centred.data() + strip * tile_rows * x.cols,
                                               half_norm, rows, panel, x.cols);
  };
  workers.for_each(strips, 0, finish_strip, cost(x));
  const auto largest = std::max_element(strip_norm.begin(), strip_norm.end());
  packed.max_norm = *largest;
  *largest = strip_next[static_cast<std::size_t>(largest - strip_norm.begin())];
  packed.next_norm = *std::max_element(strip_norm.begin(), strip_norm.end());
  packed.max_error = *std::max_element(packed.strip_error.begin(), packed.strip_error.end());
}

template <class T>
void pack_raw(Workers& workers, const MatrixView<T>& x, const Frame& frame, Packed<T>& packed) {
  const int panel = isa().ops<T>().panel;
  packed.rows = x.rows;
  packed.dim = x.cols;
  const std::ptrdiff_t strips = packed.strips();
  packed.raw = Buffer<T>(static_cast<std::size_t>(strips * tile_rows * x.cols));
  const std::ptrdiff_t steps = feature_steps(x.cols);
  const auto pack = [&](std::int64_t unit, int) {
    const std::ptrdiff_t first = unit / steps * tile_rows;
    const std::ptrdiff_t begin = unit % steps * feature_step;
    T* out = packed.raw.data() + first * x.cols;
    const auto rows = static_cast<int>(std::min<std::ptrdiff_t>(tile_rows, x.rows - first));
    for (std::ptrdiff_t k = begin; k < std::min(x.cols, begin + feature_step); ++k) {
      const double scale = frame.raw_scale[static_cast<std::size_t>(k)];
      const T* column = x.data + first * x.row_stride + k * x.col_stride;
      const auto value = [&, stride = x.row_stride](int r) {
        return static_cast<T>(static_cast<double>(column[r * stride]) * scale);
      };
      store_column(value, rows, panel, x.cols, out + k * panel);
    }
  };
  workers.for_each(strips * steps, 0, pack, cost(x));
}

template <class T>
MatrixView<double> widen(Workers& workers, const MatrixView<T>& x, Buffer<double>& memory) {
  if constexpr (std::is_same_v<T, double>) {
    return x;
  } else {
    if (x.quantized != nullptr) {
      return {nullptr, x.rows, x.cols, x.row_stride, x.col_stride, x.quantized};
    }
    memory = Buffer<double>(static_cast<std::size_t>(x.rows * x.cols));
    const std::ptrdiff_t steps = feature_steps(x.cols);
    const auto copy = [&](std::int64_t unit, int) {
      const std::ptrdiff_t first = unit / steps * tile_rows;
      const std::ptrdiff_t begin = unit % steps * feature_step;
      for (std::ptrdiff_t i = first; i < std::min(x.rows, first + tile_rows); ++i) {
        for (std::ptrdiff_t k = begin; k < std::min(x.cols, begin + feature_step); ++k) {
          memory[static_cast<std::size_t>(i * x.cols + k)] = static_cast<double>(x(i, k));
        }
      }
    };
    workers.for_each((x.rows + tile_rows - 1) / tile_rows * steps, 0, copy, cost(x));
    return {memory.data(), x.rows, x.cols, x.cols, 1};
  }
}

template Frame make_frame(Workers&, const std::vector<MatrixView<float>>&, const KernelGroup&);
template Frame make_frame(Workers&, const std::vector<MatrixView<double>>&, const KernelGroup&);
template void pack_centred(Workers&, const MatrixView<float>&, const Frame&, Packed<float>&);
template void pack_centred(Workers&, const MatrixView<double>&, const Frame&, Packed<double>&);
template void pack_raw(Workers&, const MatrixView<float>&, const Frame&, Packed<float>&);
template void pack_raw(Workers&, const MatrixView<double>&, const Frame&, Packed<double>&);
template MatrixView<double> widen(Workers&, const MatrixView<float>&, Buffer<double>&);
template MatrixView<double> widen(Workers&, const MatrixView<double>&, Buffer<double>&);

}  // namespace fastdiv
