// Measures sums of an RBF kernel over all pairs of two samples: time and roofline fraction.
// Compares every ISA level of this machine with the best, and with the same sums by Eigen.

#include <array>
#include <cmath>

#include "bench.hpp"
#ifdef FASTDIV_BENCH_EIGEN
#include "eigen_pairs.hpp"
#endif

namespace {

struct Plan {
  int n, threads, repeats;
  bool best_level;
};

#ifdef FASTDIV_BENCH_EIGEN
void check(const char* what, const std::array<double, 3>& ours, const std::array<double, 3>& theirs,
           double tolerance) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (!(std::abs(ours[i] - theirs[i]) <= tolerance * std::abs(theirs[i]))) {
      std::fprintf(stderr, "%s disagrees: %.17g and %.17g\n", what, ours[i], theirs[i]);
      std::exit(1);
    }
  }
}
#endif

// Reports one size, and returns the pairs per second for the comparison of levels.
template <class T>
double report(const Plan& plan, int d) {
  const auto xs = bench::normal<T>(plan.n, d, 1);
  const auto ys = bench::normal<T>(plan.n, d, 2, 0.1);
  const auto x = bench::view(xs, plan.n, d);
  const auto y = bench::view(ys, plan.n, d);
  const double sigma = std::sqrt(d);
  const std::vector<fastdiv::KernelGroup> groups{
      {fastdiv::Base::sqdist, {}, {{"rbf", {sigma}, 1, 0}}}};
  fastdiv::Options options;
  options.n_threads = plan.threads;

  std::array<double, 3> sums{};
  const auto ours = [&] { fastdiv::pair_sums<T>(x, y, groups, 1, sums.data(), options); };
#ifdef FASTDIV_BENCH_EIGEN
  std::array<double, 3> eigen_sums{};
  const auto eigen = [&] { eigen_sums = bench::eigen_pair_sums<T>(x, y, sigma, plan.threads); };
#endif

  const double pairs = static_cast<double>(plan.n) * (2.0 * plan.n - 1);
  std::vector<double> times, rates, fractions, flops, maps, eigen_times, speedups;
  ours();
  for (int round = 0; round < plan.repeats; ++round) {
    const fastdiv::Peaks peaks = fastdiv::measure_peaks<T>(plan.threads, 0.1);
    flops.push_back(peaks.flops);
    maps.push_back(peaks.maps);
    times.push_back(bench::seconds(ours));
    rates.push_back(pairs / times.back());
    fractions.push_back(bench::roofline(peaks, pairs * 2 * d, pairs) / times.back());
#ifdef FASTDIV_BENCH_EIGEN
    if (plan.best_level) {
      eigen_times.push_back(bench::seconds(eigen));
      speedups.push_back(eigen_times.back() / times.back());
      check("Eigen", sums, eigen_sums, sizeof(T) == 4 ? 1e-5 : 1e-12);
    }
#endif
  }
  bench::Json line = bench::line_of<T>("pairs");
  line.add("n", plan.n)
      .add("m", plan.n)
      .add("d", d)
      .add("threads", plan.threads)
      .add("seconds", times)
      .add("pairs_per_second", rates)
      .add("roofline", fractions)
      .add("peak_flops", flops)
      .add("peak_maps", maps);
  if (!eigen_times.empty()) {
    line.add("eigen_seconds", eigen_times).add("times_eigen", speedups);
  }
  if (plan.best_level) {
    line.add("relative_to_best", 1.0);
  }
  line.print();
  return bench::median(rates);
}

// Runs this program at another level. Each of its lines gets its throughput relative to `best`.
bool report_level(const std::string& program, const std::string& level,
                  const std::string& arguments, const std::vector<double>& best) {
  const std::string command = "FASTDIV_ISA=" + level + " '" + program + "'" + arguments;
  std::FILE* lines = popen(command.c_str(), "r");
  if (lines == nullptr) {
    return false;
  }
  char line[4096];
  std::size_t index = 0;
  while (std::fgets(line, sizeof line, lines) != nullptr) {
    const std::string text(line);
    const std::string key = "\"pairs_per_second\": ";
    const auto at = text.find(key);
    if (at == std::string::npos || index >= best.size()) {
      break;
    }
    const double rate = std::strtod(text.c_str() + at + key.size(), nullptr);
    std::printf("%s, \"relative_to_best\": %.4g}\n", text.substr(0, text.rfind('}')).c_str(),
                rate / best[index]);
    std::fflush(stdout);
    ++index;
  }
  return pclose(lines) == 0 && index == best.size();
}

std::string arguments(const bench::Options& options, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += " --" + name;
    for (const int value : options.numbers(name)) {
      text += " " + std::to_string(value);
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options(argc, argv,
                               {{"n", {"10000"}},
                                {"d", {"2", "16", "64", "256", "768"}},
                                {"threads", {std::to_string(fastdiv::get_num_threads())}},
                                {"repeats", {"7"}}});
  // FASTDIV_ISA asks for one level. Without it, this run is the best level and starts the others.
  const bool all_levels = std::getenv("FASTDIV_ISA") == nullptr;
  const Plan plan{options.number("n"), options.number("threads"), options.number("repeats"),
                  all_levels};
  std::vector<double> rates;
  for (const int d : options.numbers("d")) {
    rates.push_back(report<float>(plan, d));
    rates.push_back(report<double>(plan, d));
  }
  if (!all_levels) {
    return 0;
  }
  const std::string passed_on = arguments(options, {"n", "d", "threads"}) + " --repeats " +
                                std::to_string(std::min(plan.repeats, 3));
  for (const std::string& level : fastdiv::available_isas()) {
    if (level != fastdiv::isa_name() && !report_level(argv[0], level, passed_on, rates)) {
      std::fprintf(stderr, "the run at level %s failed\n", level.c_str());
      return 1;
    }
  }
}
