#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace fastdiv {

// Returns memory that is aligned to a cache line, in huge pages where they are many and allowed.
void* allocate(std::size_t bytes);
void deallocate(void* memory, std::size_t bytes);

// Uninitialised memory of n entries.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t n)
      : data_(static_cast<T*>(allocate(n * sizeof(T))), Free{n * sizeof(T)}), size_(n) {}
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    std::size_t bytes = 0;
    void operator()(T* p) const { deallocate(p, bytes); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

// Returns n buffers of `size` entries each.
template <class T>
std::vector<Buffer<T>> buffers(int n, std::size_t size) {
  std::vector<Buffer<T>> all;
  for (int i = 0; i < n; ++i) {
    all.emplace_back(size);
  }
  return all;
}

}  // namespace fastdiv
