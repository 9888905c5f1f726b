// What is done to a run of columns, of one or several rows: γ, β and the statistics are ones for each
// column.
#pragma once

#include <array>
#include <utility>

#include "lanes.h"
#include "matrix.h"
#include "moments.h"

namespace normkit {

/// For each column what `Affine` is.
template <class A>
struct AffineView {
  const A* centre;
  const A* scale;
  const A* shift;

  AffineView from(int64_t column) const {
    return {centre + column, scale + column, shift + column};
  }
};

/// Calls f(j, V) for the columns: lanes of them while there are enough, then one by one.
template <class A, class F>
NORMKIT_INLINE void over_columns(int64_t width, const F& f) {
  int64_t j = 0;
  for (; j + kLanes<A> <= width; j += kLanes<A>) f(j, Lanes<A>{});
  for (; j < width; ++j) f(j, A{});
}

template <class V, class A>
NORMKIT_INLINE V values_at(const A* place) {
  V values;
  std::memcpy(&values, place, sizeof values);
  return values;
}

template <class V, class A>
NORMKIT_INLINE void put(const V& values, A* place) {
  std::memcpy(place, &values, sizeof values);
}

template <int64_t rows, class A>
NORMKIT_CLONES static void add_rows(Strided<const A> x, A* sums, int64_t width) {
  over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
    using V = decltype(lanes);
    V sum = values_at<V>(sums + j);
    for (int64_t k = 0; k < rows; ++k) sum += values_at<V>(x.row(k) + j);
    put(sum, sums + j);
  });
}

template <int64_t rows, class A>
NORMKIT_CLONES static void add_centred_rows(
    Strided<const A> x, const A* centre, A* first, A* second, int64_t width) {
  over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
    using V = decltype(lanes);
    const V middle = values_at<V>(centre + j);
    V sum = values_at<V>(first + j), squares = values_at<V>(second + j);
    for (int64_t k = 0; k < rows; ++k) {
      const V distance = values_at<V>(x.row(k) + j) - middle;
      sum += distance;
      squares += distance * distance;
    }
    put(sum, first + j);
    put(squares, second + j);
  });
}

/// Adds up dz, and dz · (x − centre). Given dz; or dy, where the pass has an activation.
template <Kind kind, int64_t rows, class A>
NORMKIT_CLONES static void add_products_of_rows(
    Strided<const A> dz, Strided<const A> x, AffineView<A> by, A* first, A* second,
    int64_t width) {
  over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
    using V = decltype(lanes);
    const V centre = values_at<V>(by.centre + j);
    const V scale = values_at<V>(by.scale + j), shift = values_at<V>(by.shift + j);
    V sum = values_at<V>(first + j), products = values_at<V>(second + j);
    for (int64_t k = 0; k < rows; ++k) {
      const V distance = values_at<V>(x.row(k) + j) - centre;
      const V upstream =
          before<kind, V>(values_at<V>(dz.row(k) + j), distance * scale + shift);
      sum += upstream;
      products += upstream * distance;
    }
    put(sum, first + j);
    put(products, second + j);
  });
}

/// The signs of the rows of a tile, whose columns are those of one group.
struct RowSigns {
  const uint32_t* words;
  int64_t stride;

  const uint32_t* row(int64_t k) const { return words + k * stride; }
};

/// Makes dz of dy by its signs, and adds up dz, and dz · (x − centre).
template <int64_t rows, bool flat, class A>
NORMKIT_INLINE void add_products_of_signed_rows(
    RowSigns signs, A low_slope, Strided<const A> dy, Strided<const A> x, Strided<A> dz,
    const A* centre, A* first, A* second, int64_t width) {
  const auto signs_of = [&]<int64_t... k>(std::integer_sequence<int64_t, k...>) NORMKIT_INLINED {
    return std::array<SignLanes<A>, rows>{SignLanes<A>(signs.row(k))...};
  };
  const auto words = signs_of(std::make_integer_sequence<int64_t, rows>());
  over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
    using V = decltype(lanes);
    const V middle = values_at<V>(centre + j);
    V sum = values_at<V>(first + j), products = values_at<V>(second + j);
    for (int64_t k = 0; k < rows; ++k) {
      const V distance = values_at<V>(x.row(k) + j) - middle;
      const V given = values_at<V>(dy.row(k) + j);
      V upstream;
      if constexpr (std::is_same_v<V, A>)
        upstream = differentiate_by_sign<flat>(signs.row(k), given, low_slope, j);
      else
        upstream = words[k].template differentiate<flat>(given, low_slope, j);
      put(upstream, dz.row(k) + j);
      sum += upstream;
      products += upstream * distance;
    }
    put(sum, first + j);
    put(products, second + j);
  });
}

