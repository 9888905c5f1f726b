// Normalization over the channels of each position, where the positions of a channel are adjacent:
// (N, C, *), contiguous. A stretch of positions is taken through all channels.
//
// The backward takes the statistics anew: the values are in the cache then, and nothing is kept.
#pragma once

#include <vector>

#include "column_runs.h"
#include "rows.h"

namespace normkit {

/// z = γ · t + β (+ residual), and the activation, if it is one of a pass.
template <Kind kind, class A>
NORMKIT_CLONES static void normalise_stretch(
    const A* __restrict x, const A* residual, A* __restrict z, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, A weight, A bias, int64_t count) {
  if (residual == nullptr) {
    for (int64_t j = 0; j < count; ++j) {
      const A t = standard(x[j], Standard<A>{centre[j], scale[j], shift[j]});
      z[j] = activated<kind>(t * weight + bias);
    }
  } else {
    for (int64_t j = 0; j < count; ++j) {
      const A t = standard(x[j], Standard<A>{centre[j], scale[j], shift[j]});
      const A value = t * weight + bias + residual[j];
      z[j] = activated<kind>(value);
    }
  }
}

/// The sums of dz, and of dz · t; γ · dz and γ · dz · t are added to the sums of each position.
///
/// Given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static Sums products_of_stretch(
    const A* __restrict dz, const A* __restrict x, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, A weight, A bias, A* __restrict mean,
    A* __restrict product, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  Lanes<A> first{}, second{};
  int64_t j = 0;
  for (; j + n <= count; j += n) {
    const Lanes<A> t =
        (lanes_at(x + j) - lanes_at(centre + j)) * lanes_at(scale + j) + lanes_at(shift + j);
    const Lanes<A> upstream = before<kind>(lanes_at(dz + j), t, weight, bias);
    store_lanes<A>(mean + j, lanes_at(mean + j) + upstream * weight);
    store_lanes<A>(product + j, lanes_at(product + j) + upstream * weight * t);
    first += upstream;
    second += upstream * t;
  }
  for (int64_t lane = 0; j < count; ++j, ++lane) {
    const A t = standard(x[j], Standard<A>{centre[j], scale[j], shift[j]});
    const A upstream = before<kind>(dz[j], t, weight, bias);
    mean[j] += upstream * weight;
    product[j] += upstream * weight * t;
    first[lane] += upstream;
    second[lane] += upstream * t;
  }
  return {sum_of<A>(first), sum_of<A>(second)};
}

/// Given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void input_gradient_of_stretch(
    const A* __restrict dz, const A* __restrict x, A* __restrict dx, const A* __restrict centre,
    const A* __restrict scale, const A* __restrict shift, A weight, A bias,
    const A* __restrict mean, const A* __restrict product, int64_t count) {
  for (int64_t j = 0; j < count; ++j) {
    const A t = standard(x[j], Standard<A>{centre[j], scale[j], shift[j]});
    const A upstream = before<kind>(dz[j], t, weight, bias);
    dx[j] = scale[j] * (upstream * weight - mean[j] - t * product[j]);
  }
}

/// Adjacent positions of a sample, as many as stay in the cache with all their channels.
struct Stretches {
  Shape shape;
  int64_t length;
  int64_t of_sample;

  explicit Stretches(Shape s) : shape(s) {
    const int64_t most = 64 * 1024 / std::max<int64_t>(s.channels, 1) / 16 * 16;
    length = std::min(std::clamp<int64_t>(most, 64, kRun), std::max<int64_t>(s.positions, 1));
    of_sample = ceil_divided(s.positions, length);
  }
  int64_t count() const { return shape.samples * of_sample; }
  int64_t start(int64_t i) const {
    return i / of_sample * shape.channels * shape.positions + i % of_sample * length;
  }
  int64_t length_of(int64_t i) const {
    return std::min(length, shape.positions - i % of_sample * length);
  }
  /// Stretches that one thread takes at least.
  int64_t share() const {
    const int64_t values = std::max<int64_t>(length * shape.channels, 1);
    return std::max(ceil_divided(16 * 1024, values), ceil_divided(count(), 64));
  }
};

/// For each position of a stretch what standardises it.
template <class A>
struct StretchStandard {
  alignas(64) A centre[kRun], scale[kRun], shift[kRun];
  alignas(64) A first[kRun], second[kRun];
  alignas(64) double mean[kRun], squares[kRun];

  template <class T>
  void take(
      const T* x, Shape s, int64_t length, double eps, Centred centred) {
    alignas(64) A buffer[kRun];
    left_unset(buffer, centre, scale, shift, first, second, mean, squares);
    const auto of_channel = [&](int64_t c) {
      return Strided<const A>{loaded(x + c * s.positions, buffer, length), 0};
    };
    std::fill_n(centre, length, A(0));
    std::fill_n(first, length, A(0));
    std::fill_n(second, length, A(0));
    std::fill_n(mean, length, 0.0);
    std::fill_n(squares, length, 0.0);
    for (int64_t c = 0; c < s.channels; c += kRowsOfBlock) {
      const int64_t end = std::min(c + kRowsOfBlock, s.channels);
      const double rows = static_cast<double>(end - c);
      if (centred == Centred::yes && c == 0) {
        for (int64_t i = c; i < end; ++i)
          add_rows<1>(of_channel(i), first, length);
        means_of_sums(first, centre, rows, length);
      }
      for (int64_t i = c; i < end; ++i)
        add_centred_rows<1>(of_channel(i), centre, first, second, length);
      if (centred == Centred::yes) {
        take_in(centre, first, second, rows, static_cast<double>(c), mean, squares, length);
      } else {
        move_to(second, squares, length);
        std::fill_n(first, length, A(0));
      }
    }
    const double count = static_cast<double>(s.channels);
    for (int64_t j = 0; j < length; ++j) {
      const auto one =
          Standard<A>::of(mean[j], reciprocal_root(squares[j] / count, eps), 1, 0);
      centre[j] = one.centre;
      scale[j] = one.scale;
      shift[j] = one.shift;
    }
  }
};

