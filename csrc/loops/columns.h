// Normalization where the channels of a position are adjacent: (N, *, C), channels-last.
#pragma once

#include "column_parts.h"

namespace normkit {

/// Puts the moments of the channels of a sample together to those of its groups.
inline void keep_statistics(
    const Matrix& m, int64_t sample, const ChannelMoments& channels, Statistics into) {
  for (int64_t g = 0; g < m.groups; ++g) {
    const Moments whole = channels.of_group(g * m.per_group(), (g + 1) * m.per_group());
    into.mean[sample * m.groups + g] = whole.mean;
    into.variance[sample * m.groups + g] = whole.variance();
  }
}

template <class A>
ColumnAffine<A> affine_of_sample(
    const Matrix& m, int64_t sample, Statistics statistics, double eps, const Affines& affines) {
  const int64_t first = sample * m.groups;
  return {m, statistics.mean + first, statistics.variance + first, eps, affines};
}

/// Whether a sample is one thread's: there are many, and none is so large that it leaves the cache.
inline bool takes_whole_samples(const Matrix& m) {
  return m.samples >= 8 && m.values() <= 4 * 1024 * 1024;
}

/// Calls f(sample) for all, from several threads.
template <class Parallel, class F>
void each_sample(const Matrix& m, const Parallel& parallel, const F& f) {
  const int64_t few = std::max<int64_t>(16 * 1024 / std::max<int64_t>(m.values(), 1), 1);
  parallel(m.samples, few, [&](int64_t begin, int64_t end) {
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
    const Matrix& m, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  using A = computed<T>;
  const auto affine_of = [&](int64_t sample) {
    return affine_of_sample<A>(m, sample, statistics, eps, affines);
  };
  if (takes_whole_samples(m)) {
    each_sample(m, parallel, [&](int64_t sample) {
      const Part whole{sample, 0, m.rows()};
      keep_statistics(m, sample, moments_of_part(m, to.input, whole), statistics);
      normalise_part(m, whole, affine_of(sample), to);
    });
    return;
  }
  const std::vector<Part> parts = parts_of(m);
  const int64_t count = static_cast<int64_t>(parts.size());
  std::vector<ChannelMoments> moments(count, ChannelMoments(0));
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) moments[i] = moments_of_part(m, to.input, parts[i]);
  });
  std::vector<ColumnAffine<A>> by;
  for (int64_t sample = 0, i = 0; sample < m.samples; ++sample) {
    ChannelMoments whole(m.channels);
    for (; i < count && parts[i].sample == sample; ++i) whole.add(moments[i]);
    keep_statistics(m, sample, whole, statistics);
    by.push_back(affine_of(sample));
  }
  each_part_reversed(count, parallel, [&](int64_t i) {
    normalise_part(m, parts[i], by[parts[i].sample], to);
  });
}

/// From the sums of a sample's channels: what the gradient of its input is made of.
///
/// The sums of dz · (x − centre) become ones of dz · x̂, which those of γ add up.
template <class A>
ColumnGradient<A> gradient_of_sample(
    const Matrix& m, const ColumnAffine<A>& by, const double* mean, const double* variance,
    double eps, const Affines& affines, ChannelSums& sums) {
  ColumnGradient<A> gradient(m.width());
  for (int64_t g = 0; g < m.groups; ++g) {
    const int64_t begin = g * m.per_group(), end = begin + m.per_group();
    const double reciprocal = reciprocal_root(variance[g], eps);
    // All channels of a group have its mean, so they have one centre.
    const double rest = mean[g] - static_cast<double>(by.centre[begin]);
    Sums weighted{};
    for (int64_t c = begin; c < end; ++c) {
      sums.second[c] -= rest * sums.first[c];
      weighted.first += affines.weight[c] * sums.first[c];
      weighted.second += affines.weight[c] * sums.second[c];
      sums.second[c] *= reciprocal;
    }
    gradient.set(m, begin, end, InputGradient<A>::of(mean[g], reciprocal, weighted, m.count()));
  }
  return gradient;
}

