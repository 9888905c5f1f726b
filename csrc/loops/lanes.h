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

/// Ones in the last `count` lanes, zeros before them.
template <class A>
NORMKIT_INLINE Lanes<A> last_lanes(int64_t count) {
  alignas(64) static constexpr A ones[32] = {
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return lanes_at(ones + 16 - kLanes<A> + count);
}

/// The sum of the two halves of some lanes, given where the result has half as many.
template <class Half, class Whole>
NORMKIT_INLINE Half halved(const Whole& lanes) {
  Half low, high;
  std::memcpy(&low, &lanes, sizeof low);
  std::memcpy(&high, reinterpret_cast<const char*>(&lanes) + sizeof low, sizeof high);
  return low + high;
}

template <class A>
NORMKIT_INLINE double sum_of(const Lanes<A>& lanes) {
  typedef A Half __attribute__((vector_size(32)));
  typedef A Quarter __attribute__((vector_size(16)));
  const Quarter q = halved<Quarter>(halved<Half>(lanes));
  if constexpr (sizeof(A) == 4)
    return static_cast<double>((q[0] + q[2]) + (q[1] + q[3]));
  else
    return q[0] + q[1];
}

}  // namespace normkit
