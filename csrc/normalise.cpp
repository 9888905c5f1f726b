// Batch, group, layer and instance normalization, and batch normalization in evaluation.

#include "normalise.h"

#include "loops/columns.h"
#include "loops/planes.h"
#include "running.h"

namespace normkit {
namespace {

/// Statistics over the batch have no groups of channels.
constexpr int64_t kOverBatch = 0;

Matrix matrix_of(Shape s, int64_t groups) {
  return groups == kOverBatch ? Matrix::over_batch(s) : Matrix::over_samples(s, groups);
}

Regions regions_of(Shape s, int64_t groups) {
  return groups == kOverBatch ? Regions::over_batch(s) : Regions::over_samples(s, groups);
}

void check(const Tensor& x, const MaybeTensor& residual, int64_t groups) {
  check_map(x);
  check_like(x, residual);
  STD_TORCH_CHECK(
      x.dim() > 1 && groups >= 0 && (groups == kOverBatch || x.size(1) % groups == 0),
      "normkit's kernels take (N, C, *), and a number of groups that divides C.");
}

/// Mean and variance that a forward returned, for as many regions as it has.
Statistics kept_statistics(
    const Tensor& x, int64_t groups, const Tensor& mean, const Tensor& variance) {
  const int64_t count = groups == kOverBatch ? x.size(1) : x.size(0) * groups;
  STD_TORCH_CHECK(
      mean.scalar_type() == ScalarType::Double && variance.scalar_type() == ScalarType::Double &&
          mean.numel() == count && variance.numel() == count,
      "normkit's kernels take in their backward the statistics that their forward returned.");
  return statistics_of(mean, variance);
}

int64_t sign_words_of(const Tensor& x, int64_t groups) {
  const Shape s = shape_of(x);
  return is_channels_last(x) ? matrix_of(s, groups).all_sign_words()
                             : regions_of(s, groups).all_sign_words();
}

/// Room for the signs of every value, or for none.
Tensor fresh_signs(const Tensor& x, int64_t groups, bool kept) {
  return fresh_words(kept ? sign_words_of(x, groups) : 0);
}

template <class T>
Forward<T> forward_of(
    const Tensor& x, const MaybeTensor& residual, const Tensor& output, const Tensor& signs,
    Activation act) {
  return {values_of<T>(x), values_of<T>(residual), places_of<T>(output),
          signs.numel() == 0 ? nullptr : places_of<uint32_t>(signs), act};
}

template <class T>
Backward<T> backward_of(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& signs, const MaybeTensor& of_input, const MaybeTensor& of_residual,
    Activation act) {
  return {values_of<T>(upstream),
          values_of<T>(x),
          values_of<T>(residual),
          values_of<uint32_t>(signs),
          of_input.has_value() ? places_of<T>(*of_input) : nullptr,
          of_residual.has_value() ? places_of<T>(*of_residual) : nullptr,
          act};
}

Normalised normalise(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, int64_t groups, double eps, Activation act, bool keeps_signs) {
  check(x, residual, groups);
  const Shape s = shape_of(x);
  const OwnedAffines affines(weight, bias, s.channels);
  const int64_t count = groups == kOverBatch ? s.channels : s.samples * groups;
  const Tensor output = fresh_like(x), mean = fresh_doubles(count), variance = fresh_doubles(count);
  const Tensor signs = fresh_signs(x, groups, keeps_signs);
  const Statistics statistics = statistics_of(mean, variance);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto to = forward_of<T>(x, residual, output, signs, act);
    if (is_channels_last(x))
      normalise_rows(matrix_of(s, groups), affines.view(), eps, to, statistics, TorchThreads());
    else
      normalise_planes(
          regions_of(s, groups), affines.view(), eps, to, statistics, TorchThreads());
  });
  return {output, mean, variance, signs};
}

enum class Taken { from_input, given };

