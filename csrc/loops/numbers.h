// The precisions that tensors come in, and the one that each is computed in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "clones.h"

namespace normkit {

/// The upper half of a float.
struct bfloat16 {
  uint16_t bits;
};

using float16 = _Float16;

template <class T>
struct Computed {
  using type = T;
};
template <>
struct Computed<bfloat16> {
  using type = float;
};
template <>
struct Computed<float16> {
  using type = float;
};

/// What values of T are computed in: double for double, float for the others.
template <class T>
using computed = typename Computed<T>::type;

NORMKIT_INLINE float widened(bfloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

NORMKIT_INLINE float widened(float16 value) { return static_cast<float>(value); }
NORMKIT_INLINE float widened(float value) { return value; }
NORMKIT_INLINE double widened(double value) { return value; }

/// A value to the precision of T.
template <class T>
NORMKIT_INLINE T narrowed(computed<T> value) {
  return static_cast<T>(value);
}

template <>
NORMKIT_INLINE bfloat16 narrowed<bfloat16>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  // To the nearest, ties to even; a NaN stays one.
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>(value != value ? 0x7fc0 : rounded)};
}

/// The values of a run in the precision they are computed in: themselves, or a copy in `buffer`.
template <class A>
NORMKIT_INLINE const A* loaded(const A* values, A*, int64_t) {
  return values;
}

template <class Half>
  requires(sizeof(Half) == 2)
NORMKIT_CLONES static const float* loaded(const Half* values, float* buffer, int64_t count) {
  for (int64_t i = 0; i < count; ++i) buffer[i] = widened(values[i]);
  return buffer;
}

/// Where the result of a run is computed: in its place, or in `buffer`, to be stored from there.
template <class A>
NORMKIT_INLINE A* workplace(A* place, A*) {
  return place;
}
template <class Half>
  requires(sizeof(Half) == 2)
NORMKIT_INLINE float* workplace(Half*, float* buffer) {
  return buffer;
}

template <class A>
NORMKIT_INLINE void store(const A*, A*, int64_t) {}

template <class Half>
  requires(sizeof(Half) == 2)
NORMKIT_CLONES static void store(const float* computed, Half* place, int64_t count) {
  for (int64_t i = 0; i < count; ++i) place[i] = narrowed<Half>(computed[i]);
}

}  // namespace normkit
