// Normalization where each channel of a sample is a plane of adjacent values: (N, C, *), contiguous.
#pragma once

#include <memory>
#include <vector>

#include "regions.h"
#include "upstream.h"

namespace normkit {

/// The most values of a run: more where it needs no buffers, and so are fewer calls.
template <class T>
constexpr int64_t longest_run(bool needs_buffers) {
  return needs_buffers || !std::is_same_v<T, computed<T>> ? kRun : 8 * kRun;
}

/// Signs lie by runs, so these are as long forward as backward.
template <class T>
int64_t longest_run(const Forward<T>& to) {
  return longest_run<T>(to.signs != nullptr);
}
template <class T>
int64_t longest_run(const Backward<T>& from) {
  return longest_run<T>(from.has_step_of_activation());
}

/// Asks for the values of the next planes that a first pass reads, where these lie apart and are short:
/// a processor cannot know where they are, and reads on by itself only after a while.
template <class T>
NORMKIT_INLINE void read_ahead(const Regions& r, const Adjacent& s, const T* values) {
  constexpr int64_t line = 64 / sizeof(T), most = 4096 / sizeof(T);
  const int64_t count = s.count * r.positions;
  if (r.in_turn() || count > most || s.plane + r.plane_step >= r.all_planes()) return;
  const T* next = values + (s.plane + r.plane_step) * r.positions;
  for (int64_t i = 0; i < count; i += line) __builtin_prefetch(next + i, 0, 2);
}

/// The moments of the values of a block, for each of the regions [begin, end).
template <class T>
void moments_of_block(
    const Regions& r, const T* x, const Block& block, int64_t begin, int64_t end,
    Moments* result) {
  using A = computed<T>;
  alignas(64) A buffer[kRun];
  left_unset(buffer);
  std::vector<Sums> sums(end - begin);
  const auto each = [&](bool is_first, const auto& f) {
    each_adjacent(r, begin, end, block.first, block.last, [&](const Adjacent& adjacent) {
      if (is_first && block.from == 0) read_ahead(r, adjacent, x);
      each_run(r, adjacent, longest_run<T>(false), block.from, block.to, [&](const Run& run) {
        f(loaded(x + run.offset, buffer, run.planes.values()), run.entry - begin, run);
      });
    });
  };
  each(true, [&](const A* values, int64_t i, const Run& run) {
    add_totals(values, &sums[i], run.planes);
  });
  std::vector<A> centre(end - begin);
  for (int64_t i = 0; i < end - begin; ++i) {
    centre[i] = static_cast<A>(sums[i].first / block.values());
    sums[i] = {};
  }
  each(false, [&](const A* values, int64_t i, const Run& run) {
    add_centred_sums(values, &centre[i], &sums[i], run.planes);
  });
  for (int64_t i = 0; i < end - begin; ++i)
    result[i] = Moments::around(centre[i], sums[i], block.values());
}

template <class T>
void normalise_run(const Run& run, const Affine<computed<T>>* by, const Forward<T>& to) {
  using A = computed<T>;
  alignas(64) A values[kRun], added[kRun], place[kRun];
  left_unset(values, added, place);
  const int64_t at = run.offset, n = run.planes.values();
  const A* x = loaded(to.input + at, values, n);
  const A* residual = to.residual ? loaded(to.residual + at, added, n) : nullptr;
  A* z = workplace(to.output + at, place);
  with_kind(to.act.kind, [&](auto kind) { scale_and_shift<kind>(x, residual, z, by, run.planes); });
  if (to.signs) keep_signs(to.act.kind, z, to.signs + run.signs, n);
  if (in_pass(to.act.kind) == Kind::none) activate(to.act, z, n);
  store(z, to.output + at, n);
}

/// dz = dy · act′(z) of a run: dy itself, or computed into `place`.
template <class T>
NORMKIT_INLINE const computed<T>* before_activation(
    const Run& run, const Affine<computed<T>>* by, const Backward<T>& from,
    const computed<T>* x, computed<T>* upstream, computed<T>* place) {
  using A = computed<T>;
  return before_activation(
      from, run.offset, run.signs, run.planes.values(), upstream, place,
      [&](const A* residual, A* z) {
        scale_and_shift<Kind::none>(x, residual, z, by, run.planes);
      });
}

/// Adds the sums of dz and dz · (x − centre) of each plane; dz is written where the residual's
/// gradient goes.
template <class T>
void add_products_of_run(
    const Run& run, const Affine<computed<T>>* by, const Backward<T>& from, Sums* sums) {
  using A = computed<T>;
  alignas(64) A values[kRun], upstream[kRun], place[kRun];
  left_unset(values, upstream, place);
  const int64_t at = run.offset, n = run.planes.values();
  const A* x = loaded(from.input + at, values, n);
  A* where = from.of_residual ? workplace(from.of_residual + at, place) : place;
  const A* dz = before_activation(run, by, from, x, upstream, where);
  if (from.of_residual) store(dz, from.of_residual + at, n);
  with_kind(from.in_pass(), [&](auto kind) { add_products<kind>(dz, x, by, sums, run.planes); });
}

template <class T>
void differentiate_run(
    const Run& run, const Affine<computed<T>>* affines, const InputGradient<computed<T>>* by,
    const Backward<T>& from) {
  using A = computed<T>;
  alignas(64) A values[kRun], upstream[kRun], place[kRun], result[kRun];
  left_unset(values, upstream, place, result);
  const int64_t at = run.offset, n = run.planes.values();
  const A* x = loaded(from.input + at, values, n);
  const A* dz = from.of_residual ? loaded(from.of_residual + at, upstream, n)
                                 : before_activation(run, affines, from, x, upstream, place);
  A* dx = workplace(from.of_input + at, result);
  with_kind(from.in_pass(), [&](auto kind) {
    input_gradient<kind>(dz, x, dx, affines, by, run.planes);
  });
  store(dx, from.of_input + at, n);
}

/// What the regions [begin, end) have in common, and how their planes are scaled and shifted.
///
/// Where a thread works on regions of its own, each bundle of them has one, in the thread's cache.
template <class A>
struct Scaling {
  const Regions& regions;
  const Affines& given;
  int64_t begin;
  ForPlanes<Affine<A>> affines;
  std::vector<double> reciprocals;

