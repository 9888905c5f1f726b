// Normalization where each channel of a sample is a plane of adjacent values: (N, C, *), contiguous.
#pragma once

#include <vector>

#include "runs.h"
#include "tensors.h"

namespace normkit {

/// Which planes share mean and variance.
struct Regions {
  int64_t count;       // how many means and variances there are
  int64_t planes;      // in each
  int64_t positions;   // in a plane
  int64_t region_step;  // from a region to the next, in values
  int64_t plane_step;   // from a plane of a region to its next
  int64_t groups;       // the first channel of region r is (r mod groups) · group_step,
  int64_t group_step;
  int64_t channel_step;  // and that of its plane k is k · channel_step further

  /// The same regions of one long plane each, where their planes lie side by side.
  Regions joined() const {
    if (plane_step != positions) return *this;
    return {count, 1, planes * positions, region_step, planes * positions, groups, group_step,
            channel_step};
  }
  int64_t channel(int64_t region, int64_t plane) const {
    return region % groups * group_step + plane * channel_step;
  }
  int64_t offset(int64_t region, int64_t plane) const {
    return region * region_step + plane * plane_step;
  }
  int64_t all_sign_words() const { return count * planes * sign_words(positions); }
  double values() const { return static_cast<double>(planes) * static_cast<double>(positions); }

  /// A region for each channel, of its planes in all samples.
  static Regions over_batch(Shape s) {
    return {s.channels, s.samples, s.positions, s.positions, s.channels * s.positions,
            s.channels, 1, 0};
  }
  /// A region for each group of channels of each sample.
  static Regions over_samples(Shape s, int64_t groups) {
    const int64_t size = s.channels / groups;
    return {s.samples * groups, size, s.positions, size * s.positions, s.positions,
            groups, size, 1};
  }
};

/// Adjacent regions that one thread works on, so many that what it reads twice stays in its cache.
constexpr int64_t kTile = 64 * 1024;

/// Values of a region whose mean is taken before they are squared, while they are in the cache.
constexpr int64_t kBlock = 16 * 1024;

/// Less is not worth another thread.
constexpr int64_t kShare = 16 * 1024;

inline int64_t regions_of_tile(const Regions& r) {
  const int64_t values = std::max<int64_t>(r.planes * r.positions, 1);
  const int64_t most = std::max<int64_t>(kTile / values, 1);
  return std::min(most, std::max(ceil_divided(kShare, values), r.count / 64));
}

/// The planes [first, last) of a region, and of each the positions [from, to).
struct Block {
  int64_t first, last, from, to;

  double values() const {
    return static_cast<double>(last - first) * static_cast<double>(to - from);
  }
};

inline std::vector<Block> blocks_of(const Regions& r) {
  std::vector<Block> blocks;
  blocks.reserve(ceil_divided(r.planes * r.positions, kBlock));
  const int64_t planes = std::max<int64_t>(kBlock / std::max<int64_t>(r.positions, 1), 1);
  for (int64_t k = 0; k < r.planes; k += planes)
    for (int64_t p = 0; p < r.positions; p += kBlock)
      blocks.push_back(
          {k, std::min(k + planes, r.planes), p, std::min(p + kBlock, r.positions)});
  return blocks;
}

/// Calls f(region, plane) for the planes [first, last) of the regions [begin, end), as they lie.
template <class F>
NORMKIT_INLINE void as_they_lie(
    const Regions& r, int64_t begin, int64_t end, int64_t first, int64_t last, const F& f) {
  if (r.plane_step < r.region_step) {
    for (int64_t region = begin; region < end; ++region)
      for (int64_t k = first; k < last; ++k) f(region, k);
  } else {
    for (int64_t k = first; k < last; ++k)
      for (int64_t region = begin; region < end; ++region) f(region, k);
  }
}

/// The same, the planes that lie last first: what was read last is still in the cache.
template <class F>
NORMKIT_INLINE void as_they_lie_reversed(
    const Regions& r, int64_t begin, int64_t end, int64_t first, int64_t last, const F& f) {
  if (r.plane_step < r.region_step) {
    for (int64_t region = end; region-- > begin;)
      for (int64_t k = first; k < last; ++k) f(region, k);
  } else {
    for (int64_t k = last; k-- > first;)
      for (int64_t region = begin; region < end; ++region) f(region, k);
  }
}

/// The moments of the values of a block, for each of the regions [begin, end).
template <class T>
void moments_of_block(
    const Regions& r, const T* x, const Block& block, int64_t begin, int64_t end,
    Moments* result) {
  using A = computed<T>;
  alignas(64) A buffer[kRun];
  left_unset(buffer);
  const int64_t length = block.to - block.from;
  std::vector<Sums> sums(end - begin);
  const auto each_run = [&](const auto& f) {
    as_they_lie(r, begin, end, block.first, block.last, [&](int64_t region, int64_t k) {
      const T* plane = x + r.offset(region, k) + block.from;
      in_runs(length, [&](int64_t i, int64_t n) {
        f(region - begin, loaded(plane + i, buffer, n), n);
      });
    });
  };
  each_run([&](int64_t i, const A* run, int64_t n) { sums[i].first += total(run, n); });
  std::vector<A> centre(end - begin);
  for (int64_t i = 0; i < end - begin; ++i) {
    centre[i] = static_cast<A>(sums[i].first / block.values());
    sums[i] = {};
  }
  each_run([&](int64_t i, const A* run, int64_t n) {
    const Sums more = centred_sums(run, centre[i], n);
    sums[i].first += more.first;
    sums[i].second += more.second;
  });
  for (int64_t i = 0; i < end - begin; ++i)
    result[i] = Moments::around(centre[i], sums[i], block.values());
}

/// What the passes over a plane need to know of it.
template <class A>
struct Plane {
  int64_t offset;  // of its first value
  Affine<A> affine;

