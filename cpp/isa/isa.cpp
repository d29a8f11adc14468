#include "isa/isa.hpp"

#include <cstdlib>
#include <stdexcept>

#include "fastdiv/machine.hpp"

#include "isa_levels.hpp"  // made by the build: FASTDIV_FOR_EACH_ISA(X), best level last

namespace fastdiv {

#define FASTDIV_DECLARE(name)  \
  namespace isa_##name {       \
    extern const IsaOps table; \
  }
FASTDIV_FOR_EACH_ISA(FASTDIV_DECLARE)
#undef FASTDIV_DECLARE

namespace {

bool supported(const std::string& name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
  if (name == "v2") {
    return __builtin_cpu_supports("x86-64-v2");
  }
  if (name == "v3") {
    return __builtin_cpu_supports("x86-64-v3");
  }
  if (name == "v4") {
    return __builtin_cpu_supports("x86-64-v4");
  }
#else
  // These compilers know the features by name, but not the levels. No processor has these features
  // without the others of the level.
  if (name == "v2") {
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  }
  if (name == "v3") {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  }
  if (name == "v4") {
    return supported("v3") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
#endif
#endif
  return name == "baseline";
}

std::vector<const IsaOps*> available() {
  std::vector<const IsaOps*> levels;
#define FASTDIV_APPEND(name)              \
  if (supported(#name)) {                 \
    levels.push_back(&isa_##name::table); \
  }
  FASTDIV_FOR_EACH_ISA(FASTDIV_APPEND)
#undef FASTDIV_APPEND
  return levels;
}

const IsaOps& choose() {
  const auto levels = available();
  const char* requested = std::getenv("FASTDIV_ISA");
  if (requested == nullptr || *requested == '\0') {
    return *levels.back();
  }
  std::string choices;
  for (const IsaOps* level : levels) {
    if (requested == std::string(level->name) ||
        requested == "x86-64-" + std::string(level->name)) {
      return *level;
    }
    choices += (choices.empty() ? "" : ", ") + std::string(level->name);
  }
  throw std::invalid_argument("FASTDIV_ISA is '" + std::string(requested) +
                              "', but this machine and build offer: " + choices);
}

}  // namespace

const IsaOps& isa() {
  static const IsaOps& chosen = choose();
  return chosen;
}

std::string isa_name() {
  return isa().name;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const IsaOps* level : available()) {
    names.emplace_back(level->name);
  }
  return names;
}

}  // namespace fastdiv
