#include "fresh.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace normkit {

namespace {

void expect_many_pages(void* start, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = 4096, large = 2 * 1024 * 1024;
  if (bytes < 2 * large) return;
  const uintptr_t address = reinterpret_cast<uintptr_t>(start);
  const uintptr_t first = (address + page - 1) & ~(page - 1);
  const uintptr_t last = (address + bytes) & ~(page - 1);
  madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)start;
  (void)bytes;
#endif
}

}  // namespace

void prepare(void* start, size_t bytes) {
  expect_many_pages(start, bytes);
  static const char* poison = std::getenv("NORMKIT_POISON");
  // Every floating-point number whose bits are all set is a NaN.
  if (poison && *poison == '1') std::memset(start, 0xff, bytes);
}

}  // namespace normkit
