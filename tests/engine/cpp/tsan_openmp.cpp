// GCC's OpenMP run time is not built for ThreadSanitizer: its fork and join are invisible, and
// every value handed over there looks like a race. This file tells the sanitizer about the two
// edges that OpenMP promises, by standing in front of the run time's one entry point that the
// engine uses: what came before a parallel region happens before its body, and the body before what
// follows. Nothing is suppressed, so a race inside a region is reported (race.cpp plants one).

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

namespace {

using Body = void (*)(void*);
using Parallel = void (*)(Body, void*, unsigned, unsigned);

struct Region {
  Body body;
  void* data;
};

__attribute__((no_sanitize("thread"))) void run(void* p) {
  const Region* region = static_cast<const Region*>(p);
  __tsan_acquire(p);
  region->body(region->data);
  __tsan_release(p);
}

}  // namespace

extern "C" __attribute__((no_sanitize("thread"), visibility("default"))) void GOMP_parallel(
    Body body, void* data, unsigned threads, unsigned flags) {
  static const auto parallel = reinterpret_cast<Parallel>(dlsym(RTLD_NEXT, "GOMP_parallel"));
  Region region{body, data};
  __tsan_release(&region);
  parallel(run, &region, threads, flags);
  __tsan_acquire(&region);
}
