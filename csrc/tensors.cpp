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

Tensor beside(const Tensor& like, const Tensor& x) {
  bool same = true;
  // Of an axis of one value the stride means nothing.
  for (int64_t axis = 0; axis < like.dim(); ++axis)
    same = same && (like.size(axis) == 1 || like.stride(axis) == x.stride(axis));
  if (same) return x;
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