  Scaling(const Regions& r, const Affines& affines, int64_t begin, int64_t end)
      : regions(r), given(affines), begin(begin), affines(r, begin, end), reciprocals(end - begin) {}

  /// Of regions with statistics that are known.
  Scaling(
      const Regions& r, const Affines& affines, Statistics statistics, double eps, int64_t begin,
      int64_t end)
      : Scaling(r, affines, begin, end) {
    for (int64_t region = begin; region < end; ++region)
      set(region, statistics.mean[region], statistics.variance[region], eps);
  }

  void set(int64_t region, double mean, double variance, double eps) {
    const double reciprocal = reciprocal_root(variance, eps);
    const int64_t first = regions.first_channel(region);
    reciprocals[region - begin] = reciprocal;
    Affine<A>* by = affines.of(region);
    for (int64_t k = 0; k < affines.distinct; ++k)
      by[k] = given.affine_of<A>(first + k, mean, reciprocal);
  }

  double reciprocal(int64_t region) const { return reciprocals[region - begin]; }

  /// The sums of dz and dz · (x − mean) of a plane, given those of dz and dz · (x − centre).
  Sums about_mean(int64_t region, double mean, Sums sums) const {
    const double rest = mean - static_cast<double>(affines.of(region)->centre);
    return {sums.first, sums.second - rest * sums.first};
  }
  /// The gradients of β and γ.
  Sums gradients(int64_t region, Sums about_mean) const {
    return {about_mean.first, about_mean.second * reciprocal(region)};
  }
};

/// Sums that each thread sets before it adds to them; NaN in a build for tests.
inline std::unique_ptr<Sums[]> unset_sums(int64_t count) {
  auto sums = std::make_unique_for_overwrite<Sums[]>(count);
#if defined(NORMKIT_POISON_SCRATCH)
  std::memset(sums.get(), 0xff, count * sizeof(Sums));
#endif
  return sums;
}

/// Adds the gradients of β and γ of all planes, by one thread: it is less than to wait for others.
inline void add_gradients(
    const Regions& r, const Sums* of_planes, AffineGradients into) {
  for (int64_t first = 0; first < r.all_planes(); first += r.channels)
    for (int64_t c = 0; c < r.channels; ++c) {
      into.bias[c] += of_planes[first + c].first;
      into.weight[c] += of_planes[first + c].second;
    }
}

/// Normalises with the moments of each region, which are returned.
template <class T, class Parallel>
void normalise_planes(
    const Regions& r, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  using A = computed<T>;
  const Regions joined = r.joined();
  const std::vector<Block> blocks = blocks_of(joined);
  const auto keep = [&](Scaling<A>& scaling, int64_t region, const Moments& moments) {
    statistics.mean[region] = moments.mean;
    statistics.variance[region] = moments.variance();
    scaling.set(region, moments.mean, statistics.variance[region], eps);
  };
  const auto normalise = [&](const Scaling<A>& scaling, const Adjacent& adjacent) {
    each_run(r, adjacent, longest_run(to), [&](const Run& run) {
      normalise_run(run, scaling.affines.of(run), to);
    });
  };
  if (has_few_regions(r)) {
    const int64_t count = static_cast<int64_t>(blocks.size());
    std::vector<Moments> parts(r.count * count);
    parallel(r.count * count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        moments_of_block(
            joined, to.input, blocks[i % count], i / count, i / count + 1, &parts[i]);
    });
    Scaling<A> scaling(r, affines, 0, r.count);
    for (int64_t region = 0; region < r.count; ++region) {
      Moments whole;
      for (int64_t i = 0; i < count; ++i) whole.add(parts[region * count + i]);
      keep(scaling, region, whole);
    }
    each_part(r, parallel, [&](const Adjacent& adjacent) { normalise(scaling, adjacent); });
    return;
  }
  each_bundle(r, parallel, [&](int64_t begin, int64_t end) {
    std::vector<Moments> whole(end - begin), part(end - begin);
    moments_of_block(joined, to.input, blocks[0], begin, end, whole.data());
    for (size_t block = 1; block < blocks.size(); ++block) {
      moments_of_block(joined, to.input, blocks[block], begin, end, part.data());
      for (int64_t i = 0; i < end - begin; ++i) whole[i].add(part[i]);
    }
    Scaling<A> scaling(r, affines, begin, end);
    for (int64_t region = begin; region < end; ++region)
      keep(scaling, region, whole[region - begin]);
    each_adjacent_reversed(
        r, begin, end, [&](const Adjacent& adjacent) { normalise(scaling, adjacent); });
  });
}

