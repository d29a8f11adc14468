// Measures the peak rates of multiply-adds and of kernel maps at the ISA level in use, on one and
// on all threads.

#include "bench.hpp"

namespace {

template <class T>
void report(int threads, int repeats) {
  std::vector<double> flops, maps;
  for (int i = 0; i < repeats; ++i) {
    const fastdiv::Peaks peaks = fastdiv::measure_peaks<T>(threads, 0.2);
    flops.push_back(peaks.flops);
    maps.push_back(peaks.maps);
  }
  bench::line_of<T>("peak").add("threads", threads).add("flops", flops).add("maps", maps).print();
}

}  // namespace

int main(int argc, char** argv) {
  const int all = fastdiv::get_num_threads();
  const bench::Options options(argc, argv,
                               {{"threads", {"1", std::to_string(all)}}, {"repeats", {"7"}}});
  for (const int threads : options.numbers("threads")) {
    report<float>(threads, options.number("repeats"));
    report<double>(threads, options.number("repeats"));
  }
}