/// Normalises each position.
template <class T, class Parallel>
void normalise_positions(
    Shape shape, const Affines& affines, double eps, Centred centred, const Forward<T>& to,
    const Parallel& parallel) {
  using A = computed<T>;
  const Stretches stretches(shape);
  parallel(stretches.count(), stretches.share(), [&](int64_t begin, int64_t end) {
    StretchStandard<A> by;
    alignas(64) A values[kRun], added[kRun], place[kRun];
    left_unset(values, added, place);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t start = stretches.start(i), n = stretches.length_of(i);
      by.take(to.input + start, shape, n, eps, centred);
      for (int64_t c = 0; c < shape.channels; ++c) {
        const int64_t at = start + c * shape.positions;
        const A* x = loaded(to.input + at, values, n);
        const A* residual = to.residual ? loaded(to.residual + at, added, n) : nullptr;
        A* z = workplace(to.output + at, place);
        with_kind(to.act.kind, [&](auto kind) {
          normalise_stretch<kind>(
              x, residual, z, by.centre, by.scale, by.shift, static_cast<A>(affines.weight[c]),
              static_cast<A>(affines.bias[c]), n);
        });
        if (in_pass(to.act.kind) == Kind::none) activate(to.act, z, n);
        store(z, to.output + at, n);
      }
    }
  });
}

/// The gradients of each position.
template <class T, class Parallel>
void differentiate_positions(
    Shape shape, const Affines& affines, double eps, Centred centred, const Backward<T>& from,
    AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const Stretches stretches(shape);
  const int64_t size = stretches.share(), count = ceil_divided(stretches.count(), size);
  std::vector<ChannelSums> of_parts(count, ChannelSums(0));
  const auto stretch = [&](int64_t i, StretchStandard<A>& by, ChannelSums& sums) {
    alignas(64) A values[kRun], upstream[kRun], place[kRun], result[kRun];
    left_unset(values, upstream, place, result);
    alignas(64) A mean[kRun] = {}, product[kRun] = {};
    const int64_t start = stretches.start(i), n = stretches.length_of(i);
    by.take(from.input + start, shape, n, eps, centred);
    const auto before_activation_of = [&](int64_t c, const A* x, A* where) {
      return before_activation(
          from, start + c * shape.positions, 0, n, upstream, where,
          [&](const A* residual, A* z) {
            normalise_stretch<Kind::none>(
                x, residual, z, by.centre, by.scale, by.shift,
                static_cast<A>(affines.weight[c]), static_cast<A>(affines.bias[c]), n);
          });
    };
    for (int64_t c = 0; c < shape.channels; ++c) {
      const int64_t at = start + c * shape.positions;
      const A* x = loaded(from.input + at, values, n);
      A* where = from.of_residual ? workplace(from.of_residual + at, place) : place;
      const A* dz = before_activation_of(c, x, where);
      if (from.of_residual) store(dz, from.of_residual + at, n);
      with_kind(from.in_pass(), [&](auto kind) {
        const Sums more = products_of_stretch<kind>(
            dz, x, by.centre, by.scale, by.shift, static_cast<A>(affines.weight[c]),
            static_cast<A>(affines.bias[c]), mean, product, n);
        sums.first[c] += more.first;
        sums.second[c] += more.second;
      });
    }
    if (!from.of_input) return;
    const A share = static_cast<A>(1.0 / static_cast<double>(shape.channels));
    for (int64_t j = 0; j < n; ++j) {
      mean[j] = centred == Centred::yes ? mean[j] * share : A(0);
      product[j] *= share;
    }
    for (int64_t c = 0; c < shape.channels; ++c) {
      const int64_t at = start + c * shape.positions;
      const A* x = loaded(from.input + at, values, n);
      const A* dz = from.of_residual ? loaded(from.of_residual + at, upstream, n)
                                     : before_activation_of(c, x, place);
      A* dx = workplace(from.of_input + at, result);
      with_kind(from.in_pass(), [&](auto kind) {
        input_gradient_of_stretch<kind>(
            dz, x, dx, by.centre, by.scale, by.shift, static_cast<A>(affines.weight[c]),
            static_cast<A>(affines.bias[c]), mean, product, n);
      });
      store(dx, from.of_input + at, n);
    }
  };
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    StretchStandard<A> by;
    for (int64_t part = begin; part < end; ++part) {
      of_parts[part] = ChannelSums(shape.channels);
      for (int64_t i = part * size; i < std::min(part * size + size, stretches.count()); ++i)
        stretch(i, by, of_parts[part]);
    }
  });
  for (const ChannelSums& sums : of_parts) add_to(into, sums);
}

}  // namespace normkit
