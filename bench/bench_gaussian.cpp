// Measures KL divergences between batches of Gaussians: time, read bandwidth and the rate of
// multiply-adds. Full covariances are of growing size, diagonal ones long.

#include <cmath>

#include "bench.hpp"
#include "core/workers.hpp"

namespace {

struct Plan {
  int threads, repeats;
};

// Returns the bytes per second that all threads together read from memory.
double read_bandwidth(const std::vector<double>& values, int threads) {
  fastdiv::Options options;
  options.n_threads = threads;
  const auto n = static_cast<std::ptrdiff_t>(values.size());
  const double seconds = bench::seconds([&] {
    fastdiv::Workers workers(options, HUGE_VAL);
    std::vector<double> sums(static_cast<std::size_t>(workers.threads()) * 8);
    constexpr std::ptrdiff_t part = 1 << 15;
    workers.for_each((n + part - 1) / part, 1, [&](std::int64_t unit, int thread) {
      // Eight chains keep up with the memory without -ffast-math.
      double chains[8] = {};
      const std::ptrdiff_t end = std::min(n, (unit + 1) * part);
      for (std::ptrdiff_t i = unit * part; i + 8 <= end; i += 8) {
        for (int c = 0; c < 8; ++c) {
          chains[c] += values[static_cast<std::size_t>(i + c)];
        }
      }
      for (const double chain : chains) {
        sums[static_cast<std::size_t>(thread) * 8] += chain;
      }
    });
    for (const double sum : sums) {
      if (!(std::abs(sum) < HUGE_VAL)) std::abort();
    }
  });
  return static_cast<double>(values.size() * sizeof(double)) / seconds;
}

// Returns lower triangular matrices L with a diagonal of at least 1, or the products L L^T.
std::vector<double> matrices(int n, int d, bool products) {
  std::vector<double> l = bench::normal<double>(n * d, d, 3);
  const auto at = [d](int item, int i, int j) {
    return (static_cast<std::size_t>(item) * static_cast<std::size_t>(d) +
            static_cast<std::size_t>(i)) *
               static_cast<std::size_t>(d) +
           static_cast<std::size_t>(j);
  };
  for (int item = 0; item < n; ++item) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) {
        double& value = l[at(item, i, j)];
        value = i < j ? 0 : i == j ? 1 + std::abs(value) : value / d;
      }
    }
  }
  if (!products) {
    return l;
  }
  std::vector<double> cov(l.size());
  for (int item = 0; item < n; ++item) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j <= i; ++j) {
        double sum = 0;
        for (int k = 0; k <= j; ++k) {
          sum += l[at(item, i, k)] * l[at(item, j, k)];
        }
        cov[at(item, i, j)] = cov[at(item, j, i)] = sum;
      }
    }
  }
  return cov;
}

template <class T>
void report(const Plan& plan, const char* name, int n, int d, const fastdiv::Gaussians<T>& p,
            const fastdiv::Gaussians<T>& q, double bytes, double flops) {
  fastdiv::Options options;
  options.n_threads = plan.threads;
  std::vector<double> values(static_cast<std::size_t>(n)), times, bandwidths, fractions, rates;
  const std::vector<double> memory(std::size_t{1} << 25, 1.0);
  for (int round = 0; round < plan.repeats; ++round) {
    const double bandwidth = read_bandwidth(memory, plan.threads);
    const double seconds =
        bench::seconds([&] { fastdiv::gaussian_kl<T>({n}, d, p, q, values.data(), options); });
    times.push_back(seconds);
    bandwidths.push_back(bandwidth);
    fractions.push_back(bytes / seconds / bandwidth);
    rates.push_back(flops / seconds);
  }
  bench::Json line = bench::line_of<T>("gaussian");
  line.add("given", name)
      .add("n", n)
      .add("d", d)
      .add("threads", plan.threads)
      .add("seconds", times)
      .add("read_bandwidth", bandwidths)
      .add("of_read_bandwidth", fractions);
  if (flops > 0) {
    line.add("flops_per_second", rates);
  }
  line.print();
}

void report_full(const Plan& plan, const char* name, fastdiv::Scale scale, int n, int d) {
  const auto mean = bench::normal<double>(n, d, 1);
  const auto parameter = matrices(n, d, scale == fastdiv::Scale::cov);
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(d) * d;
  const fastdiv::Gaussians<double> p{mean.data(), {d, 1}, parameter.data(), {size, d, 1}, scale};
  auto others = mean, other_parameters = parameter;
  std::rotate(others.begin(), others.begin() + d, others.end());
  std::rotate(other_parameters.begin(), other_parameters.begin() + size, other_parameters.end());
  const fastdiv::Gaussians<double> q{
      others.data(), {d, 1}, other_parameters.data(), {size, d, 1}, scale};
  const double cube = static_cast<double>(d) * d * d * n;
  report(plan, name, n, d, p, q, 2.0 * n * d * (d + 1) * 8,
         scale == fastdiv::Scale::cov ? cube : cube / 3);
}

template <class T>
void report_diagonal(const Plan& plan, const char* name, fastdiv::Scale scale, int n, int d) {
  const auto mean = bench::normal<T>(n, d, 1);
  auto parameter = bench::normal<T>(n, d, 2);
  for (T& value : parameter) {
    value = std::abs(value) + T{0.5};
  }
  const fastdiv::Gaussians<T> p{mean.data(), {d, 1}, parameter.data(), {d, 1}, scale};
  auto others = mean, other_parameters = parameter;
  std::rotate(others.begin(), others.begin() + d, others.end());
  std::rotate(other_parameters.begin(), other_parameters.begin() + d, other_parameters.end());
  const fastdiv::Gaussians<T> q{others.data(), {d, 1}, other_parameters.data(), {d, 1}, scale};
  const double bytes = static_cast<double>(n) * d * sizeof(T);
  report(plan, name, n, d, p, q, 4 * bytes, 0);
  const T zero = 0, unit = scale == fastdiv::Scale::std ? T{1} : T{0};
  const fastdiv::Gaussians<T> standard{&zero, {0, 0}, &unit, {0, 0}, scale};
  report(plan, (std::string(name) + ", q standard").c_str(), n, d, p, standard, 2 * bytes, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options(argc, argv,
                               {{"d", {"4", "16", "64", "256"}},
                                {"threads", {std::to_string(fastdiv::get_num_threads())}},
                                {"repeats", {"7"}}});
  const Plan plan{options.number("threads"), options.number("repeats")};
  for (const int d : options.numbers("d")) {
    // The items fill about as much memory at every size.
    const int n = std::max(200, std::min(100000, 8'000'000 / (d * d)));
    report_full(plan, "cov", fastdiv::Scale::cov, n, d);
    report_full(plan, "scale_tril", fastdiv::Scale::scale_tril, n, d);
  }
  report_diagonal<float>(plan, "std", fastdiv::Scale::std, 100000, 128);
  report_diagonal<float>(plan, "logvar", fastdiv::Scale::logvar, 100000, 128);
  report_diagonal<double>(plan, "std", fastdiv::Scale::std, 100000, 128);
}
