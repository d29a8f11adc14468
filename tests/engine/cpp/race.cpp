// Plants a data race. ThreadSanitizer has to find it, or its silence elsewhere means nothing.

#include <cstdio>
#include <thread>

#include "core/workers.hpp"

int main() {
  fastdiv::Options options;
  options.n_threads = 4;
  fastdiv::Workers workers(options, 1e12);
  long count = 0;
  workers.for_each(1000, 1, [&](std::int64_t, int) {
    count += 1;
    std::this_thread::yield();
  });
  std::printf("%ld\n", count);
}
