// Batch, group, layer and instance normalization, and batch normalization in evaluation.
#pragma once

#include "tensors.h"

namespace normkit {

/// The output, mean, variance, and the signs of the activation where they are kept.
///
/// The variance over a batch is unbiased, as running statistics take it; that over samples is biased.
using Normalised = std::tuple<Tensor, Tensor, Tensor, Tensor>;

/// Of the input, γ, β and the residual; empty where one is not wanted.
using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Normalised batch_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, double eps, int64_t act, double slope, bool keeps_signs);

/// `batch_norm`, and `update_running` by its statistics.
Normalised batch_norm_moving(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, const MaybeTensor& running_mean, const MaybeTensor& running_var,
    const MaybeTensor& num_batches_tracked, double momentum, double eps, int64_t act,
    double slope, bool keeps_signs);

Gradients batch_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, double eps, int64_t act, double slope,
    bool wants_input, bool wants_residual);

Normalised group_norm(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, int64_t groups, double eps, int64_t act, double slope,
    bool keeps_signs);

Gradients group_norm_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, int64_t groups, double eps, int64_t act,
    double slope, bool wants_input, bool wants_residual);

std::tuple<Tensor, Tensor> apply_statistics(
    const Tensor& x, const MaybeTensor& residual, const MaybeTensor& weight,
    const MaybeTensor& bias, const Tensor& mean, const Tensor& variance, double eps, int64_t act,
    double slope, bool keeps_signs);

Gradients apply_statistics_backward(
    const Tensor& upstream, const Tensor& x, const MaybeTensor& residual,
    const MaybeTensor& weight, const MaybeTensor& bias, const Tensor& mean,
    const Tensor& variance, const MaybeTensor& signs, double eps, int64_t act, double slope,
    bool wants_input, bool wants_residual);

}  // namespace normkit
