// Between PyTorch's tensors and the loops.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <tuple>
#include <vector>

#include "loops/tensors.h"

namespace normkit {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using MaybeTensor = std::optional<Tensor>;

/// Hands a loop's work to PyTorch's own threads.
struct TorchThreads {
  template <class F>
  void operator()(int64_t count, int64_t grain, const F& f) const {
    torch::stable::parallel_for(0, count, grain, f);
  }
};

/// A tensor like another, whose values are not set.
Tensor fresh_like(const Tensor& like);

/// A tensor as another lies in memory: itself, or a copy.
Tensor beside(const Tensor& like, const Tensor& x);

/// A tensor of doubles, whose values are not set.
Tensor fresh_doubles(int64_t count);

/// A tensor of 32 bits each, which are not set.
Tensor fresh_words(int64_t count);

/// A tensor, or one without values: each its own, since an operator's results share no memory.
inline Tensor or_empty(const MaybeTensor& x) { return x.has_value() ? *x : fresh_words(0); }

/// A vector as doubles; of `size` times `absent` where there is none.
std::vector<double> as_doubles(const MaybeTensor& vector, int64_t size, double absent);

/// γ and β as doubles, for as long as a kernel runs.
struct OwnedAffines {
  std::vector<double> weight, bias;

  OwnedAffines(const MaybeTensor& w, const MaybeTensor& b, int64_t channels)
      : weight(as_doubles(w, channels, 1)), bias(as_doubles(b, channels, 0)) {}

  Affines view() const { return {weight.data(), bias.data()}; }
};

/// Doubles in the precision of `like`, which they are the gradient of; none where that is none.
Tensor as_vector(const std::vector<double>& values, const MaybeTensor& like);

/// The shape of (N, C, *), of at least two dimensions.
inline Shape shape_of(const Tensor& x) {
  int64_t positions = 1;
  for (int64_t axis = 2; axis < x.dim(); ++axis) positions *= x.size(axis);
  return {x.size(0), x.size(1), positions};
}

/// Whether the channels of a position are adjacent; otherwise the positions of a channel are.
inline bool is_channels_last(const Tensor& x) { return !x.is_contiguous(); }

template <class T>
const T* values_of(const Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}

template <class T>
const T* values_of(const MaybeTensor& x) {
  return x.has_value() ? values_of<T>(*x) : nullptr;
}

template <class T>
T* places_of(const Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

inline Statistics statistics_of(const Tensor& mean, const Tensor& variance) {
  // A backward reads them alone.
  return {places_of<double>(mean), places_of<double>(variance)};
}

/// Raises unless a map can be gone through: dense, contiguous or channels-last, of a known kind.
void check_map(const Tensor& x);

/// Raises unless another map lies in memory as `x` does.
void check_like(const Tensor& x, const MaybeTensor& other);
/// Raises where the gradient of a residual is asked for that is the upstream one.
void check_asks_residual(bool wants_residual, int64_t act);

/// Calls f with a value of the type that the tensor holds.
template <class F>
void with_type_of(const Tensor& x, const F& f) {
  switch (x.scalar_type()) {
    case ScalarType::Float:
      return f(float{});
    case ScalarType::Double:
      return f(double{});
    case ScalarType::BFloat16:
      return f(bfloat16{});
    case ScalarType::Half:
      return f(float16{});
    default:
      STD_TORCH_CHECK(false, "normkit's kernels take float64, float32, bfloat16 and float16.");
  }
}

}  // namespace normkit
