// The passes over a part of (N, *, C), channels-last: moments, normalise, and those of the backward.
#pragma once

#include <vector>

#include "channel_sums.h"
#include "column_runs.h"
#include "upstream.h"

namespace normkit {

template <class T>
ChannelMoments moments_of_part(const Matrix& m, const T* x, const Part& part) {
  using A = computed<T>;
  const int64_t width = m.width();
  const T* sample = x + part.sample * m.values();
  alignas(64) TileBuffer<A> buffer;
  left_unset(buffer);
  const auto each_run = [&](int64_t begin, int64_t end, int64_t length, const auto& f) {
    each_tile_of_rows(begin, end, length, [&]<int64_t rows>(Tile<rows> tile) {
      const T* values = sample + tile.row * width + tile.column;
      f(loaded_rows<rows>(values, tile.step * width, buffer, tile.length), tile);
    });
  };
  ChannelMoments result(m.channels);
  std::vector<A> centre(width), first(width), second(width);
  std::vector<double> mean(width), squares(width);
  double seen = 0;
  const auto unfold = [&](int64_t length) {
    for (int64_t j = 0; j < length; j += m.channels) result.add(&mean[j], &squares[j], seen);
  };
  each_block(m, part, [&](int64_t begin, int64_t end, int64_t length) {
    const double rows = static_cast<double>(end - begin);
    if (length < width) {  // A row of fewer positions than the others: moments of its own.
      if (seen > 0) unfold(width);
      std::fill(mean.begin(), mean.end(), 0);
      std::fill(squares.begin(), squares.end(), 0);
      seen = 0;
    }
    if (seen == 0) {
      each_run(begin, end, length, [&]<int64_t n>(Strided<const A> run, Tile<n> tile) {
        add_rows<n>(run, &first[tile.column], tile.length);
      });
      means_of_sums(first.data(), centre.data(), rows, length);
    }
    each_run(begin, end, length, [&]<int64_t n>(Strided<const A> run, Tile<n> tile) {
      const int64_t j = tile.column;
      add_centred_rows<n>(run, &centre[j], &first[j], &second[j], tile.length);
    });
    take_in(centre.data(), first.data(), second.data(), rows, seen, mean.data(),
            squares.data(), length);
    seen += rows;
    if (length < width) unfold(length);
  });
  if (part.end <= m.full_rows()) unfold(width);
  return result;
}

/// For each column what the passes over a row multiply and add.
template <class A>
struct ColumnAffine {
  std::vector<A> centre, scale, shift;

  ColumnAffine(
      const Matrix& m, const double* mean, const double* variance, double eps,
      const Affines& affines)
      : centre(m.width()), scale(m.width()), shift(m.width()) {
    for (int64_t group = 0, c = 0; group < m.groups; ++group) {
      const double reciprocal = reciprocal_root(variance[group], eps);
      for (const int64_t end = c + m.per_group(); c < end; ++c) {
        const auto one = affines.affine_of<A>(c, mean[group], reciprocal);
        centre[c] = one.centre;
        scale[c] = one.scale;
        shift[c] = one.shift;
      }
    }
    for (int64_t j = m.channels; j < m.width(); ++j) {  // As one position before.
      centre[j] = centre[j - m.channels];
      scale[j] = scale[j - m.channels];
      shift[j] = shift[j - m.channels];
    }
  }

