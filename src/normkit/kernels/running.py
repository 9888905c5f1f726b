"""Running statistics, moved in one operator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from normkit.kernels.choice import DTYPES, is_disabled
from normkit.kernels.library import missing

_functorch = torch._C._functorch


class Running(NamedTuple):
    """Running statistics, and how a batch moves them: running + momentum · (batch − running).

    Attributes:
        mean: `(C)` or None.
        variance: `(C)` or None.
        num_batches_tracked: one number, or None.
        momentum: a number, or a tensor of one.
    """

    mean: Tensor | None
    variance: Tensor | None
    num_batches_tracked: Tensor | None
    momentum: float | Tensor


def moves(running: Running, mean: Tensor, variance: Tensor, size: int | Tensor) -> bool:
    """Whether the operator moves running statistics by those of a batch."""
    return (
        mean.dtype is torch.float64  # As kernels find them.
        and variance.dtype is torch.float64
        and not isinstance(size, Tensor)
        and size > 1
        and not is_disabled()
        and _functorch.get_dynamic_layer_stack_depth() == 0
        and forward_ad._current_level < 0
        and missing(mean) is None
        and _is_vector(mean, mean)
        and _is_vector(variance, mean)
        and moves_beside_kernel(running, mean)
    )


def moves_beside_kernel(running: Running, beside: Tensor) -> bool:
    """Whether an operator moves running statistics by those of a batch that a kernel takes.

    Args:
        running: these statistics.
        beside: what they are to be on the same device as.
    """
    mean, variance, count, momentum = running
    return (
        not isinstance(momentum, Tensor)
        and not torch.compiler.is_compiling()
        and (mean is None or _is_vector(mean, beside))
        and (variance is None or _is_vector(variance, beside))
        and (count is None or _is_counter(count, beside))
    )


def _is_counter(x: Tensor, beside: Tensor) -> bool:
    is_one = x.dtype is torch.int64 and x.numel() == 1
    return type(x) is Tensor and is_one and x.device == beside.device


def _is_vector(x: Tensor, beside: Tensor) -> bool:
    is_dense = x.dtype in DTYPES and x.is_contiguous()
    return type(x) is Tensor and is_dense and x.device == beside.device


def move_(running: Running, mean: Tensor, variance: Tensor) -> None:
    """running + momentum · (batch − running), and one more counted, if all of it is finite."""
    torch.ops.normkit.update_running.default(*running[:3], mean, variance, running.momentum)
    wrote_to(running)


def wrote_to(running: Running) -> None:
    """Tells autograd, since an operator of the stable interface does not."""
    tensors = [tensor for tensor in running[:3] if tensor is not None]
    torch.autograd.graph.increment_version(tensors)