  /// Where its signs are.
  int64_t signs(int64_t positions) const { return offset / positions * sign_words(positions); }
};

/// Something for each plane of each region; or for each region, where its planes are of one channel.
template <class V>
struct ForPlanes {
  int64_t distinct;
  std::vector<V> values;

  explicit ForPlanes(const Regions& r)
      : distinct(r.channel_step == 0 ? 1 : r.planes), values(r.count * distinct) {}

  V& at(int64_t region, int64_t k) { return values[distinct == 1 ? region : region * distinct + k]; }

  /// Sets those of a region to f(plane).
  template <class F>
  void set(int64_t region, const F& f) {
    for (int64_t k = 0; k < distinct; ++k) at(region, k) = f(k);
  }
};

template <class T>
void normalise_plane(
    const Plane<computed<T>>& plane, int64_t positions, const Forward<T>& to) {
  using A = computed<T>;
  alignas(64) A values[kRun], added[kRun], place[kRun];
  left_unset(values, added, place);
  in_runs(positions, [&](int64_t i, int64_t n) {
    const int64_t at = plane.offset + i;
    const A* x = loaded(to.input + at, values, n);
    const A* residual = to.residual ? loaded(to.residual + at, added, n) : nullptr;
    A* z = workplace(to.output + at, place);
    with_kind(to.act.kind, [&](auto kind) {
      scale_and_shift<kind>(x, residual, z, plane.affine, n);
    });
    if (to.signs)
      keep_signs(to.act.kind, z, to.signs + plane.signs(positions) + sign_words(i), n);
    if (in_pass(to.act.kind) == Kind::none) activate(to.act, z, n);
    store(z, to.output + at, n);
  });
}

/// dz = dy · act′(z) of a run: dy itself, or computed into `place`.
template <class T>
NORMKIT_INLINE const computed<T>* before_activation(
    const Plane<computed<T>>& plane, int64_t positions, const Backward<T>& from, int64_t i,
    int64_t n, const computed<T>* x, computed<T>* upstream, computed<T>* place) {
  using A = computed<T>;
  const int64_t at = plane.offset + i;
  const A* dy = loaded(from.upstream + at, upstream, n);
  if (from.act.kind == Kind::none || from.in_pass() != Kind::none) return dy;
  if (from.signs) {
    differentiate_by_signs(
        from.signs + plane.signs(positions) + sign_words(i),
        static_cast<A>(from.act.low_slope()), dy, place, n);
    return place;
  }
  alignas(64) A added[kRun];
  left_unset(added);
  const A* residual = from.residual ? loaded(from.residual + at, added, n) : nullptr;
  scale_and_shift<Kind::none>(x, residual, place, plane.affine, n);
  differentiate(from.act, dy, place, n);
  return place;
}

/// The sums of dz and dz · (x − mean) of a plane; dz is written where the residual's gradient goes.
template <class T>
Sums products_of_plane(
    const Plane<computed<T>>& plane, double mean, int64_t positions, const Backward<T>& from) {
  using A = computed<T>;
  alignas(64) A values[kRun], upstream[kRun], place[kRun];
  left_unset(values, upstream, place);
  Sums sums;
  in_runs(positions, [&](int64_t i, int64_t n) {
    const int64_t at = plane.offset + i;
    const A* x = loaded(from.input + at, values, n);
    A* where = from.of_residual ? workplace(from.of_residual + at, place) : place;
    const A* dz = before_activation(plane, positions, from, i, n, x, upstream, where);
    if (from.of_residual) store(dz, from.of_residual + at, n);
    with_kind(from.in_pass(), [&](auto kind) {
      const Sums more = products<kind>(dz, x, plane.affine, n);
      sums.first += more.first;
      sums.second += more.second;
    });
  });
  sums.second -= (mean - static_cast<double>(plane.affine.centre)) * sums.first;
  return sums;
}

template <class T>
void input_gradient_of_plane(
    const Plane<computed<T>>& plane, int64_t positions, const Backward<T>& from,
    InputGradient<computed<T>> by) {
  using A = computed<T>;
  alignas(64) A values[kRun], upstream[kRun], place[kRun], result[kRun];
  left_unset(values, upstream, place, result);
  in_runs(positions, [&](int64_t i, int64_t n) {
    const int64_t at = plane.offset + i;
    const A* x = loaded(from.input + at, values, n);
    const A* dz = from.of_residual
                      ? loaded(from.of_residual + at, upstream, n)
                      : before_activation(plane, positions, from, i, n, x, upstream, place);
    A* dx = workplace(from.of_input + at, result);
    with_kind(from.in_pass(), [&](auto kind) {
      input_gradient<kind>(dz, x, dx, plane.affine, by, n);
    });
    store(dx, from.of_input + at, n);
  });
}

/// Whether there are too few regions for all threads to work on regions of their own.
inline bool has_few_regions(const Regions& r) {
  return ceil_divided(r.count, regions_of_tile(r)) < 8 &&
         static_cast<double>(r.count) * r.values() > 8.0 * kTile;
}

/// Calls f(region, plane) for all, from several threads.
template <class Parallel, class F>
void each_plane(const Regions& r, const Parallel& parallel, const F& f) {
  parallel(r.count * r.planes, std::max<int64_t>(kBlock / std::max<int64_t>(r.positions, 1), 1),
           [&](int64_t begin, int64_t end) {
             for (int64_t i = begin; i < end; ++i) f(i / r.planes, i % r.planes);
           });
}

/// Calls f(begin, end) for tiles of regions, from several threads.
template <class Parallel, class F>
void each_tile(const Regions& r, const Parallel& parallel, const F& f) {
  const int64_t width = regions_of_tile(r);
  parallel(ceil_divided(r.count, width), 1, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile)
      f(tile * width, std::min(tile * width + width, r.count));
  });
}

