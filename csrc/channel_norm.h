// Layer and root mean square normalization, over the channels of each position.
#pragma once

#include "tensors.h"

namespace normkit {

/// Over the channels of (N, C, *), or, where `trailing`, over the last `size` values together.
Tensor channel_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, int64_t size, bool trailing, bool centred, double eps, int64_t act,
    double slope);

/// The gradients of the input, γ, β and the residual; empty where one is not wanted.
std::tuple<Tensor, Tensor, Tensor, Tensor> channel_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, int64_t size, bool trailing, bool centred,
    double eps, int64_t act, double slope, bool wants_input, bool wants_residual);

}  // namespace normkit
