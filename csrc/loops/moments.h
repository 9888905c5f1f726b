// Mean and variance, put together from parts.
#pragma once

#include <cmath>
#include <cstdint>

#include "clones.h"

namespace normkit {

/// A sum of values, and one of what they are multiplied with. It is not set unless it is asked to be:
/// Sums{}, since arrays of them are set piece by piece.
struct Sums {
  double first, second;

  NORMKIT_INLINE void add(const Sums& other) {
    first += other.first;
    second += other.second;
  }
};

/// The mean of some values, and the sum of their squared distances from it.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;

  /// Of `count` values, given the sums of their distances from `centre` and of the squares.
  static Moments around(double centre, Sums distances, double count) {
    const double step = distances.first / count;
    return {count, centre + step, std::fmax(distances.second - step * distances.first, 0.0)};
  }

  /// Takes in other values: Chan, Golub and LeVeque, 1979.
  void add(const Moments& other) {
    const double total = count + other.count;
    if (total == 0) return;
    const double step = other.mean - mean;
    const double share = other.count / total;
    mean += step * share;
    squares += other.squares + step * (step * (count * share));
    count = total;
  }

  double variance() const { return squares / std::fmax(count, 1.0); }
};

/// What turns x into γ · (x − mean) / √(variance + ε) + β in one multiplication and one addition.
///
/// The centre is the mean to the precision of A; what is lost by that is put into the shift, so
/// that a mean far from zero costs no accuracy.
template <class A>
struct Affine {
  A centre, scale, shift;

  static Affine of(double mean, double reciprocal, double gamma, double beta) {
    const A centre = static_cast<A>(mean);
    const double scale = gamma * reciprocal;
    const double rest = mean - static_cast<double>(centre);
    return {centre, static_cast<A>(scale), static_cast<A>(beta - rest * scale)};
  }
};

/// The gradient of the input: scale · dz + of_input · (x − centre) + constant, with the scale and
/// centre of `Affine`.
template <class A>
struct InputGradient {
  A of_input, constant;

  /// Where mean and variance are taken from `count` values.
  ///
  /// `sums` are those of γ · dz, and of γ · dz · (x − mean).
  static InputGradient of(double mean, double reciprocal, Sums sums, double count) {
    const double of_input = -sums.second * reciprocal * reciprocal * reciprocal / count;
    const double rest = mean - static_cast<double>(static_cast<A>(mean));
    return {
        static_cast<A>(of_input),
        static_cast<A>(-sums.first * reciprocal / count - of_input * rest)};
  }
};

inline double reciprocal_root(double variance, double eps) {
  return 1.0 / std::sqrt(variance + eps);
}

}  // namespace normkit
