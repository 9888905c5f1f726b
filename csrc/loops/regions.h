// Which planes of (N, C, *) share mean and variance, and the order in which they are gone through.
#pragma once

#include <vector>

#include "runs.h"
#include "tensors.h"

namespace normkit {

/// Planes are numbered as they lie: that of channel c of sample n is n · channels + c.
struct Regions {
  int64_t count;      // how many means and variances there are
  int64_t planes;     // in each
  int64_t positions;  // in a plane
  int64_t region_step;  // from a region to the next, in planes
  int64_t plane_step;   // from a plane of a region to its next
  int64_t channels;
  int64_t groups;  // of channels, each with a region of its own

  /// A region for each channel, of its planes in all samples.
  static Regions over_batch(Shape s) {
    return {s.channels, s.samples, s.positions, 1, s.channels, s.channels, s.channels};
  }
  /// A region for each group of channels of each sample.
  static Regions over_samples(Shape s, int64_t groups) {
    const int64_t size = s.channels / groups;
    return {s.samples * groups, size, s.positions, size, 1, s.channels, groups};
  }

  /// The same regions of one long plane each, where their planes are adjacent.
  Regions joined() const {
    if (plane_step != 1) return *this;
    return {count, 1, planes * positions, 1, 1, count, count};
  }
  /// Whether a region lies as a whole before the next.
  bool in_turn() const { return region_step == planes; }

  int64_t all_planes() const { return count * planes; }
  int64_t plane(int64_t region, int64_t k) const { return region * region_step + k * plane_step; }
  int64_t first_channel(int64_t region) const { return region % groups * (channels / groups); }
  /// From the channel of a plane of a region to that of its next.
  int64_t channel_step() const { return channels == groups ? 0 : 1; }
  double values() const { return static_cast<double>(planes) * static_cast<double>(positions); }

  int64_t planes_of_run() const { return std::max<int64_t>(kRun / positions, 1); }
  int64_t all_sign_words() const { return all_planes() * sign_words(positions); }
};

/// Adjacent values that are handled at once: part of a plane, or several whole short ones.
struct Run {
  Planes planes;
  int64_t plane;   // the number of the first
  int64_t entry;   // of the first, in what is kept for planes
  int64_t offset;  // of the first value
  int64_t signs;   // of the first word
};

/// Something for each plane of the regions [begin, end); or for each region, where its planes are of
/// one channel.
template <class V>
struct ForPlanes {
  int64_t distinct;     // how many a region has
  int64_t first_entry;  // that of the first region's planes
  std::vector<V> values;

  ForPlanes(const Regions& r, int64_t begin, int64_t end)
      : distinct(r.in_turn() ? r.planes : 1),
        first_entry(begin * distinct),
        values((end - begin) * distinct) {}

  /// Those of a region.
  V* of(int64_t region) { return &values[region * distinct - first_entry]; }
  const V* of(int64_t region) const { return &values[region * distinct - first_entry]; }
  /// Those of a run's planes.
  const V* of(const Run& run) const { return &values[run.entry - first_entry]; }
};

/// Values of adjacent regions that one thread works on, so many that what it reads twice stays in its
/// cache.
constexpr int64_t kBundle = 64 * 1024;

/// Values of bundles that it takes together, where the planes of a region lie apart: to read longer
/// stretches of memory gains more than it costs to find them in a larger cache.
constexpr int64_t kTogetherApart = 256 * 1024;

/// Values of a region whose mean is taken before they are squared, while they are in the cache.
constexpr int64_t kBlock = 16 * 1024;

/// Less is not worth another thread.
constexpr int64_t kShare = 16 * 1024;

inline int64_t regions_of_bundle(const Regions& r) {
  const int64_t values = r.planes * r.positions;
  const int64_t most = std::max<int64_t>(kBundle / values, 1);
  return std::min(most, std::max(ceil_divided(kShare, values), r.count / 64));
}

inline int64_t bundles_together(const Regions& r) {
  if (r.in_turn()) return 1;
  return std::max<int64_t>(kTogetherApart / (regions_of_bundle(r) * r.planes * r.positions), 1);
}

/// Whether there are too few regions for all threads to work on regions of their own.
inline bool has_few_regions(const Regions& r) {
  return ceil_divided(r.count, regions_of_bundle(r)) < 8 &&
         static_cast<double>(r.count) * r.values() > 8.0 * kBundle;
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
  const int64_t planes = std::max<int64_t>(kBlock / r.positions, 1);
  for (int64_t k = 0; k < r.planes; k += planes)
    for (int64_t p = 0; p < r.positions; p += kBlock)
      blocks.push_back(
          {k, std::min(k + planes, r.planes), p, std::min(p + kBlock, r.positions)});
  return blocks;
}

/// Adjacent planes, which have adjacent entries in what is kept for planes.
struct Adjacent {
  int64_t plane, entry, count;
  int64_t signs;  // of the first word: enough for those of each plane, fewer for those of runs

