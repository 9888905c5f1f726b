// (N, *, C) as a matrix, with a column for each channel of one or several positions: in parts for the
// threads, in blocks for the cache, in tiles for a step, which are loaded and stored here.
#pragma once

#include <vector>

#include "signs.h"
#include "tensors.h"

namespace normkit {

/// The values with a row for each position, or for several where rows would be short.
struct Matrix {
  int64_t samples;    // that have statistics of their own
  int64_t positions;  // of each
  int64_t channels;
  int64_t groups;  // of channels
  int64_t fold;    // positions in a row

  int64_t width() const { return fold * channels; }
  int64_t rows() const { return ceil_divided(positions, fold); }
  int64_t full_rows() const { return positions / fold; }
  /// The values of the last row, where it is shorter than the others; or zero.
  int64_t rest() const { return positions % fold * channels; }
  int64_t values() const { return positions * channels; }
  int64_t per_group() const { return channels / groups; }
  double count() const {
    return static_cast<double>(positions) * static_cast<double>(per_group());
  }
  /// Where the bits of a row are.
  int64_t signs(int64_t sample, int64_t row) const {
    return (sample * rows() + row) * sign_words(width());
  }
  int64_t all_sign_words() const { return signs(samples, 0); }

  /// Statistics of each channel over all samples.
  static Matrix over_batch(Shape s) {
    return {1, s.samples * s.positions, s.channels, s.channels,
            fold_of(s.channels, s.samples * s.positions)};
  }
  /// Statistics of each group of channels of each sample.
  static Matrix over_samples(Shape s, int64_t groups) {
    return {s.samples, s.positions, s.channels, groups, fold_of(s.channels, s.positions)};
  }
  /// So many that a row is long, and that there still are several rows.
  static int64_t fold_of(int64_t channels, int64_t positions) {
    const int64_t wanted = ceil_divided(256, std::max<int64_t>(channels, 1));
    return std::max<int64_t>(std::min(wanted, positions / 16), 1);
  }
};

/// Rows that are summed in the computed precision before they go into a total of doubles.
constexpr int64_t kRowsOfBlock = 32;

/// Rows [begin, end) of a sample that one thread works on.
struct Part {
  int64_t sample, begin, end;
};

/// How many parts values are worth: 16 of them keep threads busy, and more are made where each has
/// 48 Ki values, since what is kept for every part and column is to be added up as well.
inline int64_t wanted_parts(int64_t values) {
  const int64_t small = std::min<int64_t>(values / (16 * 1024), 16);
  return std::min<int64_t>(std::max(small, values / (48 * 1024)), 64);
}

/// The fewest rows of a part: what it keeps for each column is to be little beside them.
constexpr int64_t kRowsOfPart = 48;

/// Every sample in parts, each of as many rows as the others; the last may have fewer.
inline std::vector<Part> parts_of(const Matrix& m) {
  const int64_t wanted = wanted_parts(m.samples * m.values()) / std::max<int64_t>(m.samples, 1);
  const int64_t count = std::max<int64_t>(std::min(wanted, m.rows() / kRowsOfPart), 1);
  const int64_t rows = ceil_divided(m.rows(), count);
  std::vector<Part> parts;
  for (int64_t sample = 0; sample < m.samples; ++sample)
    for (int64_t row = 0; row < m.rows(); row += rows)
      parts.push_back({sample, row, std::min(row + rows, m.rows())});
  return parts;
}

/// Rows that are worked on together, so that what goes with a column is loaded once.
constexpr int64_t kTogether = 4;

/// The columns of rows that are worked on together: with all they stay in the first cache.
constexpr int64_t kColumns = 256;

/// What a step works on: the `length` columns from `column` on, of `rows` rows.
template <int64_t rows>
struct Tile {
  int64_t row, step;  // the first row, and from one to the next
  int64_t column, length;
};

/// Calls f for the tiles of the rows [begin, end), which are of one length.
///
/// The rows of a tile lie apart, so that each is in a stretch of memory that is read as it lies.
template <class F>
NORMKIT_INLINE void each_tile_of_rows(int64_t begin, int64_t end, int64_t length, const F& f) {
  const auto columns = [&]<int64_t rows>(Tile<rows> tile) {
    for (tile.column = 0; tile.column < length; tile.column += kColumns) {
      tile.length = std::min(kColumns, length - tile.column);
      f(tile);
    }
  };
  const int64_t step = (end - begin) / kTogether;
  for (int64_t i = 0; i < step; ++i) columns(Tile<kTogether>{begin + i, step, 0, 0});
  for (int64_t row = begin + kTogether * step; row < end; ++row)
    columns(Tile<1>{row, 0, 0, 0});
}

/// Calls f(begin, end, length) for the blocks of a part, each of rows of one length.
template <class F>
void each_block(const Matrix& m, const Part& part, const F& f) {
  const int64_t full = std::min(part.end, m.full_rows());
  for (int64_t row = part.begin; row < full; row += kRowsOfBlock)
    f(row, std::min(row + kRowsOfBlock, full), m.width());
  if (part.end > m.full_rows()) f(m.full_rows(), part.end, m.rest());
}

/// Calls f for blocks from the last on: what was read last is still in the cache.
template <class F>
void each_block_reversed(const Matrix& m, const Part& part, const F& f) {
  const int64_t full = std::min(part.end, m.full_rows());
  if (part.end > m.full_rows()) f(m.full_rows(), part.end, m.rest());
  for (int64_t end = full; end > part.begin;) {
    const int64_t begin = std::max(end - kRowsOfBlock, part.begin);
    f(begin, end, m.width());
    end = begin;
  }
}

/// Where the values of a tile are, or their copy in the precision they are computed in.
template <class P>
struct Strided {
  P* values;
  int64_t stride;  // from a row to the next

  P* row(int64_t k) const { return values + k * stride; }
};

/// Room for a tile in the computed precision.
template <class A>
using TileBuffer = A[kTogether * kColumns];

template <int64_t rows, class A>
NORMKIT_INLINE Strided<const A> loaded_rows(
    const A* values, int64_t stride, TileBuffer<A>&, int64_t) {
  return {values, stride};
}

template <int64_t rows, class Half>
  requires(sizeof(Half) == 2)
NORMKIT_INLINE Strided<const float> loaded_rows(
    const Half* values, int64_t stride, TileBuffer<float>& buffer, int64_t length) {
  for (int64_t k = 0; k < rows; ++k)
    loaded(values + k * stride, buffer + k * kColumns, length);
  return {buffer, kColumns};
}

/// Where the result of a tile is computed: in its place, or in `buffer`, to be stored from there.
template <class A>
NORMKIT_INLINE Strided<A> workplace_of_rows(A* place, int64_t stride, TileBuffer<A>&) {
  return {place, stride};
}
template <class Half>
  requires(sizeof(Half) == 2)
NORMKIT_INLINE Strided<float> workplace_of_rows(Half*, int64_t, TileBuffer<float>& buffer) {
  return {buffer, kColumns};
}

template <int64_t rows, class P, class A>
NORMKIT_INLINE void store_rows(const Strided<P>&, A*, int64_t, int64_t) {}

template <int64_t rows, class P, class Half>
  requires(sizeof(Half) == 2)
NORMKIT_INLINE void store_rows(
    const Strided<P>& computed, Half* place, int64_t stride, int64_t length) {
  for (int64_t k = 0; k < rows; ++k) store(computed.row(k), place + k * stride, length);
}

}  // namespace normkit
