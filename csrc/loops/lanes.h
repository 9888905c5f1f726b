// As many values as a processor of today adds at once, so that sums do not wait for one another.
#pragma once

#include <cstdint>
#include <cstring>

#include "clones.h"

namespace normkit {

template <class A>
struct LanesOf {
  typedef A type __attribute__((vector_size(64)));
};

/// 64 bytes of values, on which arithmetic is one by one.
template <class A>
using Lanes = typename LanesOf<A>::type;

template <class A>
constexpr int64_t kLanes = 64 / sizeof(A);

template <class A>
NORMKIT_INLINE Lanes<A> lanes_at(const A* x) {
  Lanes<A> result;
  std::memcpy(&result, x, sizeof result);
  return result;
}

template <class A>
NORMKIT_INLINE void store_lanes(A* x, const Lanes<A>& lanes) {
  std::memcpy(x, &lanes, sizeof lanes);
}

/// The last `count` lanes, zeros before them, whatever is there.
template <class A>
NORMKIT_INLINE Lanes<A> last_of(const Lanes<A>& lanes, int64_t count) {
  alignas(64) static constexpr A ones[32] = {
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const Lanes<A> wanted = lanes_at(ones + 16 - kLanes<A> + count);
  return wanted > 0 ? lanes : Lanes<A>{};
}

/// Lanes added up to 16 bytes of them. Shuffles, since GCC takes halves of a copy by way of memory.
template <class A>
NORMKIT_INLINE auto folded(const Lanes<A>& x) {
  if constexpr (sizeof(A) == 4) {
    const auto half = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
           __builtin_shufflevector(half, half, 4, 5, 6, 7);
  } else {
    const auto half = __builtin_shufflevector(x, x, 0, 1, 2, 3) +
                      __builtin_shufflevector(x, x, 4, 5, 6, 7);
    return __builtin_shufflevector(half, half, 0, 1) + __builtin_shufflevector(half, half, 2, 3);
  }
}

template <class A>
NORMKIT_INLINE double sum_of(const Lanes<A>& x) {
  const auto q = folded<A>(x);
  if constexpr (sizeof(A) == 4)
    return static_cast<double>((q[0] + q[2]) + (q[1] + q[3]));
  else
    return q[0] + q[1];
}

}  // namespace normkit