template <int64_t rows, class A>
NORMKIT_CLONES static void add_products_by_signs(
    RowSigns signs, A low_slope, Strided<const A> dy, Strided<const A> x, Strided<A> dz,
    const A* centre, A* first, A* second, int64_t width) {
  if (low_slope == A(0))
    add_products_of_signed_rows<rows, true>(
        signs, low_slope, dy, x, dz, centre, first, second, width);
  else
    add_products_of_signed_rows<rows, false>(
        signs, low_slope, dy, x, dz, centre, first, second, width);
}

/// z = scale · (x − centre) + shift (+ residual), and the activation, if it is one of a pass.
template <Kind kind, int64_t rows, class A>
NORMKIT_CLONES static void scale_and_shift_rows(
    Strided<const A> x, Strided<const A> residual, Strided<A> z, AffineView<A> by,
    int64_t width) {
  const auto each = [&](auto added) NORMKIT_INLINED {
    over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
      using V = decltype(lanes);
      const V centre = values_at<V>(by.centre + j);
      const V scale = values_at<V>(by.scale + j), shift = values_at<V>(by.shift + j);
      for (int64_t k = 0; k < rows; ++k) {
        V value = (values_at<V>(x.row(k) + j) - centre) * scale + shift;
        if constexpr (added()) value += values_at<V>(residual.row(k) + j);
        put(activated<kind, V>(value), z.row(k) + j);
      }
    });
  };
  if (residual.values)
    each(std::true_type());
  else
    each(std::false_type());
}

/// dx, given dz; or dy, where the pass has an activation.
template <Kind kind, int64_t rows, class A>
NORMKIT_CLONES static void input_gradient_of_rows(
    Strided<const A> dz, Strided<const A> x, Strided<A> dx, AffineView<A> by,
    const A* of_input, const A* constant, int64_t width) {
  over_columns<A>(width, [&](int64_t j, auto lanes) NORMKIT_INLINED {
    using V = decltype(lanes);
    const V centre = values_at<V>(by.centre + j);
    const V scale = values_at<V>(by.scale + j), shift = values_at<V>(by.shift + j);
    const V slope = values_at<V>(of_input + j), rest = values_at<V>(constant + j);
    for (int64_t k = 0; k < rows; ++k) {
      const V distance = values_at<V>(x.row(k) + j) - centre;
      const V upstream =
          before<kind, V>(values_at<V>(dz.row(k) + j), distance * scale + shift);
      put<V>(scale * upstream + (slope * distance + rest), dx.row(k) + j);
    }
  });
}

/// The mean of each column of a block, given their sums, which are cleared.
template <class A>
NORMKIT_CLONES static void means_of_sums(
    A* __restrict sums, A* __restrict mean, double rows, int64_t width) {
  const A share = static_cast<A>(1 / rows);
  for (int64_t j = 0; j < width; ++j) {
    mean[j] = sums[j] * share;
    sums[j] = 0;
  }
}

/// Takes the moments of a block of rows around `centre` into those of `seen` rows before it.
///
/// The sums are cleared, and the centre is the mean so far: one near enough for the next block.
template <class A>
NORMKIT_CLONES static void take_in(
    A* __restrict centre, A* __restrict first, A* __restrict second, double rows, double seen,
    double* __restrict mean, double* __restrict squares, int64_t width) {
  const double share = rows / (seen + rows), reciprocal = 1 / rows;
  for (int64_t j = 0; j < width; ++j) {
    const double rest = first[j] * reciprocal;
    const double step = centre[j] + rest - mean[j];
    const double own = second[j] - rest * first[j];
    mean[j] += step * share;
    squares[j] += (own > 0 ? own : 0) + step * (step * (seen * share));
    centre[j] = static_cast<A>(mean[j]);
    first[j] = 0;
    second[j] = 0;
  }
}

}  // namespace normkit
