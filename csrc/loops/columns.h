// Normalization where the channels of a position are adjacent: (N, *, C), channels-last.
#pragma once

#include <vector>

#include "runs.h"
#include "tensors.h"

namespace normkit {

/// The values as a matrix with a row for each position, or for several where rows are short.
struct Rows {
  int64_t samples;    // that have statistics of their own
  int64_t positions;  // of each
  int64_t channels;
  int64_t groups;  // of channels
  int64_t fold;    // positions in a row

  int64_t width() const { return fold * channels; }
  int64_t rows() const { return ceil_divided(positions, fold); }
  int64_t full_rows() const { return positions / fold; }
  /// The values of a row; the last one may be shorter.
  int64_t length(int64_t row) const {
    return row < full_rows() ? width() : positions % fold * channels;
  }
  int64_t values() const { return positions * channels; }
  int64_t per_group() const { return channels / groups; }
  double count() const {
    return static_cast<double>(positions) * static_cast<double>(per_group());
  }

  /// Statistics of each channel over all samples.
  static Rows over_batch(Shape s) {
    return {1, s.samples * s.positions, s.channels, s.channels,
            fold_of(s.channels, s.samples * s.positions)};
  }
  /// Statistics of each group of channels of each sample.
  static Rows over_samples(Shape s, int64_t groups) {
    return {s.samples, s.positions, s.channels, groups, fold_of(s.channels, s.positions)};
  }
  /// So many that a row is long, and that there still are several rows.
  static int64_t fold_of(int64_t channels, int64_t positions) {
    const int64_t wanted = ceil_divided(256, std::max<int64_t>(channels, 1));
    return std::max<int64_t>(std::min(wanted, positions / 16), 1);
  }
  int64_t all_sign_words() const { return samples * rows() * sign_words(width()); }
};

// What is done to a row: γ, β and the statistics are ones for each column.

template <class A>
NORMKIT_CLONES static void add_row(const A* __restrict x, A* __restrict sums, int64_t width) {
  for (int64_t j = 0; j < width; ++j) sums[j] += x[j];
}

template <class A>
NORMKIT_CLONES static void add_centred_row(
    const A* __restrict x, const A* __restrict centre, A* __restrict first, A* __restrict second,
    int64_t width) {
  for (int64_t j = 0; j < width; ++j) {
    const A distance = x[j] - centre[j];
    first[j] += distance;
    second[j] += distance * distance;
  }
}

/// Given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void add_products_of_row(
    const A* __restrict dz, const A* __restrict x, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, A* __restrict first,
    A* __restrict second, int64_t width) {
  for (int64_t j = 0; j < width; ++j) {
    const A distance = x[j] - centre[j];
    const A upstream =
        before<kind>(dz[j], distance, Affine<A>{centre[j], scale[j], shift[j]});
    first[j] += upstream;
    second[j] += upstream * distance;
  }
}

template <Kind kind, class A>
NORMKIT_CLONES static void scale_and_shift_row(
    const A* __restrict x, const A* residual, A* __restrict z, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, int64_t width) {
  if (residual == nullptr) {
    for (int64_t j = 0; j < width; ++j) {
      const A value = (x[j] - centre[j]) * scale[j] + shift[j];
      z[j] = activated<kind>(value);
    }
  } else {
    for (int64_t j = 0; j < width; ++j) {
      const A value = (x[j] - centre[j]) * scale[j] + shift[j] + residual[j];
      z[j] = activated<kind>(value);
    }
  }
}

/// Given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void input_gradient_of_row(
    const A* __restrict dz, const A* __restrict x, A* __restrict dx, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, const A* __restrict of_input,
    const A* __restrict constant, int64_t width) {
  for (int64_t j = 0; j < width; ++j) {
    const A distance = x[j] - centre[j];
    const A upstream =
        before<kind>(dz[j], distance, Affine<A>{centre[j], scale[j], shift[j]});
    dx[j] = scale[j] * upstream + (of_input[j] * distance + constant[j]);
  }
}

/// The means of a block of rows, and its sums cleared.
template <class A>
NORMKIT_CLONES static void means_of_sums(
    A* __restrict sums, A* __restrict mean, double rows, int64_t width) {
  const A share = static_cast<A>(1 / rows);
  for (int64_t j = 0; j < width; ++j) {
    mean[j] = sums[j] * share;
    sums[j] = 0;
  }
}