/// Normalises with the moments of each region, which are returned.
template <class T, class Parallel>
void normalise_planes(
    const Regions& r, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  using A = computed<T>;
  const Regions joined = r.joined();
  const std::vector<Block> blocks = blocks_of(joined);
  ForPlanes<Affine<A>> by(r);
  const auto keep = [&](int64_t region, const Moments& moments) {
    statistics.mean[region] = moments.mean;
    statistics.variance[region] = moments.variance();
    const double reciprocal = reciprocal_root(moments.variance(), eps);
    by.set(region, [&](int64_t k) {
      return affines.affine_of<A>(r.channel(region, k), moments.mean, reciprocal);
    });
  };
  const auto normalise = [&](int64_t region, int64_t k) {
    normalise_plane<T>({r.offset(region, k), by.at(region, k)}, r.positions, to);
  };
  if (has_few_regions(r)) {
    const int64_t count = static_cast<int64_t>(blocks.size());
    std::vector<Moments> parts(r.count * count);
    parallel(r.count * count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        moments_of_block(
            joined, to.input, blocks[i % count], i / count, i / count + 1, &parts[i]);
    });
    for (int64_t region = 0; region < r.count; ++region) {
      Moments whole;
      for (int64_t i = 0; i < count; ++i) whole.add(parts[region * count + i]);
      keep(region, whole);
    }
    each_plane(r, parallel, normalise);
    return;
  }
  each_tile(r, parallel, [&](int64_t begin, int64_t end) {
    std::vector<Moments> whole(end - begin), part(end - begin);
    for (const Block& block : blocks) {
      moments_of_block(joined, to.input, block, begin, end, part.data());
      for (int64_t i = 0; i < end - begin; ++i) whole[i].add(part[i]);
    }
    for (int64_t region = begin; region < end; ++region) keep(region, whole[region - begin]);
    as_they_lie_reversed(r, begin, end, 0, r.planes, normalise);
  });
}

