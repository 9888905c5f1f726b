// The activations that a kernel applies in its own pass, and their derivatives.
#pragma once

#include <cmath>

#include "clones.h"
#include "numbers.h"

namespace normkit {

/// Which activation; the numbers are those of normkit/kernels/activation.py.
enum class Kind : int64_t { none, relu, leaky_relu, relu6, silu, gelu, hardswish };

/// An activation, with the slope of a leaky ReLU for negative values.
struct Activation {
  Kind kind = Kind::none;
  double slope = 0;

  /// The derivative where it is not one, of an activation with two slopes.
  double low_slope() const { return kind == Kind::leaky_relu ? slope : 0; }
};

// The comparisons are the ones that let a NaN through, as PyTorch's do.

template <class V>
NORMKIT_INLINE V relu(const V& z) {
  return z <= 0 ? V{} : z;
}

template <class V>
NORMKIT_INLINE V relu6(const V& z) {
  const V positive = relu(z);
  return positive >= 6 ? V{} + 6 : positive;
}

/// What a pass applies itself: none, relu or relu6; the others have loops of their own.
constexpr Kind in_pass(Kind kind) {
  return kind == Kind::relu || kind == Kind::relu6 ? kind : Kind::none;
}

/// Calls f<kind>() for what a pass applies itself.
template <class F>
NORMKIT_INLINE void with_kind(Kind kind, const F& f) {
  if (kind == Kind::relu)
    f(std::integral_constant<Kind, Kind::relu>());
  else if (kind == Kind::relu6)
    f(std::integral_constant<Kind, Kind::relu6>());
  else
    f(std::integral_constant<Kind, Kind::none>());
}

template <Kind kind, class V>
NORMKIT_INLINE V activated(const V& z) {
  if constexpr (kind == Kind::relu) return relu(z);
  if constexpr (kind == Kind::relu6) return relu6(z);
  return z;
}

/// The distance to the nearer bend of ReLU6, negative outside: one comparison tells its derivative,
/// since of two GCC makes no vector code.
template <class V>
NORMKIT_INLINE V nearer_bend(const V& z) {
  const V other = 6 - z;
  return other < z ? other : z;
}

/// dz, given dy and z, one value or several; of what a pass applies itself.
template <Kind kind, class V>
NORMKIT_INLINE V before(const V& dy, const V& z) {
  if constexpr (kind == Kind::relu) {
    return z <= 0 ? V{} : dy;
  } else if constexpr (kind == Kind::relu6) {
    return nearer_bend(z) > 0 ? dy : V{};
  } else {
    return dy;
  }
}

/// Whether the derivative is one, of an activation with two slopes.
template <class A>
NORMKIT_INLINE bool is_steep(A z, Kind kind) {
  if (kind == Kind::leaky_relu) return z > A(0);
  if (kind == Kind::relu6) return nearer_bend(z) > A(0);
  return !(z <= A(0));
}

NORMKIT_INLINE double exponential(double x) { return std::exp(x); }

/// e^x = 2^n · e^r with |r| ≤ ln 2 / 2, where the series is exact to a float after eight terms.
NORMKIT_INLINE float exponential(float x) {
  // The powers beyond a float's, 2^-127 and 2^128, have the bits of 0 and of infinity.
  x = x > 89.0f ? 89.0f : x;
  x = x < -88.0f ? -88.0f : x;
  // Adding 1.5 · 2^23 rounds to a whole number.
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float e = 1.0f / 5040;
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const int32_t exponent = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &exponent, sizeof power);
  return e * power;
}

template <class A>
NORMKIT_INLINE A sigmoid(A z) {
  return A(1) / (A(1) + exponential(-z));
}

/// The density of the standard normal distribution.
template <class A>
NORMKIT_INLINE A normal_density(A z) {
  return A(0.3989422804014327) * exponential(A(-0.5) * z * z);
}

NORMKIT_INLINE double normal_distribution(double z) {
  return 0.5 * std::erfc(-0.7071067811865476 * z);
}

/// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17: to 7.5e-8.
NORMKIT_INLINE float normal_distribution(float z) {
  const float size = std::fabs(z);
  const float t = 1.0f / (1.0f + 0.2316419f * size);
  float tail = 1.330274429f;
  tail = tail * t - 1.821255978f;
  tail = tail * t + 1.781477937f;
  tail = tail * t - 0.356563782f;
  tail = tail * t + 0.319381530f;
  tail = tail * t * normal_density(size);
  return z > 0.0f ? 1.0f - tail : tail;
}

/// act(z), for the activations that are not worth a loop of their own elsewhere.
template <class A>
NORMKIT_CLONES static void activate(Activation act, A* z, int64_t count) {
  const A slope = static_cast<A>(act.slope);
  switch (act.kind) {
    case Kind::none:
      return;
    case Kind::relu:
      for (int64_t i = 0; i < count; ++i) z[i] = relu(z[i]);
      return;
    case Kind::leaky_relu:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] > A(0) ? z[i] : z[i] * slope;
      return;
    case Kind::relu6:
      for (int64_t i = 0; i < count; ++i) z[i] = relu6(z[i]);
      return;
    case Kind::silu:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] * sigmoid(z[i]);
      return;
    case Kind::gelu:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] * normal_distribution(z[i]);
      return;
    case Kind::hardswish:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] * relu6(z[i] + A(3)) * A(1.0 / 6);
      return;
  }
}

/// upstream · act′(z), written over z.
template <class A>
NORMKIT_CLONES static void differentiate(
    Activation act, const A* __restrict upstream, A* __restrict z, int64_t count) {
  const A slope = static_cast<A>(act.slope);
  switch (act.kind) {
    case Kind::none:
      for (int64_t i = 0; i < count; ++i) z[i] = upstream[i];
      return;
    case Kind::relu:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] <= A(0) ? A(0) : upstream[i];
      return;
    case Kind::leaky_relu:
      for (int64_t i = 0; i < count; ++i) z[i] = z[i] > A(0) ? upstream[i] : upstream[i] * slope;
      return;
    case Kind::relu6:
      for (int64_t i = 0; i < count; ++i)
        z[i] = nearer_bend(z[i]) > A(0) ? upstream[i] : A(0);
      return;
    case Kind::silu:
      for (int64_t i = 0; i < count; ++i) {
        const A s = sigmoid(z[i]);
        z[i] = upstream[i] * (s * (A(1) + z[i] * (A(1) - s)));
      }
      return;
    case Kind::gelu:
      for (int64_t i = 0; i < count; ++i)
        z[i] = upstream[i] * (normal_distribution(z[i]) + z[i] * normal_density(z[i]));
      return;
    case Kind::hardswish:
      for (int64_t i = 0; i < count; ++i) {
        const A inside = z[i] * A(1.0 / 3) + A(0.5);
        const A slope_here = z[i] < A(-3) ? A(0) : (z[i] <= A(3) ? inside : A(1));
        z[i] = upstream[i] * slope_here;
      }
      return;
  }
}

}  // namespace normkit
