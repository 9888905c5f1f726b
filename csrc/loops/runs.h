// What is done to a run: adjacent values, of which those of a plane have mean, variance, γ and β in
// common.
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

/// Adjacent planes, or a part of one. It is handed over in two registers.
struct Planes {
  int64_t count;
  int64_t length;  // of each

  int64_t values() const { return count * length; }
};

/// Calls f(plane, start) for each.
template <class F>
NORMKIT_INLINE void each_of(Planes planes, const F& f) {
  for (int64_t k = 0; k < planes.count; ++k) f(k, k * planes.length);
}

/// Calls f(i) for `count` values, as many at a time as lanes hold; the last of them overlap with
/// those before, so that no value is left to be handled alone. For some i it is called twice, so its
/// result must not be where it reads.
template <class A, class F>
NORMKIT_INLINE void in_lanes(int64_t count, const F& f) {
  constexpr int64_t n = kLanes<A>;
  const auto full = [&](int64_t start) NORMKIT_INLINED {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) f(start + j);
  };
  if (count < n) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) f(i);
    return;
  }
  int64_t i = 0;
  for (; i + n <= count; i += n) full(i);
  if (i < count) full(count - n);
}

/// The sums of two, which share what comes last.
template <class A>
NORMKIT_INLINE Sums sums_of(const Lanes<A>& x, const Lanes<A>& y) {
  const auto p = folded<A>(x), q = folded<A>(y);
  if constexpr (sizeof(A) == 4) {
    const auto r =
        __builtin_shufflevector(p, q, 0, 4, 1, 5) + __builtin_shufflevector(p, q, 2, 6, 3, 7);
    return {static_cast<double>(r[0] + r[2]), static_cast<double>(r[1] + r[3])};
  } else {
    return {p[0] + p[1], q[0] + q[1]};
  }
}

// A sum waits for the one before it, so a run has several, each of as many lanes. The last lanes
// are read once more where they overlap with others, and count as zero there.

template <class A>
NORMKIT_INLINE double total_of(const A* x, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  if (count < n) {
    A sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += x[i];
    return sum;
  }
  Lanes<A> a{}, b{}, c{}, d{};
  int64_t i = 0;
  for (; i + 4 * n <= count; i += 4 * n) {
    a += lanes_at(x + i);
    b += lanes_at(x + i + n);
    c += lanes_at(x + i + 2 * n);
    d += lanes_at(x + i + 3 * n);
  }
  for (; i + n <= count; i += n) a += lanes_at(x + i);
  if (i < count) b += last_of<A>(lanes_at(x + count - n), count - i);
  return sum_of<A>((a + b) + (c + d));
}

template <class A>
NORMKIT_CLONES static double total(const A* x, int64_t count) {
  return total_of(x, count);
}

/// Adds the total of each plane.
template <class A>
NORMKIT_CLONES static void add_totals(const A* x, Sums* sums, Planes planes) {
  each_of(planes, [&](int64_t k, int64_t i) NORMKIT_INLINED {
    sums[k].first += total_of(x + i, planes.length);
  });
}

/// The sums of x − centre, and of its square.
template <class A>
NORMKIT_INLINE Sums centred_sums_of(const A* x, A centre, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  if (count < n) {
    A first = 0, second = 0;
    for (int64_t i = 0; i < count; ++i) {
      const A s = x[i] - centre;
      first += s, second += s * s;
    }
    return {first, second};
  }
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
  if (i < count) {
    const Lanes<A> s = last_of<A>(lanes_at(x + count - n) - centre, count - i);
    b += s, bb += s * s;
  }
  return sums_of<A>((a + b) + (c + d), (aa + bb) + (cc + dd));
}

template <class A>
NORMKIT_CLONES static Sums centred_sums(const A* x, A centre, int64_t count) {
  return centred_sums_of(x, centre, count);
}

/// Adds them for each plane.
template <class A>
NORMKIT_CLONES static void add_centred_sums(
    const A* x, const A* centre, Sums* sums, Planes planes) {
  each_of(planes, [&](int64_t k, int64_t i) NORMKIT_INLINED {
    sums[k].add(centred_sums_of(x + i, centre[k], planes.length));
  });
}

/// dz, where what is given is dy, and the activation was one of what x became.
template <Kind kind, class A, class V>
NORMKIT_INLINE V before(const V& dy, const V& distance, const Affine<A>& by) {
  return before<kind, V>(dy, distance * by.scale + by.shift);
}

/// The sums of dz, and of dz · (x − centre); given dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_INLINE Sums products_of(const A* dz, const A* x, Affine<A> by, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  if (count < n) {
    A first = 0, second = 0;
    for (int64_t i = 0; i < count; ++i) {
      const A s = x[i] - by.centre;
      const A u = before<kind>(dz[i], s, by);
      first += u, second += u * s;
    }
    return {first, second};
  }
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
  if (i < count) {
    const Lanes<A> s = lanes_at(x + count - n) - by.centre;
    const Lanes<A> u = before<kind>(lanes_at(dz + count - n), s, by);
    b += last_of<A>(u, count - i), bb += last_of<A>(u * s, count - i);
  }
  return sums_of<A>(a + b, aa + bb);
}

/// Adds them for each plane.
template <Kind kind, class A>
NORMKIT_CLONES static void add_products(
    const A* dz, const A* x, const Affine<A>* by, Sums* sums, Planes planes) {
  each_of(planes, [&](int64_t k, int64_t i) NORMKIT_INLINED {
    sums[k].add(products_of<kind>(dz + i, x + i, by[k], planes.length));
  });
}

/// z = scale · (x − centre) + shift (+ residual), and the activation, if it is one of a pass.
template <Kind kind, class A>
NORMKIT_CLONES static void scale_and_shift(
    const A* __restrict x, const A* __restrict residual, A* __restrict z, const Affine<A>* by,
    Planes planes) {
  if (residual == nullptr) {
    each_of(planes, [&](int64_t k, int64_t start) NORMKIT_INLINED {
      const Affine<A> one = by[k];
      in_lanes<A>(planes.length, [&](int64_t i) NORMKIT_INLINED {
        const A value = (x[start + i] - one.centre) * one.scale + one.shift;
        z[start + i] = activated<kind>(value);
      });
    });
  } else {
    each_of(planes, [&](int64_t k, int64_t start) NORMKIT_INLINED {
      const Affine<A> one = by[k];
      in_lanes<A>(planes.length, [&](int64_t i) NORMKIT_INLINED {
        const A value =
            (x[start + i] - one.centre) * one.scale + one.shift + residual[start + i];
        z[start + i] = activated<kind>(value);
      });
    });
  }
}

/// dx, given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void input_gradient(
    const A* __restrict dz, const A* __restrict x, A* __restrict dx, const Affine<A>* affines,
    const InputGradient<A>* by, Planes planes) {
  each_of(planes, [&](int64_t k, int64_t start) NORMKIT_INLINED {
    const Affine<A> affine = affines[k];
    const InputGradient<A> one = by[k];
    in_lanes<A>(planes.length, [&](int64_t i) NORMKIT_INLINED {
      const A given = dz[start + i], distance = x[start + i] - affine.centre;
      const A upstream = before<kind>(given, distance, affine);
      dx[start + i] = affine.scale * upstream + (one.of_input * distance + one.constant);
    });
  });
}

}  // namespace normkit
