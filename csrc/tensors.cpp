#include "tensors.h"

#include "fresh.h"

namespace normkit {

namespace {

/// Not torch::stable::empty, which looks its operator up by name every time.
Tensor fresh(
    int64_t axes, const int64_t* sizes, const int64_t* strides, int32_t dtype, size_t bytes) {
  AtenTensorHandle handle;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(
      axes, sizes, strides, dtype, aoti_torch_device_type_cpu(), 0, &handle));
  Tensor result(handle);
  prepare(result.mutable_data_ptr(), bytes);
  return result;
}

}  // namespace

Tensor fresh_like(const Tensor& like) {
  int32_t dtype;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(like.get(), &dtype));
  return fresh(
      like.dim(), like.sizes().data(), like.strides().data(), dtype,
      like.numel() * like.element_size());
}

namespace {

bool has_shape_of(const Tensor& like, const Tensor& x) {
  bool same = like.dim() == x.dim() && like.scalar_type() == x.scalar_type();
  for (int64_t axis = 0; same && axis < like.dim(); ++axis)
    same = like.size(axis) == x.size(axis);
  return same;
}

bool lies_as(const Tensor& like, const Tensor& x) {
  bool same = true;
  // Of an axis of one value the stride means nothing.
  for (int64_t axis = 0; axis < like.dim(); ++axis)
    same = same && (like.size(axis) == 1 || like.stride(axis) == x.stride(axis));
  return same;
}

/// Whether the channels of a position are adjacent, and the positions in order.
bool is_dense_channels_last(const Tensor& x) {
  if (x.dim() < 3) return false;
  int64_t expected = 1;
  const auto fits = [&](int64_t axis) {
    const bool does = x.size(axis) == 1 || x.stride(axis) == expected;
    expected *= x.size(axis);
    return does;
  };
  bool dense = fits(1);
  for (int64_t axis = x.dim() - 1; axis > 1; --axis) dense = fits(axis) && dense;
  return fits(0) && dense;
}

}  // namespace

void check_map(const Tensor& x) {
  STD_TORCH_CHECK(
      x.dim() > 0 && x.numel() > 0 && (x.is_contiguous() || is_dense_channels_last(x)),
      "normkit's kernels take maps that are contiguous or channels-last, and not empty.");
}

void check_like(const Tensor& x, const MaybeTensor& other) {
  STD_TORCH_CHECK(
      !other.has_value() || (has_shape_of(x, *other) && lies_as(x, *other)),
      "normkit's kernels take a residual of the shape, dtype and layout of the input.");
}

void check_asks_residual(bool wants_residual, int64_t act) {
  STD_TORCH_CHECK(
      !wants_residual || act != 0,
      "normkit's kernels give a residual's gradient with an activation alone; without one it is the "
      "upstream gradient.");
}

Tensor beside(const Tensor& like, const Tensor& x) {
  STD_TORCH_CHECK(
      has_shape_of(like, x),
      "normkit's kernels take an upstream gradient of the shape and dtype of the input.");
  if (lies_as(like, x)) return x;
  Tensor result = fresh_like(like);
  torch::stable::copy_(result, x);
  return result;
}

Tensor fresh_doubles(int64_t count) {
  const int64_t stride = 1;
  return fresh(1, &count, &stride, aoti_torch_dtype_float64(), count * sizeof(double));
}

Tensor fresh_words(int64_t count) {
  const int64_t stride = 1;
  return fresh(1, &count, &stride, aoti_torch_dtype_int32(), count * sizeof(uint32_t));
}

std::vector<double> as_doubles(const MaybeTensor& vector, int64_t size, double absent) {
  std::vector<double> result(size, absent);
  if (!vector.has_value()) return result;
  STD_TORCH_CHECK(
      vector->numel() == size && vector->is_contiguous(),
      "normkit's kernels take contiguous vectors of one value per channel.");
  with_type_of(*vector, [&](auto type) {
    using T = decltype(type);
    const T* values = values_of<T>(*vector);
    for (int64_t i = 0; i < size; ++i) result[i] = widened(values[i]);
  });
  return result;
}

Tensor as_vector(const std::vector<double>& values, const MaybeTensor& like) {
  if (!like.has_value()) return fresh_words(0);
  Tensor result = fresh_like(*like);
  with_type_of(result, [&](auto type) {
    using T = decltype(type);
    T* places = places_of<T>(result);
    for (size_t i = 0; i < values.size(); ++i)
      places[i] = narrowed<T>(static_cast<computed<T>>(values[i]));
  });
  return result;
}

}  // namespace normkit