/// Takes the moments of a block of rows into those of `seen` rows before it; the sums are cleared.
template <class A>
NORMKIT_CLONES static void take_in(
    const A* __restrict centre, A* __restrict first, A* __restrict second, double rows,
    double seen, double* __restrict mean, double* __restrict squares, int64_t width) {
  const double share = rows / (seen + rows), reciprocal = 1 / rows;
  for (int64_t j = 0; j < width; ++j) {
    const double rest = first[j] * reciprocal;
    const double step = centre[j] + rest - mean[j];
    const double own = second[j] - rest * first[j];
    mean[j] += step * share;
    squares[j] += (own > 0 ? own : 0) + step * step * (seen * share);
    first[j] = 0;
    second[j] = 0;
  }
}

/// Adds the sums of a block of rows to those of blocks before it, and clears them.
template <class A>
NORMKIT_CLONES static void move_to(A* __restrict sums, double* __restrict total, int64_t width) {
  for (int64_t j = 0; j < width; ++j) {
    total[j] += sums[j];
    sums[j] = 0;
  }
}

/// Rows that are summed in the computed precision before they go into a total of doubles.
constexpr int64_t kRowsOfBlock = 32;

/// Rows [begin, end) of a sample that one thread works on.
struct Part {
  int64_t sample, begin, end;
};

/// Every sample in parts of about as many values, so many that all threads have some.
inline std::vector<Part> parts_of(const Rows& r) {
  const int64_t total = r.samples * r.values();
  const int64_t size = std::max<int64_t>(total / 64, 16 * 1024);
  // What a part keeps for each column is to be little beside its rows.
  const int64_t rows = std::max<int64_t>(size / std::max<int64_t>(r.width(), 1), 48);
  std::vector<Part> parts;
  for (int64_t sample = 0; sample < r.samples; ++sample)
    for (int64_t row = 0; row < r.rows(); row += rows)
      parts.push_back({sample, row, std::min(row + rows, r.rows())});
  return parts;
}

/// The moments of each channel over some rows.
struct ChannelMoments {
  std::vector<double> mean, squares;
  double count = 0;

  explicit ChannelMoments(int64_t channels) : mean(channels), squares(channels) {}

  void add(const double* other_mean, const double* other_squares, double other_count) {
    const double total = count + other_count;
    if (total == 0) return;
    const double share = other_count / total, weight = count * share;
    for (size_t c = 0; c < mean.size(); ++c) {
      const double step = other_mean[c] - mean[c];
      mean[c] += step * share;
      squares[c] += other_squares[c] + step * step * weight;
    }
    count = total;
  }
  void add(const ChannelMoments& other) {
    add(other.mean.data(), other.squares.data(), other.count);
  }
};

template <class T>
ChannelMoments moments_of_part(const Rows& r, const T* x, const Part& part) {
  using A = computed<T>;
  const int64_t width = r.width();
  const T* sample = x + part.sample * r.values();
  std::vector<A> centre(width), first(width), second(width);
  alignas(64) A buffer[kRun];
  left_unset(buffer);
  const auto each_run = [&](int64_t begin, int64_t end, int64_t length, const auto& f) {
    for (int64_t row = begin; row < end; ++row)
      in_runs(length, [&](int64_t j, int64_t n) {
        f(loaded(sample + row * width + j, buffer, n), j, n);
      });
  };
  ChannelMoments result(r.channels);
  // A row that holds fewer positions than the others is a block of its own, of their moments.
  const auto block = [&](int64_t begin, int64_t end, int64_t length, double* mean,
                         double* squares, double seen) {
    const double rows = static_cast<double>(end - begin);
    each_run(begin, end, length,
             [&](const A* run, int64_t j, int64_t n) { add_row(run, &first[j], n); });
    means_of_sums(first.data(), centre.data(), rows, length);
    each_run(begin, end, length, [&](const A* run, int64_t j, int64_t n) {
      add_centred_row(run, &centre[j], &first[j], &second[j], n);
    });
    take_in(centre.data(), first.data(), second.data(), rows, seen, mean, squares, length);
  };
  const auto unfold = [&](const std::vector<double>& mean, const std::vector<double>& squares,
                          int64_t positions, double count) {
    for (int64_t p = 0; p < positions; ++p)
      result.add(&mean[p * r.channels], &squares[p * r.channels], count);
  };
  std::vector<double> mean(width), squares(width);
  const int64_t full = std::min(part.end, r.full_rows());
  for (int64_t row = part.begin; row < full; row += kRowsOfBlock)
    block(row, std::min(row + kRowsOfBlock, full), width, mean.data(), squares.data(),
          static_cast<double>(row - part.begin));
  if (full > part.begin) unfold(mean, squares, r.fold, static_cast<double>(full - part.begin));
  if (part.end > r.full_rows()) {
    const int64_t length = r.length(r.full_rows());
    std::fill(mean.begin(), mean.end(), 0);
    std::fill(squares.begin(), squares.end(), 0);
    block(r.full_rows(), part.end, length, mean.data(), squares.data(), 0);
    unfold(mean, squares, length / r.channels, 1);
  }
  return result;
}

