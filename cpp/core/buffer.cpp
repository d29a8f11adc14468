#include "core/buffer.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fastdiv {

namespace {

// Size of a huge page. A page of 4 KiB ends every stream of the processor's prefetching: with huge
// ones, columns that come from memory were 5 to 40 % faster.
constexpr std::size_t huge_page = std::size_t{1} << 21;

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{bytes >= huge_page ? huge_page : 64};
}

}  // namespace

void* allocate(std::size_t bytes) {
  void* memory = ::operator new[](bytes, alignment(bytes));
#ifdef MADV_HUGEPAGE
  if (bytes >= huge_page) {
    madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // may be refused
  }
#endif
  return memory;
}

void deallocate(void* memory, std::size_t bytes) {
  ::operator delete[](memory, alignment(bytes));
}

}  // namespace fastdiv
