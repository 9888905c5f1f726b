// Normalization over the channels of each position, where these are adjacent: rows of values, each
// with statistics of its own. Over trailing dimensions it is the same.
//
// The backward takes the statistics anew: the row is in the cache then, and nothing is to be kept.
#pragma once

#include <vector>

#include "channel_sums.h"
#include "matrix.h"
#include "upstream.h"

namespace normkit {

/// Whether the mean is subtracted; otherwise a row is divided by its root mean square.
enum class Centred : bool { no, yes };

/// The standardised values: t = scale · (x − centre) + shift.
template <class A>
using Standard = Affine<A>;

template <class V, class A>
NORMKIT_INLINE V standard(const V& x, const Standard<A>& by) {
  return (x - by.centre) * by.scale + by.shift;
}

/// z = γ · t + β (+ residual), and the activation, if it is one of a pass.
template <Kind kind, class A>
NORMKIT_CLONES static void normalise_run(
    const A* __restrict x, const A* residual, A* __restrict z, Standard<A> by,
    const A* __restrict weight, const A* __restrict bias, int64_t count) {
  if (residual == nullptr) {
    for (int64_t j = 0; j < count; ++j) {
      const A value = standard(x[j], by) * weight[j] + bias[j];
      z[j] = activated<kind>(value);
    }
  } else {
    for (int64_t j = 0; j < count; ++j) {
      const A value = standard(x[j], by) * weight[j] + bias[j] + residual[j];
      z[j] = activated<kind>(value);
    }
  }
}

/// dz, where what is given is dy, and the activation was one of γ · t + β.
template <Kind kind, class V, class W>
NORMKIT_INLINE V before(const V& dy, const V& t, const W& weight, const W& bias) {
  return before<kind, V>(dy, t * weight + bias);
}

/// The sums of g = γ · dz, and of g · t; dz and dz · t are added to the gradients of β and γ.
///
/// Given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static Sums products_of_run(
    const A* __restrict dz, const A* __restrict x, Standard<A> by, const A* __restrict weight,
    const A* __restrict bias, A* __restrict of_weight, A* __restrict of_bias, int64_t count) {
  constexpr int64_t n = kLanes<A>;
  Lanes<A> first{}, second{};
  int64_t j = 0;
  for (; j + n <= count; j += n) {
    const Lanes<A> t = standard(lanes_at(x + j), by), w = lanes_at(weight + j);
    const Lanes<A> upstream =
        before<kind>(lanes_at(dz + j), t, w, lanes_at(bias + j));
    store_lanes<A>(of_bias + j, lanes_at(of_bias + j) + upstream);
    store_lanes<A>(of_weight + j, lanes_at(of_weight + j) + upstream * t);
    first += upstream * w;
    second += upstream * w * t;
  }
  for (int64_t lane = 0; j < count; ++j, ++lane) {
    const A t = standard(x[j], by);
    const A upstream = before<kind>(dz[j], t, weight[j], bias[j]);
    of_bias[j] += upstream;
    of_weight[j] += upstream * t;
    first[lane] += upstream * weight[j];
    second[lane] += upstream * weight[j] * t;
  }
  return {sum_of<A>(first), sum_of<A>(second)};
}

/// dx = scale · (γ · dz − mean of g − t · mean of g · t); given dz; or dy, where the pass has an activation.
template <Kind kind, class A>
NORMKIT_CLONES static void input_gradient_of_run(
    const A* __restrict dz, const A* __restrict x, A* __restrict dx, Standard<A> by,
    const A* __restrict weight, const A* __restrict bias, A mean, A product, int64_t count) {
  for (int64_t j = 0; j < count; ++j) {
    const A t = standard(x[j], by);
    const A upstream = before<kind>(dz[j], t, weight[j], bias[j]);
    dx[j] = by.scale * (upstream * weight[j] - mean - t * product);
  }
}

/// γ and β in the precision that is computed in.
template <class A>
struct RowAffine {
  std::vector<A> weight, bias;

  RowAffine(const Affines& affines, int64_t width)
      : weight(affines.weight, affines.weight + width),
        bias(affines.bias, affines.bias + width) {}
};

template <class T>
Standard<computed<T>> standard_of_row(const T* x, int64_t width, double eps, Centred centred) {
  using A = computed<T>;
  alignas(64) A buffer[kRun];
  left_unset(buffer);
  const double count = static_cast<double>(width);
  double mean = 0;
  if (centred == Centred::yes) {
    in_runs(width, [&](int64_t j, int64_t n) { mean += total(loaded(x + j, buffer, n), n); });
    mean /= count;
  }
  Sums sums{};
  const A centre = static_cast<A>(mean);
  in_runs(width, [&](int64_t j, int64_t n) {
    sums.add(centred_sums(loaded(x + j, buffer, n), centre, n));
  });
  if (centred == Centred::no)
    return Standard<A>::of(0, reciprocal_root(sums.second / count, eps), 1, 0);
  const Moments moments = Moments::around(centre, sums, count);
  return Standard<A>::of(moments.mean, reciprocal_root(moments.variance(), eps), 1, 0);
}

