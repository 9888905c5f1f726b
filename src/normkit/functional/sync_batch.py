"""Batch normalization over the batches of several processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from normkit import kernels
from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm, batch_norm_of_batch
from normkit.functional.checks import check_input, check_mask, check_per_channel
from normkit.functional.processes import (
    gathered,
    message_of,
    several_processes,
    together,
)
from normkit.functional.running import update_running_
from normkit.functional.statistics import (
    Moments,
    at_least_float32,
    centred_moments,
    in_precision_of,
    kept_count,
    per_channel,
    scale_and_shift,
    unbiased,
    value_count,
)


def sync_batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    process_group: dist.ProcessGroup | None = None,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Standardises each channel over the batches of all processes and all positions.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual), with μ and σ² per channel over `(N, *)`, where
    N counts the samples of every process. The processes may have batches of different sizes, also
    none at all. Without `torch.distributed`, and in evaluation, it is `batch_norm`.

    Several processes with one value per channel between them cannot be told in time to refuse them:
    the output is β, and the batch is not counted. Under `torch.func`, `grad` and `vmap` work over
    several processes if all of them do the same; `jvp` is refused by PyTorch.

    The gradient is that of the sum of the processes' losses, as it is on the joined batch; γ and β
    get in each process what its own samples contribute, which DistributedDataParallel averages.
    Processes wait for each other in the backward too, where their inputs ask for a gradient.

    Args:
        input: `(N, C, *)`, on any device whose backend can gather and reduce, such as the CPU with
            gloo.
        running_mean: `(C)` or None; updated in place in training, alike in all processes.
        running_var: `(C)` or None; updated in place in training, with the unbiased variance.
        weight: γ, `(C)` or None.
        bias: β, `(C)` or None.
        training: whether the statistics are the batches'.
        momentum: how far the running statistics move towards the batches'.
        eps: ε, added to the variance.
        process_group: the processes; None means all.
        act: the activation: None, a name, or a module or function.
        residual: added before the activation, of the shape of `input`.
        mask: True where a value counts; see `batch_norm`.

    Returns:
        `(N, C, *)`, in the dtype and memory format of `input`.

    Raises:
        ValueError: a process outside of its group; what `batch_norm` refuses.

    >>> x = torch.randn(8, 4, 5, 5)
    >>> torch.equal(
    ...     sync_batch_norm(x, None, None, training=True), batch_norm(x, None, None, training=True)
    ... )
    True

    Paper: Ioffe and Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167;
    over several devices in Peng et al., "MegDet", 2018, https://arxiv.org/abs/1711.07240
    """
    ending: dict[str, Any] = {"act": act, "residual": residual, "mask": mask}
    if not training:
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps, **ending)
    y, moments = sync_batch_norm_of_batches(
        input, weight, bias, eps, process_group=process_group, **ending
    )
    check_per_channel(
        "sync_batch_norm", input.shape[1], running_mean=running_mean, running_var=running_var
    )
    update_running_(running_mean, running_var, moments, momentum)
    return y


def sync_batch_norm_of_batches(
    input: Tensor,  # noqa: A002
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    process_group: dist.ProcessGroup | None = None,
    act: Activation = None,
    residual: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    """`sync_batch_norm` in training, and the statistics, for who keeps running ones.

    Returns:
        The output, and the moments over all processes, without a gradient.
    """
    if not several_processes("sync_batch_norm", process_group):
        return batch_norm_of_batch(input, weight, bias, eps, act=act, residual=residual, mask=mask)
    check_input("sync_batch_norm", input)
    check_per_channel("sync_batch_norm", input.shape[1], weight=weight, bias=bias)
    ending = kernels.choose(
        "sync_batch_norm", input, act, residual, weight, bias, mask=mask, over_processes=True
    )
    if ending is None:
        kept = check_mask("sync_batch_norm", mask, input)
        y, moments = _by_formula(input, weight, bias, eps, process_group, kept)
        return finish(y, act, residual), moments
    own = kernels.batch_moments(input, ending)
    count = own.mean.new_full((), value_count(input, _axes(input)))
    message = message_of(own.mean, own.variance, count)
    told, weight, bias = gathered(message, process_group, weight, bias)
    mean, variance, size = together(told)
    y = kernels.sync_batch_norm(input, own, mean, variance, weight, bias, eps)
    return finish(y, ending.act), _moments(mean, variance, size)


def _by_formula(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    group: dist.ProcessGroup | None,
    kept: Tensor | None,
) -> tuple[Tensor, Moments]:
    x = at_least_float32(input, kept)
    axes = _axes(x)
    centred, minus_mean, variance = centred_moments(x, axes, kept=kept)
    count = (
        minus_mean.new_full((), value_count(x, axes), dtype=torch.float64)
        if kept is None
        else kept_count(x, axes, kept)
    )
    own_mean = -minus_mean.flatten()
    message = message_of(own_mean, variance.flatten(), count)
    told, weight, bias = gathered(message, group, weight, bias)
    mean, variance, size = together(told)

    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * in_precision_of(scale, weight)
    # From the process's own mean to the mean of all, on small tensors only.
    shift = (own_mean - mean) * scale
    if bias is not None:
        shift = shift + in_precision_of(shift, bias)
    y = scale_and_shift(centred, per_channel(scale, x), per_channel(shift, x))
    return in_precision_of(input, y), _moments(mean, variance, size)


def _axes(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _moments(mean: Tensor, variance: Tensor, size: Tensor) -> Moments:
    return Moments(mean.detach(), unbiased(variance.detach(), size), size)
