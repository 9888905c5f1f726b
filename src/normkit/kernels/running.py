"""Running statistics, moved in one operator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from normkit.kernels.choice import DTYPES, is_disabled
from normkit.kernels.library import MISSING

_functorch = torch._C._functorch


def moves(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    num_batches_tracked: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    size: int | Tensor,
) -> bool:
    """Whether the operator moves running statistics by those of a batch."""
    return (
        MISSING is None
        and mean.dtype is torch.float64  # As kernels find them.
        and variance.dtype is torch.float64
        and not isinstance(size, Tensor)
        and size > 1
        and not is_disabled()
        and not torch.compiler.is_compiling()
        and _functorch.get_dynamic_layer_stack_depth() == 0
        and forward_ad._current_level < 0
        and _is_vector(mean)
        and _is_vector(variance)
        and (running_mean is None or _is_vector(running_mean))
        and (running_var is None or _is_vector(running_var))
        and (num_batches_tracked is None or _is_counter(num_batches_tracked))
    )


def _is_counter(x: Tensor) -> bool:
    return type(x) is Tensor and x.is_cpu and x.dtype is torch.int64 and x.numel() == 1


def _is_vector(x: Tensor) -> bool:
    return type(x) is Tensor and x.is_cpu and x.dtype in DTYPES and x.is_contiguous()


def move_(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    num_batches_tracked: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
) -> None:
    """running + momentum · (batch − running), and one more counted, if all of it is finite."""
    torch.ops.normkit.update_running.default(
        running_mean, running_var, num_batches_tracked, mean, variance, momentum
    )
    # An operator of the stable interface does not tell autograd that it has written to a tensor.
    changed = (running_mean, running_var, num_batches_tracked)
    torch.autograd.graph.increment_version([tensor for tensor in changed if tensor is not None])
