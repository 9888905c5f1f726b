// What is done to a run: adjacent values that have mean, variance, γ and β in common.
#pragma once

#include "lanes.h"
#include "moments.h"
#include "signs.h"

namespace normkit {

/// Buffers of a run are not set. A build for tests defines NORMKIT_POISON_SCRATCH: then they are NaN,
/// so that it shows where one is read that was not written.
template <class... Buffer>
NORMKIT_INLINE void left_unset([[maybe_unused]] Buffer&... buffers) {
#if defined(NORMKIT_POISON_SCRATCH)
  (std::memset(buffers, 0xff, sizeof buffers), ...);
#endif
}

/// Calls f(start, length) for the runs of `count` values.
template <class F>
NORMKIT_INLINE void in_runs(int64_t count, const F& f) {
  for (int64_t i = 0; i < count; i += kRun) f(i, std::min(kRun, count - i));
}

// A sum waits for the one before it, so a run has several, each of as many lanes. The last lanes
// are read once more where they overlap with others, and count as zero there.

template <class A>
NORMKIT_CLONES static double total(const A* x, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  Lanes<A> a{}, b{}, c{}, d{};
  int64_t i = 0;
  for (; i + 4 * n <= count; i += 4 * n) {
    a += lanes_at(x + i);
    b += lanes_at(x + i + n);
    c += lanes_at(x + i + 2 * n);
    d += lanes_at(x + i + 3 * n);
  }
  for (; i + n <= count; i += n) a += lanes_at(x + i);
  if (i < count && count >= n) {
    b += lanes_at(x + count - n) * last_lanes<A>(count - i);
  } else {
    for (; i < count; ++i) a[i] += x[i];
  }
  return sum_of<A>((a + b) + (c + d));
}

/// The sums of x − centre, and of its square.
template <class A>
NORMKIT_CLONES static Sums centred_sums(const A* x, A centre, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  Lanes<A> a{}, b{}, c{}, d{}, aa{}, bb{}, cc{}, dd{};
  int64_t i = 0;
  for (; i + 4 * n <= count; i += 4 * n) {
    const Lanes<A> s = lanes_at(x + i) - centre, t = lanes_at(x + i + n) - centre;
    const Lanes<A> u = lanes_at(x + i + 2 * n) - centre, v = lanes_at(x + i + 3 * n) - centre;
    a += s, b += t, c += u, d += v;
    aa += s * s, bb += t * t, cc += u * u, dd += v * v;
  }
  for (; i + n <= count; i += n) {
    const Lanes<A> s = lanes_at(x + i) - centre;
    a += s, aa += s * s;
  }
  if (i < count && count >= n) {
    const Lanes<A> s = (lanes_at(x + count - n) - centre) * last_lanes<A>(count - i);
    b += s, bb += s * s;
  } else {
    for (; i < count; ++i) {
      const A s = x[i] - centre;
      a[i] += s, aa[i] += s * s;
    }
  }
  return {sum_of<A>((a + b) + (c + d)), sum_of<A>((aa + bb) + (cc + dd))};
}

/// dz, where what is given is dy, and the activation was one of what x became.
template <Kind kind, class A, class V>
NORMKIT_INLINE V before(const V& dy, const V& distance, const Affine<A>& by) {
  return before<kind, V>(dy, distance * by.scale + by.shift);
}

/// The sums of dz, and of dz · (x − centre); given dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static Sums products(const A* dz, const A* x, Affine<A> by, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  Lanes<A> a{}, b{}, aa{}, bb{};
  int64_t i = 0;
  for (; i + 2 * n <= count; i += 2 * n) {
    const Lanes<A> s = lanes_at(x + i) - by.centre, t = lanes_at(x + i + n) - by.centre;
    const Lanes<A> u = before<kind>(lanes_at(dz + i), s, by);
    const Lanes<A> v = before<kind>(lanes_at(dz + i + n), t, by);
    a += u, b += v;
    aa += u * s, bb += v * t;
  }
  for (; i + n <= count; i += n) {
    const Lanes<A> s = lanes_at(x + i) - by.centre;
    const Lanes<A> u = before<kind>(lanes_at(dz + i), s, by);
    a += u, aa += u * s;
  }
  if (i < count && count >= n) {
    const Lanes<A> s = lanes_at(x + count - n) - by.centre;
    const Lanes<A> u =
        before<kind>(lanes_at(dz + count - n), s, by) * last_lanes<A>(count - i);
    b += u, bb += u * s;
  } else {
    for (; i < count; ++i) {
      const A s = x[i] - by.centre;
      const A u = before<kind>(dz[i], s, by);
      a[i] += u, aa[i] += u * s;
    }
  }
  return {sum_of<A>(a + b), sum_of<A>(aa + bb)};
}

/// z = scale · (x − centre) + shift (+ residual), and the activation, if it is one of a pass.
template <Kind kind, class A>
NORMKIT_CLONES static void scale_and_shift(
    const A* __restrict x, const A* residual, A* __restrict z, Affine<A> by, int64_t count) {
  if (residual == nullptr) {
    for (int64_t i = 0; i < count; ++i) {
      const A value = (x[i] - by.centre) * by.scale + by.shift;
      z[i] = activated<kind>(value);
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const A value = (x[i] - by.centre) * by.scale + by.shift + residual[i];
      z[i] = activated<kind>(value);
    }
  }
}

/// dx, given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void input_gradient(
    const A* __restrict dz, const A* __restrict x, A* __restrict dx, Affine<A> affine,
    InputGradient<A> by, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const A distance = x[i] - affine.centre;
    const A upstream = before<kind>(dz[i], distance, affine);
    dx[i] = affine.scale * upstream + (by.of_input * distance + by.constant);
  }
}

}  // namespace normkit
