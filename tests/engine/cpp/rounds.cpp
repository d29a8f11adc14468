// Tests the schedule of the pairs of parts. It is complete, in order for every part, and ends
// whatever thread is stopped between two instructions.

#include <atomic>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "pairs/walk/rounds.hpp"

#include "harness.hpp"

namespace {

void every_pair_once(int n) {
  const fastdiv::Rounds rounds(n);
  std::set<std::pair<int, int>> pairs;
  std::set<std::pair<int, int>> seats;  // of a part in a round
  std::int64_t taken = 0;
  for (std::int64_t unit = 0; unit < rounds.size(); ++unit) {
    const auto [round, a, b] = rounds[unit];
    check(seats.insert({round, a}).second, "a part is in each round once");
    if (b < n) {
      check(a == b || seats.insert({round, b}).second, "the other one too");
      check(pairs.insert({a, b}).second, "every pair comes once");
      ++taken;
    }
  }
  check(taken == std::int64_t{n} * (n + 1) / 2, "every pair comes");
}

// Tests work that takes no time, so that units of all rounds come as close as they can.
void ends(int n) {
  fastdiv::Options options;
  options.n_threads = 5;
  std::vector<std::atomic<int>> guests(static_cast<std::size_t>(n));
  for (int repeat = 0; repeat < 4000; ++repeat) {
    std::atomic<int> pairs{0};
    std::atomic<bool> alone{true};
    fastdiv::Workers workers(options, HUGE_VAL);
    fastdiv::run_rounds(workers, n, 1, [&](int a, int b, int) {
      auto& a_guests = guests[static_cast<std::size_t>(a)];
      auto& b_guests = guests[static_cast<std::size_t>(b)];
      if (a_guests.fetch_add(1) != 0 || (a != b && b_guests.fetch_add(1) != 0)) {
        alone = false;
      }
      ++pairs;
      a_guests = 0;
      b_guests = 0;
    });
    check(alone, "no two threads hold a part at once");
    check(pairs == n * (n + 1) / 2, "all pairs are run");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] {
    for (int n = 1; n <= 40; ++n) {
      every_pair_once(n);
    }
    for (const int n : {1, 2, 3, 8}) {
      ends(n);
    }
  });
}