/// The two passes backward over the regions [begin, end), and what they keep of their planes.
template <class T>
struct Differentiation {
  using A = computed<T>;
  const Regions& r;
  const Affines& affines;
  const Backward<T>& from;
  Statistics statistics;
  Sums* of_planes;  // of all regions: gradients of β and γ in the end
  int64_t begin, end;
  Scaling<A> scaling;
  ForPlanes<InputGradient<A>> gradients;

  Differentiation(
      const Regions& r, const Affines& affines, double eps, const Backward<T>& from,
      Statistics statistics, Sums* of_planes, int64_t begin, int64_t end)
      : r(r), affines(affines), from(from), statistics(statistics), of_planes(of_planes),
        begin(begin), end(end), scaling(r, affines, statistics, eps, begin, end),
        gradients(r, begin, end) {}

  /// The first pass over some of the planes.
  void sum(const Adjacent& adjacent) const {
    read_ahead(r, adjacent, from.input);
    read_ahead(r, adjacent, from.upstream);
    std::fill_n(of_planes + adjacent.plane, adjacent.count, Sums{});
    each_run(r, adjacent, longest_run(from), [&](const Run& run) {
      add_products_of_run(run, scaling.affines.of(run), from, of_planes + run.plane);
    });
  }

  /// Makes of all sums what the second pass needs.
  void put_together() {
    std::vector<Sums> of_regions(end - begin);
    add_as_they_lie(r, begin, end, of_regions.data(), [&](int64_t region, int64_t k) {
      Sums& of_plane = of_planes[r.plane(region, k)];
      const Sums sums = scaling.about_mean(region, statistics.mean[region], of_plane);
      of_plane = scaling.gradients(region, sums);
      const double gamma = affines.weight[r.first_channel(region) + k * r.channel_step()];
      return Sums{gamma * sums.first, gamma * sums.second};
    });
    for (int64_t region = begin; region < end; ++region)
      std::fill_n(
          gradients.of(region), gradients.distinct,
          InputGradient<A>::of(
              statistics.mean[region], scaling.reciprocal(region), of_regions[region - begin],
              r.values()));
  }