/// For each column what the passes over a row multiply and add.
template <class A>
struct ColumnAffine {
  std::vector<A> centre, scale, shift;

  ColumnAffine(
      const Rows& r, const double* mean, const double* variance, double eps,
      const Affines& affines)
      : centre(r.width()), scale(r.width()), shift(r.width()) {
    std::vector<double> reciprocal(r.groups);
    for (int64_t g = 0; g < r.groups; ++g) reciprocal[g] = reciprocal_root(variance[g], eps);
    for (int64_t j = 0; j < r.width(); ++j) {
      if (j >= r.channels) {  // As one position before.
        centre[j] = centre[j - r.channels];
        scale[j] = scale[j - r.channels];
        shift[j] = shift[j - r.channels];
        continue;
      }
      const int64_t group = j / r.per_group();
      const auto one = affines.affine_of<A>(j, mean[group], reciprocal[group]);
      centre[j] = one.centre;
      scale[j] = one.scale;
      shift[j] = one.shift;
    }
  }
};

/// Calls f(row) for a block of rows after the other, the last first: it is still in the cache.
template <class F>
void in_blocks_reversed(const Part& part, const F& f) {
  for (int64_t end = part.end; end > part.begin;) {
    const int64_t begin = std::max(end - kRowsOfBlock, part.begin);
    for (int64_t row = begin; row < end; ++row) f(row);
    end = begin;
  }
}

template <class T>
void normalise_part(
    const Rows& r, const Part& part, const ColumnAffine<computed<T>>& by, const Forward<T>& to) {
  using A = computed<T>;
  alignas(64) A values[kRun], added[kRun], place[kRun];
  left_unset(values, added, place);
  in_blocks_reversed(part, [&](int64_t row) {
    const int64_t start = part.sample * r.values() + row * r.width();
    uint32_t* signs =
        to.signs ? to.signs + (part.sample * r.rows() + row) * sign_words(r.width()) : nullptr;
    in_runs(r.length(row), [&](int64_t j, int64_t n) {
      const int64_t at = start + j;
      const A* x = loaded(to.input + at, values, n);
      const A* residual = to.residual ? loaded(to.residual + at, added, n) : nullptr;
      A* z = workplace(to.output + at, place);
      with_kind(to.act.kind, [&](auto kind) {
        scale_and_shift_row<kind>(x, residual, z, &by.centre[j], &by.scale[j], &by.shift[j], n);
      });
      if (signs) keep_signs(to.act.kind, z, signs + sign_words(j), n);
      if (in_pass(to.act.kind) == Kind::none) activate(to.act, z, n);
      store(z, to.output + at, n);
    });
  });
}

/// dz = dy · act′(z) of a run: dy itself, or computed into `place`.
template <class T>
NORMKIT_INLINE const computed<T>* before_activation_of_row(
    const Rows& r, const Part& part, int64_t row, int64_t j, int64_t n,
    const ColumnAffine<computed<T>>& by, const Backward<T>& from, const computed<T>* x,
    computed<T>* upstream, computed<T>* place) {
  using A = computed<T>;
  const int64_t at = part.sample * r.values() + row * r.width() + j;
  const A* dy = loaded(from.upstream + at, upstream, n);
  if (from.act.kind == Kind::none || from.in_pass() != Kind::none) return dy;
  if (from.signs) {
    const int64_t index = part.sample * r.rows() + row;
    differentiate_by_signs(
        from.signs + index * sign_words(r.width()) + sign_words(j),
        static_cast<A>(from.act.low_slope()), dy, place, n);
    return place;
  }
  alignas(64) A added[kRun];
  left_unset(added);
  const A* residual = from.residual ? loaded(from.residual + at, added, n) : nullptr;
  scale_and_shift_row<Kind::none>(x, residual, place, &by.centre[j], &by.scale[j], &by.shift[j], n);
  differentiate(from.act, dy, place, n);
  return place;
}

