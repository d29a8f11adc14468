// Uses the installed library and compares it with plain loops.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fastdiv/fastdiv.hpp>
#include <vector>

namespace {

constexpr int n = 123, m = 77, d = 5;
constexpr double sigma = 1.5;

int failures = 0;

void compare(const char* name, double got, double expected) {
  const bool close = std::abs(got - expected) <= 1e-12 * std::abs(expected);
  failures += close ? 0 : 1;
  std::printf("%s %s: %.17g, expected %.17g\n", close ? "ok" : "FAILED", name, got, expected);
}

using Sample = std::vector<double>;

double distance2(const Sample& x, int i, const Sample& y, int j) {
  double sum = 0;
  for (int k = 0; k < d; ++k) {
    const double difference = x[i * d + k] - y[j * d + k];
    sum += difference * difference;
  }
  return sum;
}

double rbf(const Sample& x, int i, const Sample& y, int j) {
  return std::exp(-distance2(x, i, y, j) / (2 * sigma * sigma));
}

}  // namespace

int main() {
  Sample x(n * d), y(m * d);
  std::uint32_t state = 1;
  for (Sample* sample : {&x, &y}) {
    for (double& value : *sample) {
      state = state * 1664525u + 1013904223u;
      value = state / 4294967296.0;
    }
  }
  const fastdiv::MatrixView<double> view_x{x.data(), n, d, d, 1}, view_y{y.data(), m, d, d, 1};
  fastdiv::KernelGroup group;
  group.terms = {{"rbf", {sigma}, 1.0, 0}};

  double within_x = 0, within_y = 0, between = 0;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      within_x += i != j ? rbf(x, i, x, j) : 0;
    }
    for (int j = 0; j < m; ++j) {
      between += rbf(x, i, y, j);
    }
  }
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < m; ++j) {
      within_y += i != j ? rbf(y, i, y, j) : 0;
    }
  }
  double sums[3];
  fastdiv::pair_sums<double>(view_x, view_y, {group}, 1, sums);
  compare("pair_sums within x", sums[0], within_x);
  compare("pair_sums within y", sums[1], within_y);
  compare("pair_sums between", sums[2], between);

  std::vector<double> rows(n);
  fastdiv::row_sums<double>(view_x, view_y, nullptr, {group}, 1, rows.data());
  double last = 0;
  for (int j = 0; j < m; ++j) {
    last += rbf(x, n - 1, y, j);
  }
  compare("row_sums of the last row", rows[n - 1], last);

  std::vector<std::uint8_t> labels(n);
  double triple[3] = {};
  for (int i = 0; i < n; ++i) {
    labels[i] = i % 3 == 0;
  }
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const int part = labels[i] && labels[j] ? 0 : !labels[i] && !labels[j] ? 1 : 2;
      triple[part] += i == j || (part == 2 && labels[j]) ? 0 : rbf(x, i, x, j);
    }
  }
  double forms[3];
  fastdiv::quad_forms<double>(view_x, labels.data(), 1, {group}, 1, forms);
  compare("quad_forms within x", forms[0], triple[0]);
  compare("quad_forms within y", forms[1], triple[1]);
  compare("quad_forms between", forms[2], triple[2]);

  std::vector<double> distances;
  for (int i = 0; i < n; ++i) {
    for (int j = i + 1; j < n; ++j) {
      distances.push_back(std::sqrt(distance2(x, i, x, j)));
    }
  }
  std::sort(distances.begin(), distances.end());
  const std::size_t pairs = distances.size();
  double median = 0;
  fastdiv::median_distance<double>(view_x, fastdiv::Base::sqdist, &median);
  compare("median_distance", median, 0.5 * (distances[(pairs - 1) / 2] + distances[pairs / 2]));
  return failures == 0 ? 0 : 1;
}
