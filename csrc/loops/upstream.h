// dz = dy · act′(z): the gradient of what an activation is given.
#pragma once

#include "runs.h"
#include "tensors.h"

namespace normkit {

/// dz of the `count` values from `at` on: dy itself, or computed into `place`.
///
/// `signs` are those of the values, where signs are kept; normalise(residual, place) makes their z
/// anew, where they are not.
template <class T, class F>
NORMKIT_INLINE const computed<T>* before_activation(
    const Backward<T>& from, int64_t at, int64_t signs, int64_t count, computed<T>* upstream,
    computed<T>* place, const F& normalise) {
  using A = computed<T>;
  const A* dy = loaded(from.upstream + at, upstream, count);
  if (!from.has_step_of_activation()) return dy;
  if (from.signs) {
    const A low_slope = static_cast<A>(from.act.low_slope());
    differentiate_by_signs(from.signs + signs, low_slope, dy, place, count);
    return place;
  }
  alignas(64) A added[kRun];
  left_unset(added);
  normalise(from.residual ? loaded(from.residual + at, added, count) : nullptr, place);
  differentiate(from.act, dy, place, count);
  return place;
}

}  // namespace normkit