  AffineView<A> from(int64_t column) const {
    return AffineView<A>{centre.data(), scale.data(), shift.data()}.from(column);
  }
};

template <class T>
void normalise_part(
    const Matrix& m, const Part& part, const ColumnAffine<computed<T>>& by,
    const Forward<T>& to) {
  using A = computed<T>;
  const int64_t width = m.width();
  alignas(64) TileBuffer<A> values, added, place;
  left_unset(values, added, place);
  const auto normalise = [&]<int64_t rows>(Tile<rows> tile) {
    const int64_t at = part.sample * m.values() + tile.row * width + tile.column;
    const int64_t n = tile.length, stride = tile.step * width;
    const auto x = loaded_rows<rows>(to.input + at, stride, values, n);
    const auto residual = to.residual
                              ? loaded_rows<rows>(to.residual + at, stride, added, n)
                              : Strided<const A>{nullptr, 0};
    const auto z = workplace_of_rows(to.output + at, stride, place);
    with_kind(to.act.kind, [&](auto kind) {
      scale_and_shift_rows<kind, rows>(x, residual, z, by.from(tile.column), n);
    });
    for (int64_t k = 0; k < rows; ++k) {
      if (to.signs)
        keep_signs(
            to.act.kind, z.row(k),
            to.signs + m.signs(part.sample, tile.row + k * tile.step) + sign_words(tile.column), n);
      if (in_pass(to.act.kind) == Kind::none) activate(to.act, z.row(k), n);
    }
    store_rows<rows>(z, to.output + at, stride, n);
  };
  each_block_reversed(m, part, [&](int64_t begin, int64_t end, int64_t length) {
    each_tile_of_rows(begin, end, length, normalise);
  });
}

/// dz = dy · act′(z) of a tile: dy itself, or computed into `place`.
template <int64_t rows, class T>
NORMKIT_INLINE Strided<const computed<T>> before_activation_of_rows(
    const Matrix& m, const Part& part, Tile<rows> tile, const ColumnAffine<computed<T>>& by,
    const Backward<T>& from, Strided<const computed<T>> x, TileBuffer<computed<T>>& upstream,
    Strided<computed<T>> place) {
  using A = computed<T>;
  const int64_t at = part.sample * m.values() + tile.row * m.width() + tile.column;
  const int64_t stride = tile.step * m.width();
  if (!from.has_step_of_activation())
    return loaded_rows<rows>(from.upstream + at, stride, upstream, tile.length);
  for (int64_t k = 0; k < rows; ++k) {
    const int64_t signs = m.signs(part.sample, tile.row + k * tile.step) + sign_words(tile.column);
    before_activation(
        from, at + k * stride, signs, tile.length, upstream + k * kColumns, place.row(k),
        [&](const A* residual, A* z) {
          scale_and_shift_rows<Kind::none, 1>(
              {x.row(k), 0}, {residual, 0}, Strided<A>{z, 0}, by.from(tile.column),
              tile.length);
        });
  }
  return {place.values, place.stride};
}

/// The sums of each channel of dz, and of dz · (x − centre).
template <class T>
ChannelSums products_of_part(
    const Matrix& m, const Part& part, const ColumnAffine<computed<T>>& by,
    const Backward<T>& from) {
  using A = computed<T>;
  const int64_t width = m.width();
  std::vector<A> first(width), second(width);
  std::vector<double> all_first(width), all_second(width);
  alignas(64) TileBuffer<A> values, upstream, place;
  left_unset(values, upstream, place);
  const auto add_products = [&]<int64_t rows>(Tile<rows> tile) {
    const int64_t j = tile.column, n = tile.length, stride = tile.step * width;
    const int64_t at = part.sample * m.values() + tile.row * width + j;
    const auto x = loaded_rows<rows>(from.input + at, stride, values, n);
    const auto where = from.of_residual
                           ? workplace_of_rows(from.of_residual + at, stride, place)
                           : Strided<A>{place, kColumns};
    if (from.signs) {
      const RowSigns signs{
          from.signs + m.signs(part.sample, tile.row) + sign_words(j),
          tile.step * sign_words(width)};
      const auto dy = loaded_rows<rows>(from.upstream + at, stride, upstream, n);
      add_products_by_signs<rows>(
          signs, static_cast<A>(from.act.low_slope()), dy, x, where, by.from(j).centre,
          &first[j], &second[j], n);
      if (from.of_residual) store_rows<rows>(where, from.of_residual + at, stride, n);
      return;
    }
    const auto dz =
        before_activation_of_rows(m, part, tile, by, from, x, upstream, where);
    if (from.of_residual) store_rows<rows>(dz, from.of_residual + at, stride, n);
    with_kind(from.in_pass(), [&](auto kind) {
      add_products_of_rows<kind, rows>(dz, x, by.from(j), &first[j], &second[j], n);
    });
  };
  each_block(m, part, [&](int64_t begin, int64_t end, int64_t length) {
    each_tile_of_rows(begin, end, length, add_products);
    move_to(first.data(), all_first.data(), length);
    move_to(second.data(), all_second.data(), length);
  });
  ChannelSums sums(m.channels);
  for (int64_t j = 0; j < width; j += m.channels)
    for (int64_t c = 0; c < m.channels; ++c) {
      sums.first[c] += all_first[j + c];
      sums.second[c] += all_second[j + c];
    }
  return sums;
}

/// For each column what the gradient of the input is made of.
template <class A>
struct ColumnGradient {
  std::vector<A> of_input, constant;

  explicit ColumnGradient(int64_t width) : of_input(width), constant(width) {}

  /// Those of the channels [begin, end), at each position of a row.
  void set(const Matrix& m, int64_t begin, int64_t end, InputGradient<A> by) {
    for (int64_t j = 0; j < m.width(); j += m.channels) {
      std::fill(&of_input[j] + begin, &of_input[j] + end, by.of_input);
      std::fill(&constant[j] + begin, &constant[j] + end, by.constant);
    }
  }
};

template <class T>
void input_gradient_of_part(
    const Matrix& m, const Part& part, const ColumnAffine<computed<T>>& by,
    const ColumnGradient<computed<T>>& gradient, const Backward<T>& from) {
  using A = computed<T>;
  const int64_t width = m.width();
  alignas(64) TileBuffer<A> values, upstream, place, result;
  left_unset(values, upstream, place, result);
  const auto differentiate = [&]<int64_t rows>(Tile<rows> tile) {
    const int64_t j = tile.column, n = tile.length, stride = tile.step * width;
    const int64_t at = part.sample * m.values() + tile.row * width + j;
    const auto x = loaded_rows<rows>(from.input + at, stride, values, n);
    const auto dz = from.of_residual
                        ? loaded_rows<rows>(from.of_residual + at, stride, upstream, n)
                        : before_activation_of_rows(
                              m, part, tile, by, from, x, upstream, {place, kColumns});
    const auto dx = workplace_of_rows(from.of_input + at, stride, result);
    with_kind(from.in_pass(), [&](auto kind) {
      input_gradient_of_rows<kind, rows>(
          dz, x, dx, by.from(j), &gradient.of_input[j], &gradient.constant[j], n);
    });
    store_rows<rows>(dx, from.of_input + at, stride, n);
  };
  each_block_reversed(m, part, [&](int64_t begin, int64_t end, int64_t length) {
    each_tile_of_rows(begin, end, length, differentiate);
  });
}

}  // namespace normkit
