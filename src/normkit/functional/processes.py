"""What several processes tell each other, and the statistics over all of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def several_processes(function: str, group: dist.ProcessGroup | None) -> bool:
    """Whether there are others to be asked.

    Raises:
        ValueError: this process is not in the group.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return False
    if dist.get_rank(group) < 0:
        raise ValueError(
            f"{function}: this process is not in process_group; it cannot know the others' "
            "batches. Make the layer with a group that this process belongs to."
        )
    return dist.get_world_size(group) > 1


def message_of(mean: Tensor, variance: Tensor, count: Tensor) -> Tensor:
    """What a process tells: `(2 · C + 1)` in float64, in whatever precision it computes."""
    # Alike in all processes, whichever way each of them takes.
    return torch.cat([mean.double(), variance.double(), count.double().reshape(1)])


def together(told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance over all processes, and of how many values, of their messages.

    All variances are centred, and so is what is added to them: the variance of the means.

    >>> of_1_and_3, of_5 = torch.tensor([[2.0, 1.0, 2.0], [5.0, 0.0, 1.0]]).double()
    >>> mean, variance, size = together(torch.stack([of_1_and_3, of_5]))
    >>> mean.item(), round(variance.item(), 6), size.item()
    (3.0, 2.666667, 3.0)
    """
    channels = told.shape[1] // 2
    means, variances = told[:, :channels], told[:, channels:-1]
    sizes = told[:, -1:].detach()
    size = sizes.sum()
    shares = sizes / size.clamp(min=1)
    mean = (means * shares).sum(0)
    variance = ((variances + (means - mean).square()) * shares).sum(0)
    return mean, variance, size


def gathered(
    message: Tensor,
    group: dist.ProcessGroup | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """One message of every process, stacked, `(*)` → `(processes, *)`; and γ and β.

    These are as they were given, but their gradients go on only after the message's has been sent.
    What waits for them, as DistributedDataParallel does to send messages of its own, then sends
    these at the same place among the others in all processes, whichever way each of them takes.
    """
    values = [value for value in (weight, bias) if value is not None]
    told, *copies = _Gather.apply(message, group, *values)  # type: ignore[no-untyped-call]
    rest = iter(copies)
    weight, bias = (None if value is None else next(rest) for value in (weight, bias))
    return told, weight, bias


def own_of_sum(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The sum over the processes, of which each keeps its own row: `gathered`'s transpose."""
    own: Tensor = _SumOwn.apply(x, group)  # type: ignore[no-untyped-call]
    return own


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, group: dist.ProcessGroup | None, *beside: Tensor) -> tuple[Tensor, ...]:
        processes = dist.get_world_size(group)
        told = x.new_empty(processes * x.numel())
        _all_gather(told, x.flatten(), group)
        return told.reshape(processes, *x.shape), *(value.clone() for value in beside)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *beside: Tensor) -> tuple[Tensor | None, ...]:
        own = own_of_sum(upstream, ctx.group) if ctx.needs_input_grad[0] else None
        return own, None, *beside

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        group: dist.ProcessGroup | None,
        *beside: Tensor,
    ) -> tuple[tuple[Tensor, ...], tuple[int | None, ...]]:
        at, _, *others = in_dims
        x = x if at is None else x.movedim(at, 0)
        made = _Gather.apply(x, group, *beside)  # type: ignore[no-untyped-call]
        return made, (None if at is None else 1, *others)


class _SumOwn(torch.autograd.Function):
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
        return gathered(upstream, ctx.group)[0], None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, group: dist.ProcessGroup | None
    ) -> tuple[Tensor, int]:
        return own_of_sum(x.movedim(in_dims[0] or 0, 1), group), 0


def _all_gather(told: Tensor, x: Tensor, group: dist.ProcessGroup | None) -> None:
    # Under its newer name where there is one: the older is deprecated.
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(told, x, group=group)
