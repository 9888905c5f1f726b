"""Batch normalization over the batches of several processes: what each does by itself.

Of the graph of one call two nodes are in kernels: the moments of the own batch, and the output,
given the moments over all processes. What is between is done by PyTorch, on a few vectors, alike in
all processes: putting their moments together, and sending messages. In the backward the output's
node sums over the maps; its gradients of the moments go through the messages; and the node of the
own moments, which comes last, writes the maps' gradients, whole and in one pass.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from normkit.kernels import lean
from normkit.kernels.activation import NONE, function_of
from normkit.kernels.batch import apply_statistics
from normkit.kernels.choice import Ending
from normkit.kernels.function import (
    KERNELS,
    gradients_by_formula,
    is_told_by_signs,
    slopes_of,
)

_OPS = torch.ops.normkit
_functorch = torch._C._functorch


class Own(NamedTuple):
    """The moments of a process's own batch.

    Attributes:
        mean: `(C)`, in float64.
        variance: biased, likewise.
        ending: of the call.
        handover: between the two nodes of the graph; None where the input asks for no gradient.
    """

    mean: Tensor
    variance: Tensor
    ending: Ending
    handover: Handover | None


class Left(NamedTuple):
    """What the output's node leaves for that of the own moments.

    Attributes:
        tensors: upstream, input, residual, weight, bias, mean, variance, signs.
        options: ε, and the activation.
        asks_residual: whether the residual's gradient is to be found too.
    """

    tensors: tuple[Tensor | None, ...]
    options: tuple[float, int, float]
    asks_residual: bool


class Handover:
    """Where one node of a graph leaves something for another that runs after it."""

    def __init__(self) -> None:
        self._left: tuple[int, Left] | None = None

    def leave(self, left: Left) -> None:
        """Leaves it for the backward pass that is running, at whose end it is gone."""
        self._left = torch._C._current_graph_task_id(), left
        itself = weakref.ref(self)

        def forget() -> None:
            if (handover := itself()) is not None:
                handover._left = None

        torch.autograd.Variable._execution_engine.queue_callback(forget)

    def take(self) -> Left | None:
        """What was left in this backward pass, if anything was."""
        found, self._left = self._left, None
        # What an earlier one left is still there where that one failed.
        is_of_this = found is not None and found[0] == torch._C._current_graph_task_id()
        return found[1] if found is not None and is_of_this else None


def batch_moments(input: Tensor, ending: Ending) -> Own:  # noqa: A002
    """The moments of each channel of this process's batch."""
    if not (torch.is_grad_enabled() and input.requires_grad):
        mean, variance = _OPS.batch_moments.default(input)
        return Own(mean, variance, ending, None)
    handover, residual = Handover(), ending.residual
    if residual is None or not residual.requires_grad:
        mean, variance = _Moments.apply(input, None, handover)  # type: ignore[no-untyped-call]
        return Own(mean, variance, ending, handover)
    # By way of the node that writes its gradient in the same pass as the input's.
    mean, variance, residual = _Moments.apply(input, residual, handover)  # type: ignore[no-untyped-call]
    return Own(mean, variance, ending._replace(residual=residual), handover)


def sync_batch_norm(
    input: Tensor,  # noqa: A002
    own: Own,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """With the statistics of all processes.

    Args:
        input: `(N, C, *)`.
        own: what `batch_moments` found.
        mean: over all processes, `(C)`, in float64.
        variance: biased, likewise.
        weight: γ or None.
        bias: β or None.
        eps: ε.
    """
    ending = own.ending
    sources = (input, ending.residual, weight, bias)
    if not torch.is_grad_enabled() or not any(
        source is not None and source.requires_grad for source in sources
    ):
        return apply_statistics(input, mean, variance, weight, bias, eps, ending)
    options = (eps, ending.kind, ending.slope)
    output: Tensor = _Applied.apply(  # type: ignore[no-untyped-call]
        *sources, mean, variance, own.handover, options
    )
    if lean.acts():
        lean.remember(
            output,
            partial(_rebuilt, options=options),
            input=input,
            residual=ending.residual,
            weight=weight,
            bias=bias,
            mean=mean,
            variance=variance,
        )
    return output


def _rebuilt(
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    options: tuple[float, int, float],
) -> Tensor:
    """An output once more, without a message."""
    given = (input, residual, weight, bias, mean, variance, *options)
    output: Tensor = _OPS.apply_statistics.default(*given, False)[0]
    return output


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,  # noqa: A002
        residual: Tensor | None,
        handover: Handover,
    ) -> tuple[Tensor, ...]:
        mean, variance = _OPS.batch_moments.default(input)
        ctx.save_for_backward(input, mean)
        ctx.handover = handover
        ctx.set_materialize_grads(False)
        return (mean, variance) if residual is None else (mean, variance, residual)

    @staticmethod
    def backward(
        ctx: Any,
        of_mean: Tensor | None,
        of_variance: Tensor | None,
        of_residual: Tensor | None = None,
    ) -> tuple[Tensor | None, ...]:
        input, mean = ctx.saved_tensors  # noqa: A001
        of_mean = torch.zeros_like(mean) if of_mean is None else of_mean
        of_variance = torch.zeros_like(mean) if of_variance is None else of_variance
        left = ctx.handover.take()
        if left is None:
            return _of_moments(input, of_mean, of_variance), of_residual, None
        tensors, options, asks_residual = left
        of_all = tensors[5]
        assert of_all is not None
        count = input.numel() // len(mean)
        # tilt · (x − centre) + offset, where the centre is the mean over all, as kernels round it.
        centre = of_all if input.dtype is torch.float64 else of_all.float().double()
        tilt = 2 / count * of_variance
        offset = of_mean / count + tilt * (centre - mean)
        of_input, found = _OPS.sync_batch_norm_backward.default(
            *tensors, tilt, offset, *options, asks_residual
        )
        if asks_residual:
            of_residual = found if of_residual is None else found + of_residual
        return of_input, of_residual, None


