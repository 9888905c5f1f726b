// What is summed for each channel, of parts that several threads worked on.
#pragma once

#include <vector>

#include "tensors.h"

namespace normkit {

/// Adds the sums of a block to those of blocks before it, and clears them.
template <class A>
NORMKIT_CLONES static void move_to(A* __restrict sums, double* __restrict total, int64_t width) {
  for (int64_t j = 0; j < width; ++j) {
    total[j] += sums[j];
    sums[j] = 0;
  }
}

/// For each channel the sum of dz, and of dz multiplied with what γ is.
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

inline void add_to(const AffineGradients& into, const ChannelSums& sums) {
  for (size_t c = 0; c < sums.first.size(); ++c) {
    into.bias[c] += sums.first[c];
    into.weight[c] += sums.second[c];
  }
}

/// The moments of each channel over some positions.
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
      squares[c] += other_squares[c] + step * (step * weight);
    }
    count = total;
  }
  void add(const ChannelMoments& other) {
    add(other.mean.data(), other.squares.data(), other.count);
  }

  /// Those of the channels [begin, end) together.
  Moments of_group(int64_t begin, int64_t end) const {
    const double channels = static_cast<double>(end - begin);
    double sum = 0, within = 0, between = 0;
    for (int64_t c = begin; c < end; ++c) {
      sum += mean[c];
      within += squares[c];
    }
    const double middle = sum / channels;
    for (int64_t c = begin; c < end; ++c) between += (mean[c] - middle) * (mean[c] - middle);
    return {channels * count, middle, within + count * between};
  }
};

}  // namespace normkit