template <class T>
void normalise_row(
    int64_t start, int64_t width, const Standard<computed<T>>& by,
    const RowAffine<computed<T>>& affine, const Forward<T>& to) {
  using A = computed<T>;
  alignas(64) A values[kRun], added[kRun], place[kRun];
  left_unset(values, added, place);
  in_runs(width, [&](int64_t j, int64_t n) {
    const int64_t at = start + j;
    const A* x = loaded(to.input + at, values, n);
    const A* residual = to.residual ? loaded(to.residual + at, added, n) : nullptr;
    A* z = workplace(to.output + at, place);
    with_kind(to.act.kind, [&](auto kind) {
      normalise_run<kind>(x, residual, z, by, &affine.weight[j], &affine.bias[j], n);
    });
    if (in_pass(to.act.kind) == Kind::none) activate(to.act, z, n);
    store(z, to.output + at, n);
  });
}

/// Rows of a part that a thread works on, and those whose sums are added up before they are moved.
inline int64_t rows_of_part(int64_t rows, int64_t width) {
  const int64_t few = ceil_divided(16 * 1024, std::max<int64_t>(width, 1));
  return std::max(few, ceil_divided(rows, 64));
}

/// Normalises each of `rows` rows.
template <class T, class Parallel>
void normalise_each_row(
    int64_t rows, int64_t width, const Affines& affines, double eps, Centred centred,
    const Forward<T>& to, const Parallel& parallel) {
  const RowAffine<computed<T>> affine(affines, width);
  parallel(rows, rows_of_part(rows, width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t start = row * width;
      normalise_row(
          start, width, standard_of_row(to.input + start, width, eps, centred), affine, to);
    }
  });
}

/// The gradients of each of `rows` rows.
template <class T, class Parallel>
void differentiate_each_row(
    int64_t rows, int64_t width, const Affines& affines, double eps, Centred centred,
    const Backward<T>& from, AffineGradients into, const Parallel& parallel) {
  using A = computed<T>;
  const RowAffine<A> affine(affines, width);
  const int64_t size = rows_of_part(rows, width), count = ceil_divided(rows, size);
  std::vector<ChannelSums> of_parts(count, ChannelSums(0));
  const auto part = [&](int64_t begin, int64_t end) {
    ChannelSums sums(width);  // of dz · t, and of dz
    std::vector<A> of_weight(width), of_bias(width);
    alignas(64) A values[kRun], upstream[kRun], place[kRun], result[kRun];
    left_unset(values, upstream, place, result);
    const auto before_activation_of = [&](int64_t at, int64_t j, int64_t n, const A* x,
                                          const Standard<A>& by, A* where) {
      return before_activation(
          from, at, 0, n, upstream, where, [&](const A* residual, A* z) {
            normalise_run<Kind::none>(
                x, residual, z, by, &affine.weight[j], &affine.bias[j], n);
          });
    };
    for (int64_t row = begin; row < end; ++row) {
      const int64_t start = row * width;
      const Standard<A> by = standard_of_row(from.input + start, width, eps, centred);
      Sums products{};
      in_runs(width, [&](int64_t j, int64_t n) {
        const int64_t at = start + j;
        const A* x = loaded(from.input + at, values, n);
        A* where = from.of_residual ? workplace(from.of_residual + at, place) : place;
        const A* dz = before_activation_of(at, j, n, x, by, where);
        if (from.of_residual) store(dz, from.of_residual + at, n);
        with_kind(from.in_pass(), [&](auto kind) {
          products.add(products_of_run<kind>(
              dz, x, by, &affine.weight[j], &affine.bias[j], &of_weight[j], &of_bias[j], n));
        });
      });
      if ((row + 1 - begin) % kRowsOfBlock == 0 || row + 1 == end) {
        move_to(of_weight.data(), sums.second.data(), width);
        move_to(of_bias.data(), sums.first.data(), width);
      }
      if (!from.of_input) continue;
      const double values_of_row = static_cast<double>(width);
      const A mean =
          centred == Centred::yes ? static_cast<A>(products.first / values_of_row) : A(0);
      const A product = static_cast<A>(products.second / values_of_row);
      in_runs(width, [&](int64_t j, int64_t n) {
        const int64_t at = start + j;
        const A* x = loaded(from.input + at, values, n);
        const A* dz =
            from.of_residual
                ? loaded(from.of_residual + at, upstream, n)
                : before_activation_of(at, j, n, x, by, place);
        A* dx = workplace(from.of_input + at, result);
        with_kind(from.in_pass(), [&](auto kind) {
          input_gradient_of_run<kind>(
              dz, x, dx, by, &affine.weight[j], &affine.bias[j], mean, product, n);
        });
        store(dx, from.of_input + at, n);
      });
    }
    return sums;
  };
  parallel(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      of_parts[i] = part(i * size, std::min(i * size + size, rows));
  });
  for (const ChannelSums& sums : of_parts) add_to(into, sums);
}

}  // namespace normkit