/// For each channel the sums of dz, and of dz · (x − centre).
struct ChannelSums {
  std::vector<double> first, second;

  explicit ChannelSums(int64_t channels) : first(channels), second(channels) {}

  void add(const ChannelSums& other) {
    for (size_t c = 0; c < first.size(); ++c) {
      first[c] += other.first[c];
      second[c] += other.second[c];
    }
  }
};

template <class T>
ChannelSums products_of_part(
    const Rows& r, const Part& part, const ColumnAffine<computed<T>>& by,
    const Backward<T>& from) {
  using A = computed<T>;
  const int64_t width = r.width();
  std::vector<A> first(width), second(width);
  std::vector<double> all_first(width), all_second(width);
  alignas(64) A values[kRun], upstream[kRun], place[kRun];
  left_unset(values, upstream, place);
  for (int64_t row = part.begin; row < part.end; ++row) {
    in_runs(r.length(row), [&](int64_t j, int64_t n) {
      const int64_t at = part.sample * r.values() + row * width + j;
      const A* x = loaded(from.input + at, values, n);
      A* where = from.of_residual ? workplace(from.of_residual + at, place) : place;
      const A* dz =
          before_activation_of_row(r, part, row, j, n, by, from, x, upstream, where);
      if (from.of_residual) store(dz, from.of_residual + at, n);
      with_kind(from.in_pass(), [&](auto kind) {
        add_products_of_row<kind>(
            dz, x, &by.centre[j], &by.scale[j], &by.shift[j], &first[j], &second[j], n);
      });
    });
    if ((row + 1 - part.begin) % kRowsOfBlock == 0 || row + 1 == part.end) {
      move_to(first.data(), all_first.data(), width);
      move_to(second.data(), all_second.data(), width);
    }
  }
  ChannelSums sums(r.channels);
  for (int64_t j = 0; j < width; ++j) {
    sums.first[j % r.channels] += all_first[j];
    sums.second[j % r.channels] += all_second[j];
  }
  return sums;
}

/// For each column what the gradient of the input is made of.
template <class A>
struct ColumnGradient {
  std::vector<A> of_input, constant;

  explicit ColumnGradient(int64_t width) : of_input(width), constant(width) {}

  void set(int64_t channel, int64_t channels, InputGradient<A> by) {
    for (size_t j = channel; j < constant.size(); j += channels) {
      of_input[j] = by.of_input;
      constant[j] = by.constant;
    }
  }
};

template <class T>
void input_gradient_of_part(
    const Rows& r, const Part& part, const ColumnAffine<computed<T>>& by,
    const ColumnGradient<computed<T>>& gradient, const Backward<T>& from) {
  using A = computed<T>;
  alignas(64) A values[kRun], upstream[kRun], place[kRun], result[kRun];
  left_unset(values, upstream, place, result);
  in_blocks_reversed(part, [&](int64_t row) {
    in_runs(r.length(row), [&](int64_t j, int64_t n) {
      const int64_t at = part.sample * r.values() + row * r.width() + j;
      const A* x = loaded(from.input + at, values, n);
      const A* dz =
          from.of_residual
              ? loaded(from.of_residual + at, upstream, n)
              : before_activation_of_row(r, part, row, j, n, by, from, x, upstream, place);
      A* dx = workplace(from.of_input + at, result);
      with_kind(from.in_pass(), [&](auto kind) {
        input_gradient_of_row<kind>(
            dz, x, dx, &by.centre[j], &by.scale[j], &by.shift[j], &gradient.of_input[j],
            &gradient.constant[j], n);
      });
      store(dx, from.of_input + at, n);
    });
  });
}