/// The gradients, where the statistics were those of the regions.
template <class T, class Parallel>
void differentiate_planes(
    const Regions& r, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  std::vector<Sums> of_planes(r.count * r.planes);
  ForPlanes<Affine<A>> by(r);
  std::vector<InputGradient<A>> gradient(r.count);
  const auto prepare = [&](int64_t region) {
    const double reciprocal = reciprocal_root(statistics.variance[region], eps);
    by.set(region, [&](int64_t k) {
      return affines.affine_of<A>(r.channel(region, k), statistics.mean[region], reciprocal);
    });
  };
  const auto sum = [&](int64_t region, int64_t k) {
    of_planes[region * r.planes + k] = products_of_plane<T>(
        {r.offset(region, k), by.at(region, k)}, statistics.mean[region], r.positions, from);
  };
  const auto put_together = [&](int64_t region) {
    const double reciprocal = reciprocal_root(statistics.variance[region], eps);
    Sums sums;
    for (int64_t k = 0; k < r.planes; ++k) {
      const double gamma = affines.weight[r.channel(region, k)];
      sums.first += gamma * of_planes[region * r.planes + k].first;
      sums.second += gamma * of_planes[region * r.planes + k].second;
    }
    gradient[region] =
        InputGradient<A>::of(statistics.mean[region], reciprocal, sums, r.values());
  };
  const auto differentiate = [&](int64_t region, int64_t k) {
    input_gradient_of_plane<T>(
        {r.offset(region, k), by.at(region, k)}, r.positions, from, gradient[region]);
  };
  if (has_few_regions(r)) {
    for (int64_t region = 0; region < r.count; ++region) prepare(region);
    each_plane(r, parallel, sum);
    if (from.of_input) {
      for (int64_t region = 0; region < r.count; ++region) put_together(region);
      each_plane(r, parallel, differentiate);
    }
  } else {
    each_tile(r, parallel, [&](int64_t begin, int64_t end) {
      for (int64_t region = begin; region < end; ++region) prepare(region);
      as_they_lie(r, begin, end, 0, r.planes, sum);
      if (!from.of_input) return;
      for (int64_t region = begin; region < end; ++region) put_together(region);
      as_they_lie_reversed(r, begin, end, 0, r.planes, differentiate);
    });
  }
  for (int64_t region = 0; region < r.count; ++region) {
    const double reciprocal = reciprocal_root(statistics.variance[region], eps);
    for (int64_t k = 0; k < r.planes; ++k)
      into.add(r.channel(region, k), of_planes[region * r.planes + k], reciprocal);
  }
}

/// For each channel what its planes are multiplied with, where the statistics are given.
template <class A>
std::vector<Affine<A>> given_affines(
    Shape shape, const Affines& affines, double eps, Statistics statistics) {
  std::vector<Affine<A>> result(shape.channels);
  for (int64_t c = 0; c < shape.channels; ++c)
    result[c] = affines.affine_of<A>(
        c, statistics.mean[c], reciprocal_root(statistics.variance[c], eps));
  return result;
}

/// Normalises with statistics that are given for each channel.
template <class T, class Parallel>
void apply_planes(
    Shape shape, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  const Regions r = Regions::over_samples(shape, shape.channels);
  const auto by = given_affines<computed<T>>(shape, affines, eps, statistics);
  each_plane(r, parallel, [&](int64_t region, int64_t k) {
    normalise_plane<T>({r.offset(region, k), by[r.channel(region, k)]}, r.positions, to);
  });
}

/// The gradients, where the statistics were given: the input's is a multiple of dz.
template <class T, class Parallel>
void differentiate_applied_planes(
    Shape shape, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const Regions r = Regions::over_samples(shape, shape.channels);
  const auto by = given_affines<A>(shape, affines, eps, statistics);
  std::vector<Sums> of_planes(r.count);
  each_plane(r, parallel, [&](int64_t region, int64_t k) {
    const int64_t channel = r.channel(region, k);
    const Plane<A> plane{r.offset(region, k), by[channel]};
    of_planes[region] = products_of_plane(plane, statistics.mean[channel], r.positions, from);
    if (from.of_input)
      input_gradient_of_plane(plane, r.positions, from, {0, 0});
  });
  for (int64_t region = 0; region < r.count; ++region) {
    const int64_t channel = r.channel(region, 0);
    into.add(channel, of_planes[region], reciprocal_root(statistics.variance[channel], eps));
  }
}

}  // namespace normkit
