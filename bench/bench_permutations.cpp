// Measures all B label sums of a permutation test in one pass. Compares them with the time of the
// plain product of the kernel matrix and the label columns at the measured FMA peak.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "bench.hpp"

namespace {

// Returns labellings that are random halves of the rows.
std::vector<std::uint8_t> labellings(int rows, int count) {
  std::mt19937_64 bits(3);
  std::vector<std::uint8_t> one(static_cast<std::size_t>(rows));
  std::fill_n(one.begin(), rows / 2, std::uint8_t{1});
  std::vector<std::uint8_t> all;
  for (int b = 0; b < count; ++b) {
    all.insert(all.end(), one.begin(), one.end());
    std::shuffle(one.begin(), one.end(), bits);
  }
  return all;
}

template <class T>
void report(int rows, int count, int d, int threads, int repeats) {
  const auto values = bench::normal<T>(rows, d, 1);
  const auto z = bench::view(values, rows, d);
  const auto labels = labellings(rows, count);
  const std::vector<fastdiv::KernelGroup> groups{
      {fastdiv::Base::sqdist, {}, {{"rbf", {std::sqrt(d)}, 1, 0}}}};
  fastdiv::Options options;
  options.n_threads = threads;
  std::vector<double> out(static_cast<std::size_t>(count) * 3);
  const auto label = [&](int how_many) {
    fastdiv::quad_forms<T>(z, labels.data(), how_many, groups, 1, out.data(), options);
  };

  // The first labelling is the first half against the second.
  label(count);
  std::array<double, 3> expected{};
  fastdiv::pair_sums<T>(bench::view(values, rows / 2, d),
                        bench::view(values, rows - rows / 2, d, rows / 2), groups, 1,
                        expected.data(), options);
  for (std::size_t i = 0; i < 3; ++i) {
    if (!(std::abs(out[i] - expected[i]) <= 1e-5 * expected[i])) {
      std::fprintf(stderr, "sums disagree: %.17g and %.17g\n", out[i], expected[i]);
      std::exit(1);
    }
  }

  const double n = rows;
  const double plain_flops = 2 * n * n * count;
  std::vector<double> times, first_times, rates, plain, halved, margins;
  for (int round = 0; round < repeats; ++round) {
    const fastdiv::Peaks peaks = fastdiv::measure_peaks<T>(threads, 0.1);
    times.push_back(bench::seconds([&] { label(count); }));
    first_times.push_back(bench::seconds([&] { label(1); }));
    rates.push_back(n * (n - 1) / 2 * count / times.back());
    plain.push_back(plain_flops / peaks.flops / times.back());
    halved.push_back(plain_flops / 2 / peaks.flops / times.back());
    const double labels_alone = std::max(times.back() - first_times.back(), 1e-9);
    margins.push_back(plain_flops / 2 / peaks.flops / labels_alone);
  }
  bench::line_of<T>("permutations")
      .add("rows", rows)
      .add("labellings", count)
      .add("d", d)
      .add("threads", threads)
      .add("seconds", times)
      .add("seconds_one_labelling", first_times)
      .add("labelled_pairs_per_second", rates)
      .add("times_peak_full_product", plain)
      .add("times_peak_half_product", halved)
      .add("times_peak_half_product_labels_alone", margins)
      .print();
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options(argc, argv,
                               {{"rows", {"2000", "10000"}},
                                {"labellings", {"200", "1000"}},
                                {"d", {"10"}},
                                {"threads", {std::to_string(fastdiv::get_num_threads())}},
                                {"repeats", {"7"}}});
  for (const int rows : options.numbers("rows")) {
    for (const int count : options.numbers("labellings")) {
      const int d = options.number("d");
      const int threads = options.number("threads");
      const int repeats = options.number("repeats");
      report<float>(rows, count, d, threads, repeats);
      report<double>(rows, count, d, threads, repeats);
    }
  }
}