/// Puts the moments of the channels of a sample together to those of its groups.
inline void keep_statistics(
    const Rows& r, int64_t sample, const ChannelMoments& channels, Statistics into) {
  for (int64_t g = 0; g < r.groups; ++g) {
    Moments whole;
    for (int64_t c = g * r.per_group(); c < (g + 1) * r.per_group(); ++c)
      whole.add({channels.count, channels.mean[c], channels.squares[c]});
    into.mean[sample * r.groups + g] = whole.mean;
    into.variance[sample * r.groups + g] = whole.variance();
  }
}

/// Whether a sample is one thread's: there are many, and none is so large that it leaves the cache.
inline bool takes_whole_samples(const Rows& r) {
  return r.samples >= 8 && r.values() <= 4 * 1024 * 1024;
}

/// Calls f(sample) for all, from several threads.
template <class Parallel, class F>
void each_sample(const Rows& r, const Parallel& parallel, const F& f) {
  const int64_t few = std::max<int64_t>(16 * 1024 / std::max<int64_t>(r.values(), 1), 1);
  parallel(r.samples, few, [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) f(sample);
  });
}

/// Calls f(i) for the parts, from several threads, the last first: it is still in the cache.
template <class Parallel, class F>
void each_part_reversed(int64_t count, const Parallel& parallel, const F& f) {
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = end; i-- > begin;) f(i);
  });
}

/// Normalises with the moments of each region, which are returned.
template <class T, class Parallel>
void normalise_rows(
    const Rows& r, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  using A = computed<T>;
  const auto affine_of = [&](int64_t sample) {
    return ColumnAffine<A>(
        r, statistics.mean + sample * r.groups, statistics.variance + sample * r.groups, eps,
        affines);
  };
  if (takes_whole_samples(r)) {
    each_sample(r, parallel, [&](int64_t sample) {
      const Part whole{sample, 0, r.rows()};
      keep_statistics(r, sample, moments_of_part(r, to.input, whole), statistics);
      normalise_part(r, whole, affine_of(sample), to);
    });
    return;
  }
  const std::vector<Part> parts = parts_of(r);
  const int64_t count = static_cast<int64_t>(parts.size());
  std::vector<ChannelMoments> moments(count, ChannelMoments(0));
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) moments[i] = moments_of_part(r, to.input, parts[i]);
  });
  std::vector<ColumnAffine<A>> by;
  for (int64_t sample = 0, i = 0; sample < r.samples; ++sample) {
    ChannelMoments whole(r.channels);
    for (; i < count && parts[i].sample == sample; ++i) whole.add(moments[i]);
    keep_statistics(r, sample, whole, statistics);
    by.push_back(affine_of(sample));
  }
  each_part_reversed(count, parallel, [&](int64_t i) {
    normalise_part(r, parts[i], by[parts[i].sample], to);
  });
}

/// From the sums of a sample's channels: what the gradient of its input is made of.
///
/// The sums of dz · (x − centre) become ones of dz · x̂, which those of γ add up.
template <class A>
ColumnGradient<A> gradient_of_sample(
    const Rows& r, const ColumnAffine<A>& by, const double* mean, const double* variance,
    double eps, const Affines& affines, ChannelSums& sums) {
  ColumnGradient<A> gradient(r.width());
  for (int64_t g = 0; g < r.groups; ++g) {
    const double reciprocal = reciprocal_root(variance[g], eps);
    Sums weighted;
    for (int64_t c = g * r.per_group(); c < (g + 1) * r.per_group(); ++c) {
      sums.second[c] -= (mean[g] - static_cast<double>(by.centre[c])) * sums.first[c];
      weighted.first += affines.weight[c] * sums.first[c];
      weighted.second += affines.weight[c] * sums.second[c];
      sums.second[c] *= reciprocal;
    }
    const auto of_group = InputGradient<A>::of(mean[g], reciprocal, weighted, r.count());
    for (int64_t c = g * r.per_group(); c < (g + 1) * r.per_group(); ++c)
      gradient.set(c, r.channels, of_group);
  }
  return gradient;
}

inline void add_to(const AffineGradients& into, const ChannelSums& sums) {
  for (size_t c = 0; c < sums.first.size(); ++c) {
    into.bias[c] += sums.first[c];
    into.weight[c] += sums.second[c];
  }
}

