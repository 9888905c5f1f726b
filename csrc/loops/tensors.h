// What a kernel is given: where the values are, and what is to be made of them.
#pragma once

#include "activation.h"
#include "moments.h"

namespace normkit {

struct Shape {
  int64_t samples, channels, positions;

  int64_t values() const { return samples * channels * positions; }
};

/// γ and β of each channel; ones and zeros where a layer has none.
struct Affines {
  const double* weight;
  const double* bias;

  template <class A>
  Affine<A> affine_of(int64_t channel, double mean, double reciprocal) const {
    return Affine<A>::of(mean, reciprocal, weight[channel], bias[channel]);
  }
};

/// Mean and biased variance, of as many regions as a method has.
struct Statistics {
  double* mean;
  double* variance;
};

/// The gradients of γ and β, which are added to.
struct AffineGradients {
  double* weight;
  double* bias;
};

template <class T>
struct Forward {
  const T* input;
  const T* residual;  // or null
  T* output;
  uint32_t* signs;  // where they are kept, or null
  Activation act;
};

template <class T>
struct Backward {
  const T* upstream;
  const T* input;
  const T* residual;       // or null: where there was none, or where signs are kept
  const uint32_t* signs;   // or null
  T* of_input;             // or null: where it is not wanted
  T* of_residual;          // or null; not without an activation: it is `upstream` then
  Activation act;

  /// The activation whose derivative the passes take themselves, since z depends on x alone.
  Kind in_pass() const {
    return signs || residual || of_residual ? Kind::none : normkit::in_pass(act.kind);
  }
  /// Whether dz is to be made of dy before a pass.
  bool has_step_of_activation() const {
    return act.kind != Kind::none && in_pass() == Kind::none;
  }
};

}  // namespace normkit