  static Adjacent of(const Regions& r, int64_t plane, int64_t entry, int64_t count) {
    return {plane, entry, count, plane * sign_words(r.positions)};
  }
  /// Some of its planes, from the first of a run on.
  Adjacent part(const Regions& r, int64_t from, int64_t most) const {
    return {plane + from, entry + from, std::min(most, count - from),
            signs + from / r.planes_of_run() * sign_words(r.planes_of_run() * r.positions)};
  }
};

/// Calls f(run) for the runs of adjacent planes, of the positions [from, to) of each.
///
/// How it is cut decides where signs are: a backward goes through the planes as its forward did.
template <class F>
NORMKIT_INLINE void each_run(
    const Regions& r, const Adjacent& s, int64_t most, int64_t from, int64_t to, const F& f) {
  const int64_t step = std::max<int64_t>(most / r.positions, 1);
  const int64_t words = sign_words(step * r.positions);
  int64_t signs = s.signs;
  for (int64_t k = 0; k < s.count; k += step, signs += words) {
    const int64_t planes = std::min(step, s.count - k), offset = (s.plane + k) * r.positions;
    for (int64_t i = from; i < to; i += most)
      f(Run{{planes, std::min(most, to - i)}, s.plane + k, s.entry + k, offset + i,
            signs + sign_words(i)});
  }
}

template <class F>
NORMKIT_INLINE void each_run(const Regions& r, const Adjacent& s, int64_t most, const F& f) {
  each_run(r, s, most, 0, r.positions, f);
}

/// Calls f(Adjacent) for plane k of the regions [begin, end), which lie apart, a bundle at a time: how
/// many are taken together must not decide where signs are.
template <class F>
NORMKIT_INLINE void each_of_plane(
    const Regions& r, int64_t begin, int64_t end, int64_t k, const F& f) {
  const int64_t width = regions_of_bundle(r);
  for (int64_t region = begin; region < end; region += width)
    f(Adjacent::of(r, r.plane(region, k), region, std::min(width, end - region)));
}

/// Calls f(Adjacent) for the planes [first, last) of the regions [begin, end), as they lie; for all
/// planes, where a region lies before the next.
template <class F>
NORMKIT_INLINE void each_adjacent(
    const Regions& r, int64_t begin, int64_t end, int64_t first, int64_t last, const F& f) {
  if (r.in_turn()) {
    const int64_t plane = begin * r.planes;
    f(Adjacent::of(r, plane, plane, (end - begin) * r.planes));
  } else {
    for (int64_t k = first; k < last; ++k) each_of_plane(r, begin, end, k, f);
  }
}

template <class F>
NORMKIT_INLINE void each_adjacent(const Regions& r, int64_t begin, int64_t end, const F& f) {
  each_adjacent(r, begin, end, 0, r.planes, f);
}

/// Adds f(region, k) of plane k of each of the regions [begin, end), as the planes lie, to the totals
/// of the regions.
template <class F>
NORMKIT_INLINE void add_as_they_lie(
    const Regions& r, int64_t begin, int64_t end, Sums* totals, const F& f) {
  if (r.in_turn()) {
    for (int64_t region = begin; region < end; ++region) {
      Sums total = totals[region - begin];  // Not in memory that f may write to.
      for (int64_t k = 0; k < r.planes; ++k) total.add(f(region, k));
      totals[region - begin] = total;
    }
  } else {
    for (int64_t k = 0; k < r.planes; ++k)
      for (int64_t region = begin; region < end; ++region)
        totals[region - begin].add(f(region, k));
  }
}

/// So many planes that they are cut to whole runs, and are a part of what a cache holds.
inline int64_t planes_of_part(const Regions& r) {
  const int64_t step = r.planes_of_run();
  return std::max<int64_t>(kBlock / (step * r.positions), 1) * step;
}

/// Calls f(Adjacent) for parts of all planes of the regions [begin, end), those that lie last first:
/// what was read last is still in the cache.
template <class F>
NORMKIT_INLINE void each_adjacent_reversed(
    const Regions& r, int64_t begin, int64_t end, const F& f) {
  if (r.in_turn()) {
    const int64_t plane = begin * r.planes, size = planes_of_part(r);
    const Adjacent all = Adjacent::of(r, plane, plane, (end - begin) * r.planes);
    for (int64_t k = (all.count - 1) / size * size; k >= 0; k -= size) f(all.part(r, k, size));
  } else {
    for (int64_t k = r.planes; k-- > 0;) each_of_plane(r, begin, end, k, f);
  }
}

/// Calls f(Adjacent) for parts of all planes, from several threads.
template <class Parallel, class F>
void each_part(const Regions& r, const Parallel& parallel, const F& f) {
  const int64_t length = r.in_turn() ? r.all_planes() : r.count;
  const int64_t size = std::min(planes_of_part(r), length), parts = ceil_divided(length, size);
  parallel(r.all_planes() / length * parts,
           std::max<int64_t>(kBlock / (size * r.positions), 1),
           [&](int64_t begin, int64_t end) {
             for (int64_t i = begin; i < end; ++i) {
               const int64_t entry = i % parts * size;
               f(Adjacent::of(
                   r, i / parts * length + entry, entry, std::min(size, length - entry)));
             }
           });
}

/// Calls f(begin, end) for regions that are taken together, from several threads.
template <class Parallel, class F>
void each_bundle(const Regions& r, const Parallel& parallel, const F& f) {
  const int64_t width = regions_of_bundle(r), together = bundles_together(r);
  parallel(ceil_divided(r.count, width), 1, [&](int64_t first, int64_t last) {
    for (int64_t bundle = first; bundle < last; bundle += together)
      f(bundle * width, std::min(std::min(bundle + together, last) * width, r.count));
  });
}

}  // namespace normkit
