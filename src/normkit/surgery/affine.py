"""What a norm does in evaluation, where its statistics are fixed: a scale and a shift a channel."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.surgery.norms import METHODS, layer_class

SAME_IN_EVALUATION = ("batch", "sync_batch", "ghost_batch", "batch_renorm", "frozen_batch")
"""Methods that do the same in evaluation, with the same running statistics, γ and β."""


def fixed_affine(module: torch.nn.Module) -> tuple[Tensor, Tensor] | str:
    """The scale and the shift of each channel in evaluation, in float64.

    y = scale · x + shift, with scale = γ / √(σ² + ε) and shift = β − scale · μ.

    Returns:
        The two, `(C)` each, or why there are none.

    >>> scale, shift = fixed_affine(torch.nn.BatchNorm2d(2, eps=3))
    >>> scale.tolist(), shift.tolist()
    ([0.5, 0.5], [0.0, 0.0])
    >>> fixed_affine(torch.nn.GroupNorm(1, 4))
    'GroupNorm takes its statistics from what it is given, in evaluation too'
    """
    cls = layer_class(module)
    name = type(module).__name__
    if cls is None:
        return f"{name} has a forward pass of its own"
    method = METHODS.get(cls)
    keeps = method is not None and method.name in SAME_IN_EVALUATION
    keeps = keeps or isinstance(module, torch.nn.modules.instancenorm._InstanceNorm)
    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    tracks = getattr(module, "track_running_stats", True)
    if not keeps or mean is None or variance is None or not tracks:
        return f"{name} takes its statistics from what it is given, in evaluation too"
    mean, variance = mean.detach().double(), variance.detach().double()
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    scale = (variance + float(module.eps)).rsqrt()  # type: ignore[arg-type]
    if weight is not None:
        scale = scale * weight.detach().double()
    shift = -scale * mean
    if bias is not None:
        shift = shift + bias.detach().double()
    return scale, shift
