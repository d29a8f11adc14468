#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace fastdiv {

// Serialises additions to each of several results in unit order. A unit waits for its predecessor,
// which has already started because units are handed out in order.
class Turns {
 public:
  explicit Turns(std::size_t n) : finished_(n) {}
  void wait(std::size_t i, std::int64_t turn) const {
    while (finished_[i].load(std::memory_order_acquire) < turn) {
      std::this_thread::yield();
    }
  }
  void finish(std::size_t i, std::int64_t turn) {
    finished_[i].store(turn + 1, std::memory_order_release);
  }

 private:
  std::vector<std::atomic<std::int64_t>> finished_;
};

}  // namespace fastdiv
