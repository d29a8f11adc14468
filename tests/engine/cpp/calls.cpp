// Tests calls as such: hooks, errors, several callers at once, and the peak rates.

#include <thread>
#include <vector>

#include "samples.hpp"

namespace {

template <class T>
void stop_and_progress() {
  const Sample<T> x(20000, 64, 10);
  const auto groups = one_kernel("rbf", Base::sqdist, {1.0});
  for (const int threads : thread_counts) {
    if (few_sizes && threads != 2) {
      continue;
    }
    double sums[3];
    int calls = 0;
    double last = -1;
    fastdiv::Options options;
    options.n_threads = threads;
    options.hook = [&](double done) {
      check(done >= last && done <= 1, "progress grows to 1");
      last = done;
      return ++calls < 2;
    };
    check(!fastdiv::pair_sums<T>(x.view, x.view, groups, 1, sums, options),
          "the hook stops a call");
    check(calls == 2, "and is not called again");
  }
}

void errors() {
  const Sample<float> x(4, 3, 11), y(4, 2, 12);
  double out[12];
  const auto refuses = [&](const MatrixView<float>& other, const std::vector<KernelGroup>& groups) {
    return refused([&] { fastdiv::pair_sums<float>(x.view, other, groups, 1, out); });
  };
  check(refuses(x.view, one_kernel("no such kernel", Base::sqdist, {1.0})), "an unknown kernel");
  check(refuses(x.view, one_kernel("rbf", Base::l1, {1.0})), "a kernel of another base");
  check(refuses(x.view, one_kernel("rbf", Base::sqdist, {})), "missing parameters");
  check(refuses(y.view, one_kernel("rbf", Base::sqdist, {1.0})), "another number of features");
}

void callers_at_once() {
  const Sample<double> x(300, 40, 13), y(200, 40, 14);
  const auto groups = one_kernel("matern52", Base::sqdist, {1.0});
  std::vector<std::vector<double>> sums(4, std::vector<double>(3));
  std::vector<std::thread> callers;
  for (std::vector<double>& out : sums) {
    callers.emplace_back([&] {
      fastdiv::Options options;
      options.n_threads = 2;
      for (int repeat = 0; repeat < 5; ++repeat) {
        fastdiv::pair_sums<double>(x.view, y.view, groups, 1, out.data(), options);
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  for (const std::vector<double>& out : sums) {
    check(same_bits(out, sums[0]), "several callers at once");
  }
}

template <class T>
void everything() {
  stop_and_progress<T>();
  const fastdiv::Peaks peaks = fastdiv::measure_peaks<T>(2, 0.01);
  check(peaks.flops > 0 && peaks.maps > 0, "peaks");
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] {
    for_each_dtype([](auto zero) { everything<decltype(zero)>(); });
    errors();
    callers_at_once();
  });
}
