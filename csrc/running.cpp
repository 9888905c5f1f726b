// Running statistics, moved by those of a batch.

#include "running.h"

#include <cmath>

namespace normkit {
namespace {

/// Where a statistic moves to; nothing where there is none.
std::vector<double> moved(const MaybeTensor& running, const Tensor& of_batch, double momentum) {
  if (!running.has_value()) return {};
  STD_TORCH_CHECK(
      of_batch.scalar_type() == ScalarType::Double && of_batch.numel() == running->numel(),
      "update_running takes a batch's statistics in float64, as many as there are running ones.");
  std::vector<double> values = as_doubles(running, running->numel(), 0);
  const double* batch = values_of<double>(of_batch);
  for (size_t i = 0; i < values.size(); ++i) {
    const double step = batch[i] - values[i];
    // From the nearer end, so that a momentum of one gives the batch's to the last bit.
    values[i] = momentum < 0.5 ? values[i] + momentum * step : batch[i] - (1 - momentum) * step;
  }
  return values;
}

/// Whether a statistic can take on the values.
bool can_hold(const MaybeTensor& running, const std::vector<double>& values) {
  bool can = true;
  if (!running.has_value()) return can;
  with_type_of(*running, [&](auto type) {
    using T = decltype(type);
    for (const double value : values)
      can = can && std::isfinite(widened(narrowed<T>(static_cast<computed<T>>(value))));
  });
  return can;
}

void assign(const MaybeTensor& running, const std::vector<double>& values) {
  if (!running.has_value()) return;
  with_type_of(*running, [&](auto type) {
    using T = decltype(type);
    T* places = places_of<T>(*running);
    for (size_t i = 0; i < values.size(); ++i)
      places[i] = narrowed<T>(static_cast<computed<T>>(values[i]));
  });
}

}  // namespace

void update_running(
    const MaybeTensor& running_mean, const MaybeTensor& running_var,
    const MaybeTensor& num_batches_tracked, const Tensor& mean, const Tensor& variance,
    double momentum) {
  STD_TORCH_CHECK(
      !num_batches_tracked.has_value() ||
          (num_batches_tracked->scalar_type() == ScalarType::Long &&
           num_batches_tracked->numel() == 1),
      "update_running counts batches in one int64.");
  const std::vector<double> means = moved(running_mean, mean, momentum);
  const std::vector<double> variances = moved(running_var, variance, momentum);
  if (!can_hold(running_mean, means) || !can_hold(running_var, variances)) return;
  assign(running_mean, means);
  assign(running_var, variances);
  if (num_batches_tracked.has_value()) places_of<int64_t>(*num_batches_tracked)[0] += 1;
}

}  // namespace normkit
