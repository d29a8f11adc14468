// Tells ThreadSanitizer where parallel regions begin and end. GCC's OpenMP run time is not built
// for it: its fork and join are invisible, and every value handed over there looks like a race.
//
// This file stands in front of the one entry point of the run time that the engine uses. It
// declares the two edges that OpenMP promises. All before a parallel region happens before its
// body, and the body happens before all that follows. Nothing is suppressed, so a race inside a
// region is reported (race.cpp plants one).

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
