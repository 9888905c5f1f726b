// Layer and root mean square normalization, over the channels of each position.

#include "channel_norm.h"

#include "loops/positions.h"
#include "loops/rows.h"

namespace normkit {
namespace {

/// Whether what is normalised together lies together.
bool is_in_rows(const Tensor& x, bool trailing) {
  return trailing || is_channels_last(x) || shape_of(x).positions == 1;
}

void check(const Tensor& x, const MaybeTensor& residual, int64_t size, bool trailing) {
  check_map(x);
  check_like(x, residual);
  STD_TORCH_CHECK(
      trailing ? x.is_contiguous() && size > 0 && x.numel() % size == 0
               : x.dim() > 1 && x.size(1) == size,
      "channel_norm is over the channels, or over the last values of a contiguous tensor.");
}

}  // namespace

Tensor channel_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, int64_t size, bool trailing, bool centred, double eps, int64_t act,
    double slope) {
  check(x, residual, size, trailing);
  const OwnedAffines affines(weight, bias, size);
  const Tensor output = fresh_like(x);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const Forward<T> to{
        values_of<T>(x), values_of<T>(residual), places_of<T>(output), nullptr,
        {Kind(act), slope}};
    if (is_in_rows(x, trailing))
      normalise_each_row(
          x.numel() / size, size, affines.view(), eps, Centred(centred), to, TorchThreads());
    else
      normalise_positions(
          shape_of(x), affines.view(), eps, Centred(centred), to, TorchThreads());
  });
  return output;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> channel_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, int64_t size, bool trailing, bool centred,
    double eps, int64_t act, double slope, bool wants_input, bool wants_residual) {
  check(x, residual, size, trailing);
  check_asks_residual(wants_residual, act);
  const Tensor dy = beside(x, upstream);
  const OwnedAffines affines(weight, bias, size);
  std::vector<double> of_weight(size, 0), of_bias(size, 0);
  MaybeTensor of_input, of_residual;
  if (wants_input) of_input = fresh_like(x);
  if (wants_residual) of_residual = fresh_like(x);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const Backward<T> from{
        values_of<T>(dy),
        values_of<T>(x),
        values_of<T>(residual),
        nullptr,
        of_input.has_value() ? places_of<T>(*of_input) : nullptr,
        of_residual.has_value() ? places_of<T>(*of_residual) : nullptr,
        {Kind(act), slope}};
    const AffineGradients into{of_weight.data(), of_bias.data()};
    if (is_in_rows(x, trailing))
      differentiate_each_row(
          x.numel() / size, size, affines.view(), eps, Centred(centred), from, into,
          TorchThreads());
    else
      differentiate_positions(
          shape_of(x), affines.view(), eps, Centred(centred), from, into, TorchThreads());
  });
  return {or_empty(of_input), as_vector(of_weight, weight), as_vector(of_bias, bias),
          or_empty(of_residual)};
}

}  // namespace normkit
