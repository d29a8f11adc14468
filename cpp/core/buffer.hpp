#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace fastdiv {

// Uninitialised memory aligned to a cache line.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t n)
      : data_(static_cast<T*>(::operator new[](n * sizeof(T), alignment))), size_(n) {}
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, alignment); }
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