/// The gradients, where the statistics were those of the regions.
template <class T, class Parallel>
void differentiate_rows(
    const Matrix& m, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const auto affine_of = [&](int64_t sample) {
    return affine_of_sample<A>(m, sample, statistics, eps, affines);
  };
  const auto gradient_of = [&](int64_t sample, const ColumnAffine<A>& by, ChannelSums& sums) {
    return gradient_of_sample(
        m, by, statistics.mean + sample * m.groups, statistics.variance + sample * m.groups, eps,
        affines, sums);
  };
  std::vector<ChannelSums> of_samples(m.samples, ChannelSums(0));
  if (takes_whole_samples(m)) {
    each_sample(m, parallel, [&](int64_t sample) {
      const Part whole{sample, 0, m.rows()};
      const ColumnAffine<A> by = affine_of(sample);
      of_samples[sample] = products_of_part(m, whole, by, from);
      const ColumnGradient<A> gradient = gradient_of(sample, by, of_samples[sample]);
      if (from.of_input) input_gradient_of_part(m, whole, by, gradient, from);
    });
  } else {
    std::vector<ColumnAffine<A>> by;
    for (int64_t sample = 0; sample < m.samples; ++sample) by.push_back(affine_of(sample));
    const std::vector<Part> parts = parts_of(m);
    const int64_t count = static_cast<int64_t>(parts.size());
    std::vector<ChannelSums> of_parts(count, ChannelSums(0));
    parallel(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        of_parts[i] = products_of_part(m, parts[i], by[parts[i].sample], from);
    });
    std::vector<ColumnGradient<A>> gradients;
    for (int64_t sample = 0, i = 0; sample < m.samples; ++sample) {
      of_samples[sample] = ChannelSums(m.channels);
      for (; i < count && parts[i].sample == sample; ++i) of_samples[sample].add(of_parts[i]);
      gradients.push_back(gradient_of(sample, by[sample], of_samples[sample]));
    }
    if (from.of_input)
      each_part_reversed(count, parallel, [&](int64_t i) {
        const int64_t sample = parts[i].sample;
        input_gradient_of_part(m, parts[i], by[sample], gradients[sample], from);
      });
  }
  for (const ChannelSums& sums : of_samples) add_to(into, sums);
}

/// Normalises with statistics that are given for each channel.
template <class T, class Parallel>
void apply_rows(
    Shape shape, const Affines& affines, double eps, const Forward<T>& to,
    Statistics statistics, const Parallel& parallel) {
  const Matrix m = Matrix::over_batch(shape);
  const ColumnAffine<computed<T>> by(m, statistics.mean, statistics.variance, eps, affines);
  const std::vector<Part> parts = parts_of(m);
  each_part_reversed(static_cast<int64_t>(parts.size()), parallel, [&](int64_t i) {
    normalise_part(m, parts[i], by, to);
  });
}

/// The gradients, where the statistics were given: the input's is a multiple of dz.
template <class T, class Parallel>
void differentiate_applied_rows(
    Shape shape, const Affines& affines, double eps, const Backward<T>& from,
    Statistics statistics, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const Matrix m = Matrix::over_batch(shape);
  const ColumnAffine<A> by(m, statistics.mean, statistics.variance, eps, affines);
  const ColumnGradient<A> gradient(m.width());  // Zeros.
  // A block of rows at a time, so that the second pass finds it in the cache.
  const std::vector<Part> parts = parts_of(m);
  std::vector<ChannelSums> of_parts(parts.size(), ChannelSums(0));
  parallel(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      of_parts[i] = ChannelSums(m.channels);
      for (int64_t row = parts[i].begin; row < parts[i].end; row += kRowsOfBlock) {
        const Part block{0, row, std::min(row + kRowsOfBlock, parts[i].end)};
        of_parts[i].add(products_of_part(m, block, by, from));
        if (from.of_input) input_gradient_of_part(m, block, by, gradient, from);
      }
    }
  });
  ChannelSums sums(m.channels);
  for (const ChannelSums& part : of_parts) sums.add(part);
  for (int64_t c = 0; c < m.channels; ++c) {
    sums.second[c] -=
        (statistics.mean[c] - static_cast<double>(by.centre[c])) * sums.first[c];
    sums.second[c] *= reciprocal_root(statistics.variance[c], eps);
  }
  add_to(into, sums);
}

}  // namespace normkit