  /// The second pass over some of the planes.
  void differentiate(const Adjacent& adjacent) const {
    each_run(r, adjacent, longest_run(from), [&](const Run& run) {
      differentiate_run(run, scaling.affines.of(run), gradients.of(run), from);
    });
  }
};

/// The gradients, where the statistics were those of the regions.
template <class T, class Parallel>
void differentiate_planes(
    const Regions& r, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  const auto of_planes = unset_sums(r.all_planes());
  const auto of_regions = [&](int64_t begin, int64_t end) {
    return Differentiation<T>(
        r, affines, eps, from, statistics, of_planes.get(), begin, end);
  };
  if (has_few_regions(r)) {
    auto whole = of_regions(0, r.count);
    each_part(r, parallel, [&](const Adjacent& adjacent) { whole.sum(adjacent); });
    whole.put_together();
    if (from.of_input)
      each_part(r, parallel, [&](const Adjacent& adjacent) { whole.differentiate(adjacent); });
  } else {
    each_bundle(r, parallel, [&](int64_t begin, int64_t end) {
      auto bundle = of_regions(begin, end);
      each_adjacent(r, begin, end, [&](const Adjacent& adjacent) { bundle.sum(adjacent); });
      bundle.put_together();
      if (from.of_input)
        each_adjacent_reversed(
            r, begin, end, [&](const Adjacent& adjacent) { bundle.differentiate(adjacent); });
    });
  }
  add_gradients(r, of_planes.get(), into);
}

/// Normalises with statistics that are given for each channel.
template <class T, class Parallel>
void apply_planes(
    Shape shape, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  const Regions r = Regions::over_batch(shape);
  const Scaling<computed<T>> scaling(r, affines, statistics, eps, 0, r.count);
  each_part(r, parallel, [&](const Adjacent& adjacent) {
    each_run(r, adjacent, longest_run(to), [&](const Run& run) {
      normalise_run(run, scaling.affines.of(run), to);
    });
  });
}

/// The gradients, where the statistics were given: the input's is a multiple of dz.
template <class T, class Parallel>
void differentiate_applied_planes(
    Shape shape, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const Regions r = Regions::over_batch(shape);
  const Scaling<A> scaling(r, affines, statistics, eps, 0, r.count);
  const ForPlanes<InputGradient<A>> none(r, 0, r.count);
  const auto of_planes = unset_sums(r.all_planes());
  each_part(r, parallel, [&](const Adjacent& adjacent) {
    std::fill_n(&of_planes[adjacent.plane], adjacent.count, Sums{});
    each_run(r, adjacent, longest_run(from), [&](const Run& run) {
      const Affine<A>* by = scaling.affines.of(run);
      add_products_of_run(run, by, from, &of_planes[run.plane]);
      if (from.of_input) differentiate_run(run, by, none.of(run), from);
    });
    for (int64_t k = 0; k < adjacent.count; ++k) {
      const int64_t c = adjacent.entry + k;
      Sums& sums = of_planes[adjacent.plane + k];
      sums = scaling.gradients(c, scaling.about_mean(c, statistics.mean[c], sums));
    }
  });
  add_gradients(r, of_planes.get(), into);
}

}  // namespace normkit
