// What the loops compute, by the formulas as they are written down, in long double.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "loops/tensors.h"

namespace normkit {

using Exact = long double;

inline Exact activated(Activation act, Exact z) {
  switch (act.kind) {
    case Kind::none:
      return z;
    case Kind::relu:
      return z > 0 ? z : 0;
    case Kind::leaky_relu:
      return z > 0 ? z : z * act.slope;
    case Kind::relu6:
      return std::min<Exact>(std::max<Exact>(z, 0), 6);
    case Kind::silu:
      return z / (1 + std::exp(-z));
    case Kind::gelu:
      return z * std::erfc(-z / std::sqrt(2.0L)) / 2;
    case Kind::hardswish:
      return z * std::min<Exact>(std::max<Exact>(z + 3, 0), 6) / 6;
  }
  return z;
}

inline Exact derivative(Activation act, Exact z) {
  switch (act.kind) {
    case Kind::none:
      return 1;
    case Kind::relu:
      return z > 0 ? 1 : 0;
    case Kind::leaky_relu:
      return z > 0 ? 1 : act.slope;
    case Kind::relu6:
      return z > 0 && z < 6 ? 1 : 0;
    case Kind::silu: {
      const Exact s = 1 / (1 + std::exp(-z));
      return s * (1 + z * (1 - s));
    }
    case Kind::gelu:
      return std::erfc(-z / std::sqrt(2.0L)) / 2 +
             z * std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0L));
    case Kind::hardswish:
      return z < -3 ? 0 : z <= 3 ? z / 3 + 0.5L : 1;
  }
  return 1;
}

/// Whether the derivative takes two values, so that one bit tells it.
inline bool has_two_slopes(Activation act) {
  return act.kind == Kind::relu || act.kind == Kind::leaky_relu || act.kind == Kind::relu6;
}

/// Whether rounding may decide on which side of a bend a value is.
inline bool is_near_bend(Activation act, Exact z) {
  const Exact near = 1e-3L;
  if (act.kind == Kind::hardswish) return std::abs(std::abs(z) - 3) < near;
  if (act.kind == Kind::relu6 && std::abs(z - 6) < near) return true;
  return has_two_slopes(act) && std::abs(z) < near;
}

enum class Layout { planes, rows };

/// Which values have mean and variance in common.
enum class Over {
  batch,                // those of a channel
  groups,               // of a group of channels of a sample
  given,                // those of a channel; they do not come of the input
  channels,             // of a position
  root_mean_square,     // of a position, with a mean of 0
};

/// A method on an input of some shape.
struct Method {
  Shape shape;
  Layout layout;
  Over over;
  int64_t groups = 1;  // of the channels of a sample

  int64_t at(int64_t n, int64_t c, int64_t p) const {
    return layout == Layout::planes ? (n * shape.channels + c) * shape.positions + p
                                    : (n * shape.positions + p) * shape.channels + c;
  }
  bool is_over_channels() const { return over == Over::channels || over == Over::root_mean_square; }
  bool has_few_regions() const { return over == Over::batch || over == Over::groups; }
  int64_t regions() const {
    if (is_over_channels()) return shape.samples * shape.positions;
    return over == Over::groups ? shape.samples * groups : shape.channels;
  }
  int64_t region(int64_t n, int64_t c, int64_t p) const {
    if (is_over_channels()) return n * shape.positions + p;
    return over == Over::groups ? n * groups + c / (shape.channels / groups) : c;
  }
  int64_t values_of_region() const { return shape.values() / regions(); }

  /// Calls f(index, channel, region) for every value.
  template <class F>
  void each(const F& f) const {
    for (int64_t n = 0; n < shape.samples; ++n)
      for (int64_t c = 0; c < shape.channels; ++c)
        for (int64_t p = 0; p < shape.positions; ++p) f(at(n, c, p), c, region(n, c, p));
  }
};

struct Reference {
  std::vector<Exact> mean, variance, reciprocal;              // of each region, 1 / √(variance + ε)
  std::vector<Exact> before, output;                          // z, and act(z)
  std::vector<Exact> of_input, of_residual;                   // dx, and dz
  std::vector<Exact> of_weight, of_bias;                      // of each channel
  Exact size_of_input = 0, size_of_weight = 0, size_of_bias = 0;  // of the terms they are sums of
};

template <class Values>
void take_statistics(const Method& m, const Values& x, Reference& into) {
  const Exact count = static_cast<Exact>(m.values_of_region());
  into.mean.assign(m.regions(), 0);
  into.variance.assign(m.regions(), 0);
  if (m.over != Over::root_mean_square)
    m.each([&](int64_t i, int64_t, int64_t r) { into.mean[r] += x(i); });
  for (Exact& mean : into.mean) mean /= count;
  m.each([&](int64_t i, int64_t, int64_t r) {
    const Exact distance = x(i) - into.mean[r];
    into.variance[r] += distance * distance;
  });
  for (Exact& variance : into.variance) variance /= count;
}

/// The output; `residual` gives 0 where there is none.
template <class Values, class Added>
void normalise(
    const Method& m, const Values& x, const Added& residual, Affines affines, double eps,
    Activation act, Reference& into) {
  for (const Exact variance : into.variance)
    into.reciprocal.push_back(1 / std::sqrt(variance + eps));
  into.before.resize(m.shape.values());
  into.output.resize(m.shape.values());
  m.each([&](int64_t i, int64_t c, int64_t r) {
    const Exact standard = (x(i) - into.mean[r]) * into.reciprocal[r];
    into.before[i] = affines.weight[c] * standard + affines.bias[c] + residual(i);
    into.output[i] = activated(act, into.before[i]);
  });
}

template <class Values, class Upstream>
void differentiate(
    const Method& m, const Values& x, const Upstream& upstream, Affines affines, Activation act,
    Reference& into) {
  const Exact count = static_cast<Exact>(m.values_of_region());
  into.of_input.resize(m.shape.values());
  into.of_residual.resize(m.shape.values());
  into.of_weight.assign(m.shape.channels, 0);
  into.of_bias.assign(m.shape.channels, 0);
  const auto standard = [&](int64_t i, int64_t r) {
    return (x(i) - into.mean[r]) * into.reciprocal[r];
  };
  std::vector<Exact> first(m.regions()), second(m.regions());
  m.each([&](int64_t i, int64_t c, int64_t r) {
    const Exact dz = upstream(i) * derivative(act, into.before[i]);
    into.of_residual[i] = dz;
    into.of_bias[c] += dz;
    into.of_weight[c] += dz * standard(i, r);
    first[r] += affines.weight[c] * dz;
    second[r] += affines.weight[c] * dz * standard(i, r);
    into.size_of_bias = std::max(into.size_of_bias, std::abs(into.of_bias[c]));
    into.size_of_weight = std::max(into.size_of_weight, std::abs(into.of_weight[c]));
  });
  m.each([&](int64_t i, int64_t c, int64_t r) {
    const Exact own = affines.weight[c] * into.of_residual[i];
    Exact shared = 0;
    if (m.over != Over::given) shared += standard(i, r) * second[r] / count;
    if (m.over != Over::given && m.over != Over::root_mean_square) shared += first[r] / count;
    into.of_input[i] = (own - shared) * into.reciprocal[r];
    into.size_of_input = std::max(
        into.size_of_input, (std::abs(own) + std::abs(shared)) * into.reciprocal[r]);
  });
}

}  // namespace normkit
