"""Batch normalization over the batches of several processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from normkit.functional.activation import Activation, finish
from normkit.functional.batch import batch_norm, batch_norm_of_batch
from normkit.functional.checks import check_input, check_mask, check_per_channel
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
    if not _several_processes(process_group):
        return batch_norm_of_batch(input, weight, bias, eps, act=act, residual=residual, mask=mask)
    check_input("sync_batch_norm", input)
    check_per_channel("sync_batch_norm", input.shape[1], weight=weight, bias=bias)
    kept = check_mask("sync_batch_norm", mask, input)
    x = at_least_float32(input, kept)
    axes = (0, *range(2, x.ndim))
    centred, minus_mean, variance = centred_moments(x, axes, kept=kept)
    own = (
        minus_mean.new_full((), value_count(x, axes))
        if kept is None
        else kept_count(x, axes, kept).reshape(())
    )

    # One message for each process: its mean, its variance and how many values they are of.
    channels = x.shape[1]
    message = torch.cat([-minus_mean.flatten(), variance.flatten(), own.reshape(1)])
    told = _gathered(message, process_group)
    means, variances = told[:, :channels], told[:, channels:-1]
    sizes = told[:, -1:].detach()
    size = sizes.sum()
    shares = sizes / size.clamp(min=1)
    # All variances are centred, and so is what is added to them: the variance of the means.
    mean = (means * shares).sum(0)
    variance = ((variances + (means - mean).square()) * shares).sum(0)

    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * in_precision_of(x, weight)
    # From the process's own mean to the mean of all, on small tensors only.
    shift = (-minus_mean.flatten() - mean) * scale
    if bias is not None:
        shift = shift + in_precision_of(x, bias)
    y = scale_and_shift(centred, per_channel(scale, x), per_channel(shift, x))
    moments = Moments(mean.detach(), unbiased(variance.detach(), size), size)
    return finish(in_precision_of(input, y), act, residual), moments


def _several_processes(group: dist.ProcessGroup | None) -> bool:
    if not (dist.is_available() and dist.is_initialized()):
        return False
    if dist.get_rank(group) < 0:
        raise ValueError(
            "sync_batch_norm: this process is not in process_group; it cannot know the others' "
            "batches. Make the layer with a group that this process belongs to."
        )
    return dist.get_world_size(group) > 1


class _Gather(torch.autograd.Function):
    """One tensor of every process, stacked: `(*)` → `(processes, *)`."""

    @staticmethod
    def forward(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        processes = dist.get_world_size(group)
        told = x.new_empty(processes * x.numel())
        _all_gather(told, x.flatten(), group)
        return told.reshape(processes, *x.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        gradient: Tensor = _SumOwn.apply(upstream, ctx.group)  # type: ignore[no-untyped-call]
        return gradient, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, group: dist.ProcessGroup | None
    ) -> tuple[Tensor, int]:
        return _gathered(x.movedim(in_dims[0] or 0, 0), group), 1


class _SumOwn(torch.autograd.Function):
    """The sum over the processes, of which each keeps its own row: `_Gather`'s transpose."""

    @staticmethod
    def forward(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total[dist.get_rank(group)].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return _gathered(upstream, ctx.group), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, group: dist.ProcessGroup | None
    ) -> tuple[Tensor, int]:
        own: Tensor = _SumOwn.apply(x.movedim(in_dims[0] or 0, 1), group)  # type: ignore[no-untyped-call]
        return own, 0


def _gathered(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    told: Tensor = _Gather.apply(x, group)  # type: ignore[no-untyped-call]
    return told


def _all_gather(told: Tensor, x: Tensor, group: dist.ProcessGroup | None) -> None:
    # Under its newer name where there is one: the older is deprecated.
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(told, x, group=group)