def _of_moments(input: Tensor, of_mean: Tensor, of_variance: Tensor) -> Tensor:  # noqa: A002
    """The gradient of what moments are taken from; it can be differentiated again."""
    axes = (0, *range(2, input.ndim))
    x = input if input.dtype is torch.float64 else input.float()
    count = input.numel() // input.shape[1]

    def per_channel(vector: Tensor) -> Tensor:
        return (vector / count).to(x.dtype).reshape(-1, *(1,) * (x.ndim - 2))

    centred = x - x.mean(axes, keepdim=True)
    return (per_channel(of_mean) + 2 * per_channel(of_variance) * centred).to(input.dtype)


class _Applied(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,  # noqa: A002
        residual: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        handover: Handover | None,
        options: tuple[float, int, float],
    ) -> Tensor:
        kind = options[1]
        keeps_signs = is_told_by_signs(kind, residual)
        output, signs = _OPS.apply_statistics.default(
            input, residual, weight, bias, mean, variance, *options, keeps_signs
        )
        asks_residual = kind != NONE and not keeps_signs
        ctx.save_for_backward(
            input,
            residual if asks_residual else None,
            weight,
            bias,
            mean,
            variance,
            signs if keeps_signs else None,
        )
        ctx.handover, ctx.options = handover, options
        ctx.set_materialize_grads(False)
        result: Tensor = output
        return result

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        nothing = (None,) * 2
        if upstream is None:
            return (None,) * 6 + nothing
        is_followed = torch.is_grad_enabled() or _functorch.get_dynamic_layer_stack_depth() > 0
        gradients = _by_formula(ctx, upstream) if is_followed else _by_kernels(ctx, upstream)
        return (*gradients, *nothing)


def _by_kernels(ctx: Any, upstream: Tensor) -> list[Tensor | None]:
    """All but the gradient of the input, which is left to be found with what the others send."""
    input, residual, weight, bias, mean, variance, signs = ctx.saved_tensors  # noqa: A001
    wants_input, wants_residual, wants_weight, wants_bias = ctx.needs_input_grad[:4]
    options = ctx.options
    eps, kind, _ = options
    asks_residual = wants_residual and kind != NONE
    # In float64, as the sums then are too.
    gamma = torch.ones_like(mean) if weight is None else weight.double()
    beta = torch.zeros_like(mean) if bias is None else bias.double()
    given = (upstream, input, residual, gamma, beta, mean, variance, signs, *options)
    _, of_weight, of_bias, of_residual = _OPS.apply_statistics_backward.default(
        *given, False, asks_residual and not wants_input
    )
    of_mean = of_variance = None
    if wants_input:
        tensors = (upstream, input, residual, weight, bias, mean, variance, signs)
        # Detached, lest the graph hold what holds the graph.
        kept = tuple(None if tensor is None else tensor.detach() for tensor in tensors)
        ctx.handover.leave(Left(kept, options, asks_residual))
        root = torch.rsqrt(variance + eps)
        of_mean = -gamma * root * of_bias
        of_variance = -0.5 * gamma * root * root * of_weight
    if kind == NONE:
        of_residual = upstream
    elif wants_input:
        of_residual = None
    return [
        None,
        of_residual if wants_residual else None,
        of_weight.to(weight.dtype) if wants_weight else None,
        of_bias.to(bias.dtype) if wants_bias else None,
        of_mean,
        of_variance,
    ]


def _by_formula(ctx: Any, upstream: Tensor) -> list[Tensor | None]:
    *sources, signs = saved = ctx.saved_tensors
    eps, kind, slope = ctx.options
    plain, backward = KERNELS["applied"].plain, _OPS.apply_statistics_backward.default
    return gradients_by_formula(
        lambda *sources: plain(*sources, eps),
        upstream,
        sources,
        ctx.needs_input_grad[:6],
        function_of(kind, slope),
        None if signs is None else slopes_of(backward, saved, *ctx.options),
    )
