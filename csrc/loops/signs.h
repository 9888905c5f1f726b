// On which side of its bend an activation with two slopes was: one bit per value.
//
// Where a residual was added, the input alone does not tell any more what came before the
// activation. The bits are kept for the backward, so that neither output nor residual need be.
#pragma once

#include "activation.h"
#include "lanes.h"

namespace normkit {

/// The most values that are handled at once: a few runs of this length stay in the first cache.
constexpr int64_t kRun = 512;

constexpr int64_t ceil_divided(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Values go to as many words side by side, so that the loops are ones over vectors.
constexpr int64_t kWords = 8;

/// The values whose bits fill the words.
constexpr int64_t kSigned = 32 * kWords;

/// How many words hold the bits of `count` adjacent values.
constexpr int64_t sign_words(int64_t count) { return ceil_divided(count, kSigned) * kWords; }

/// Calls f(start, bit, length) for the values that go to one bit of the words, of a group of them.
template <class F>
NORMKIT_INLINE void each_bit(int64_t count, const F& f) {
  int64_t bit = 0, start = 0;
  for (; start + kWords <= count; ++bit, start += kWords)
    f(start, bit, std::integral_constant<int64_t, kWords>());
  if (start < count) f(start, bit, count - start);
}

template <Kind kind, class A>
NORMKIT_INLINE void keep_signs_of_group(
    const A* __restrict z, uint32_t* __restrict words, int64_t count) {
  uint32_t bits[kWords] = {};
  each_bit(count, [&](int64_t start, int64_t bit, auto length) {
    const uint32_t set = uint32_t{1} << bit;
    for (int64_t w = 0; w < length; ++w) bits[w] |= is_steep(z[start + w], kind) ? set : 0;
  });
  for (int64_t w = 0; w < kWords; ++w) words[w] = bits[w];
}

/// Value 8 · b + w goes to bit b of word w.
template <class A>
NORMKIT_CLONES static void keep_signs(Kind kind, const A* z, uint32_t* words, int64_t count) {
  for (int64_t i = 0; i < count; i += kSigned) {
    const int64_t n = count - i < kSigned ? count - i : kSigned;
    uint32_t* group = words + i / kSigned * kWords;
    if (kind == Kind::leaky_relu)
      keep_signs_of_group<Kind::leaky_relu>(z + i, group, n);
    else if (kind == Kind::relu6)
      keep_signs_of_group<Kind::relu6>(z + i, group, n);
    else
      keep_signs_of_group<Kind::relu>(z + i, group, n);
  }
}

/// Integers as wide as A.
template <class A>
using Bits = std::conditional_t<sizeof(A) == 4, uint32_t, uint64_t>;

/// The value where `mask` is all ones, zero where it is none, whatever the value is.
template <class A>
NORMKIT_INLINE A masked(A value, Bits<A> mask) {
  Bits<A> bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits &= mask;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

template <bool flat, class A>
NORMKIT_INLINE void differentiate_group(
    const uint32_t* __restrict bits, A low_slope, const A* __restrict upstream,
    A* __restrict result, int64_t count) {
  each_bit(count, [&](int64_t start, int64_t bit, auto length) {
    for (int64_t w = 0; w < length; ++w) {
      // Masks, since GCC makes no vector code of a choice by a bit.
      const Bits<A> steep = -static_cast<Bits<A>>((bits[w] >> bit) & 1);
      const A dy = upstream[start + w];
      result[start + w] =
          flat ? masked(dy, steep) : masked(dy, steep) + masked(dy * low_slope, ~steep);
    }
  });
}

/// upstream where the bit is set, low_slope · upstream where it is not; 0 where the slope is 0, since
/// an upstream gradient may be infinite.
template <class A>
NORMKIT_CLONES static void differentiate_by_signs(
    const uint32_t* words, A low_slope, const A* upstream, A* result, int64_t count) {
  for (int64_t i = 0; i < count; i += kSigned) {
    const int64_t n = count - i < kSigned ? count - i : kSigned;
    const uint32_t* group = words + i / kSigned * kWords;
    if (low_slope == A(0))
      differentiate_group<true>(group, low_slope, upstream + i, result + i, n);
    else
      differentiate_group<false>(group, low_slope, upstream + i, result + i, n);
  }
}

/// The words of a group, for lanes of its values.
template <class A>
struct SignLanes {
  Lanes<Bits<A>> words;

  NORMKIT_INLINE explicit SignLanes(const uint32_t* group) {
    for (int64_t lane = 0; lane < kLanes<A>; ++lane) words[lane] = group[lane % kWords];
  }

  /// dz of the lanes from value i of the group on.
  template <bool flat>
  NORMKIT_INLINE Lanes<A> differentiate(const Lanes<A>& dy, A low_slope, int64_t i) const {
    Lanes<Bits<A>> set;
    for (int64_t lane = 0; lane < kLanes<A>; ++lane) set[lane] = Bits<A>{1} << lane / kWords;
    const auto steep = (words & set << static_cast<Bits<A>>(i / kWords)) != 0;
    if constexpr (flat)
      return steep ? dy : Lanes<A>{};
    else
      return steep ? dy : dy * low_slope;
  }
};

/// dz of value i of a group.
template <bool flat, class A>
NORMKIT_INLINE A differentiate_by_sign(const uint32_t* group, A dy, A low_slope, int64_t i) {
  const bool steep = group[i % kWords] >> i / kWords & 1;
  return steep ? dy : (flat ? A(0) : dy * low_slope);
}

}  // namespace normkit