Gradients differentiate(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, Statistics statistics,
    const MaybeTensor& signs, int64_t groups, double eps, Activation act, bool wants_input,
    bool wants_residual, Taken statistics_are) {
  check(x, residual, groups);
  check_asks_residual(wants_residual, static_cast<int64_t>(act.kind));
  const Shape s = shape_of(x);
  const Tensor dy = beside(x, upstream);
  STD_TORCH_CHECK(
      !signs.has_value() || signs->numel() == sign_words_of(x, groups),
      "normkit's kernels take in their backward the signs that their forward returned.");
  const OwnedAffines affines(weight, bias, s.channels);
  std::vector<double> of_weight(s.channels, 0), of_bias(s.channels, 0);
  const AffineGradients into{of_weight.data(), of_bias.data()};
  MaybeTensor of_input, of_residual;
  if (wants_input) of_input = fresh_like(x);
  if (wants_residual) of_residual = fresh_like(x);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto from = backward_of<T>(dy, x, residual, signs, of_input, of_residual, act);
    if (statistics_are == Taken::given && is_channels_last(x))
      differentiate_applied_rows(s, affines.view(), eps, from, statistics, into, TorchThreads());
    else if (statistics_are == Taken::given)
      differentiate_applied_planes(
          s, affines.view(), eps, from, statistics, into, TorchThreads());
    else if (is_channels_last(x))
      differentiate_rows(
          matrix_of(s, groups), affines.view(), eps, from, statistics, into, TorchThreads());
    else
      differentiate_planes(
          regions_of(s, groups), affines.view(), eps, from, statistics, into, TorchThreads());
  });
  return {or_empty(of_input),
          as_vector(of_weight, weight),
          as_vector(of_bias, bias),
          or_empty(of_residual)};
}

/// What the biased variance of a batch's channel is multiplied with to become the unbiased one.
double of_unbiased(const Tensor& x) {
  const double count = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
  return count / (count - 1);
}

}  // namespace

Normalised batch_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, double eps, int64_t act, double slope, bool keeps_signs) {
  Normalised result =
      normalise(x, residual, weight, bias, kOverBatch, eps, {Kind(act), slope}, keeps_signs);
  double* variance = places_of<double>(std::get<2>(result));
  for (int64_t c = 0; c < x.size(1); ++c) variance[c] *= of_unbiased(x);
  return result;
}

Normalised batch_norm_moving(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, const MaybeTensor& running_mean, const MaybeTensor& running_var,
    const MaybeTensor& num_batches_tracked, double momentum, double eps, int64_t act,
    double slope, bool keeps_signs) {
  Normalised result = batch_norm(x, residual, weight, bias, eps, act, slope, keeps_signs);
  update_running(
      running_mean, running_var, num_batches_tracked, std::get<1>(result), std::get<2>(result),
      momentum);
  return result;
}

Gradients batch_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, double eps, int64_t act, double slope,
    bool wants_input, bool wants_residual) {
  std::vector<double> biased = as_doubles(variance, x.size(1), 1);
  for (double& value : biased) value /= of_unbiased(x);
  return differentiate(
      upstream, x, residual, weight, bias,
      {kept_statistics(x, kOverBatch, mean, variance).mean, biased.data()}, signs, kOverBatch, eps, {Kind(act), slope}, wants_input, wants_residual, Taken::from_input);
}

Normalised group_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, int64_t groups, double eps, int64_t act, double slope,
    bool keeps_signs) {
  return normalise(x, residual, weight, bias, groups, eps, {Kind(act), slope}, keeps_signs);
}

Gradients group_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, int64_t groups, double eps, int64_t act,
    double slope, bool wants_input, bool wants_residual) {
  return differentiate(
      upstream, x, residual, weight, bias, kept_statistics(x, groups, mean, variance), signs,
      groups, eps, {Kind(act), slope}, wants_input, wants_residual, Taken::from_input);
}

std::tuple<Tensor, Tensor> apply_statistics(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, const Tensor& mean, const Tensor& variance, double eps, int64_t act,
    double slope, bool keeps_signs) {
  check(x, residual, kOverBatch);
  const Shape s = shape_of(x);
  const OwnedAffines affines(weight, bias, s.channels);
  std::vector<double> means = as_doubles(mean, s.channels, 0);
  std::vector<double> variances = as_doubles(variance, s.channels, 1);
  const Tensor output = fresh_like(x), signs = fresh_signs(x, kOverBatch, keeps_signs);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto to = forward_of<T>(x, residual, output, signs, {Kind(act), slope});
    const Statistics statistics{means.data(), variances.data()};
    if (is_channels_last(x))
      apply_rows(s, affines.view(), eps, to, statistics, TorchThreads());
    else
      apply_planes(s, affines.view(), eps, to, statistics, TorchThreads());
  });
  return {output, signs};
}

Gradients apply_statistics_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, double eps, int64_t act, double slope,
    bool wants_input, bool wants_residual) {
  const int64_t channels = x.size(1);
  std::vector<double> means = as_doubles(mean, channels, 0);
  std::vector<double> variances = as_doubles(variance, channels, 1);
  return differentiate(
      upstream, x, residual, weight, bias, {means.data(), variances.data()}, signs, kOverBatch,
      eps, {Kind(act), slope}, wants_input, wants_residual, Taken::given);
}

}  // namespace normkit