/// The gradients, where the statistics were those of the regions.
template <class T, class Parallel>
void differentiate_rows(
    const Rows& r, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const auto affine_of = [&](int64_t sample) {
    return ColumnAffine<A>(
        r, statistics.mean + sample * r.groups, statistics.variance + sample * r.groups, eps,
        affines);
  };
  const auto gradient_of = [&](int64_t sample, const ColumnAffine<A>& by, ChannelSums& sums) {
    return gradient_of_sample(
        r, by, statistics.mean + sample * r.groups, statistics.variance + sample * r.groups, eps,
        affines, sums);
  };
  std::vector<ChannelSums> of_samples(r.samples, ChannelSums(0));
  if (takes_whole_samples(r)) {
    each_sample(r, parallel, [&](int64_t sample) {
      const Part whole{sample, 0, r.rows()};
      const ColumnAffine<A> by = affine_of(sample);
      of_samples[sample] = products_of_part(r, whole, by, from);
      const ColumnGradient<A> gradient = gradient_of(sample, by, of_samples[sample]);
      if (from.of_input) input_gradient_of_part(r, whole, by, gradient, from);
    });
  } else {
    std::vector<ColumnAffine<A>> by;
    for (int64_t sample = 0; sample < r.samples; ++sample) by.push_back(affine_of(sample));
    const std::vector<Part> parts = parts_of(r);
    const int64_t count = static_cast<int64_t>(parts.size());
    std::vector<ChannelSums> of_parts(count, ChannelSums(0));
    parallel(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        of_parts[i] = products_of_part(r, parts[i], by[parts[i].sample], from);
    });
    std::vector<ColumnGradient<A>> gradients;
    for (int64_t sample = 0, i = 0; sample < r.samples; ++sample) {
      of_samples[sample] = ChannelSums(r.channels);
      for (; i < count && parts[i].sample == sample; ++i) of_samples[sample].add(of_parts[i]);
      gradients.push_back(gradient_of(sample, by[sample], of_samples[sample]));
    }
    if (from.of_input)
      each_part_reversed(count, parallel, [&](int64_t i) {
        const int64_t sample = parts[i].sample;
        input_gradient_of_part(r, parts[i], by[sample], gradients[sample], from);
      });
  }
  for (const ChannelSums& sums : of_samples) add_to(into, sums);
}

/// Normalises with statistics that are given for each channel.
template <class T, class Parallel>
void apply_rows(
    Shape shape, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  const Rows r = Rows::over_batch(shape);
  const ColumnAffine<computed<T>> by(r, statistics.mean, statistics.variance, eps, affines);
  const std::vector<Part> parts = parts_of(r);
  each_part_reversed(static_cast<int64_t>(parts.size()), parallel, [&](int64_t i) {
    normalise_part(r, parts[i], by, to);
  });
}

/// The gradients, where the statistics were given: the input's is a multiple of dz.
template <class T, class Parallel>
void differentiate_applied_rows(
    Shape shape, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const Rows r = Rows::over_batch(shape);
  const ColumnAffine<A> by(r, statistics.mean, statistics.variance, eps, affines);
  const ColumnGradient<A> gradient(r.width());  // Zeros.
  // A block of rows at a time, so that the second pass finds it in the cache.
  const std::vector<Part> parts = parts_of(r);
  std::vector<ChannelSums> of_parts(parts.size(), ChannelSums(0));
  parallel(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      of_parts[i] = ChannelSums(r.channels);
      for (int64_t row = parts[i].begin; row < parts[i].end; row += kRowsOfBlock) {
        const Part block{0, row, std::min(row + kRowsOfBlock, parts[i].end)};
        of_parts[i].add(products_of_part(r, block, by, from));
        if (from.of_input) input_gradient_of_part(r, block, by, gradient, from);
      }
    }
  });
  ChannelSums sums(r.channels);
  for (const ChannelSums& part : of_parts) sums.add(part);
  for (int64_t c = 0; c < r.channels; ++c) {
    sums.second[c] -=
        (statistics.mean[c] - static_cast<double>(by.centre[c])) * sums.first[c];
    sums.second[c] *= reciprocal_root(statistics.variance[c], eps);
  }
  add_to(into, sums);
}

}  // namespace normkit
