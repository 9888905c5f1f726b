"""The one `torch.autograd.Function` behind which all kernels run.

Not `torch.library.register_autograd`: under `torch.func` that raises or, with `jvp`, returns a
tangent of zero, and it takes twice the time of a small map's normalization.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from normkit.kernels import lean
from normkit.kernels.activation import NONE, Fused, function_of
from normkit.kernels.choice import Ending

Outputs = tuple[Tensor, Tensor | None, Tensor | None]
"""The output, and its mean and variance in float64, where they are asked for."""

Statistics = Literal["found", "given", "recomputed"]

_functorch = torch._C._functorch


@dataclass(frozen=True)
class Kernel:
    """One method's operators, and the formula that stands in for them.

    Attributes:
        forward: the operator: input, residual, weight, bias, *options → output, statistics, signs.
        backward: its derivative.
        plain: the formula: input, weight, bias, *options → norm(input), by operations that
            autograd follows.
        statistics: whether the operator returns those that it found, is given them, or takes them
            anew in its backward.
        moving: the operator that changes something in place too, whose arguments come after the
            bias; None where there is none.
    """

    forward: Callable[..., Any]
    backward: Callable[..., tuple[Tensor, ...]]
    plain: Callable[..., Tensor]
    statistics: Statistics = "found"
    moving: Callable[..., Any] | None = None


KERNELS: dict[str, Kernel] = {}
"""The kernels by the name of their formula."""


def register_kernel(
    name: str,
    operator: str,
    plain: Callable[..., Tensor],
    statistics: Statistics = "found",
    *,
    has_moving: bool = False,
) -> None:
    """Hands in the plain formula of a kernel.

    Args:
        name: in `KERNELS`.
        operator: of `torch.ops.normkit`; its derivative ends in `_backward`.
        plain: see `Kernel`.
        statistics: see `Kernel`.
        has_moving: whether there is one that ends in `_moving`; see `Kernel`.
    """
    forward, backward = (
        getattr(torch.ops.normkit, f"{operator}{ending}").default for ending in ("", "_backward")
    )
    moving = getattr(torch.ops.normkit, f"{operator}_moving").default if has_moving else None
    KERNELS[name] = Kernel(forward, backward, plain, statistics, moving)


def run(
    name: str,
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    ending: Ending,
    *options: Any,
    given: tuple[Tensor, Tensor] | None = None,
    moved: tuple[Any, ...] = (),
    wants_statistics: bool = False,
) -> Outputs:
    """Runs a kernel, so that its output can be differentiated if any input asks for it.

    Args:
        name: in `KERNELS`.
        input: `(N, C, *)`.
        weight: γ or None.
        bias: β or None.
        ending: act(y + residual).
        options: further arguments of the operator, such as ε.
        given: mean and variance, where they do not come of the input.
        moved: the arguments of `Kernel.moving`; without them nothing is changed in place.
        wants_statistics: whether mean and variance are asked for; else they may be None.
    """
    residual = ending.residual
    if torch.is_grad_enabled() and (
        input.requires_grad
        or (residual is not None and residual.requires_grad)
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    ):
        mean, variance = given if given is not None else (None, None)
        call = (name, options, ending.kind, ending.slope, moved, wants_statistics)
        outputs = _Normalise.apply(  # type: ignore[no-untyped-call]
            input, residual, weight, bias, mean, variance, call
        )
        output, *found = outputs if wants_statistics else (outputs, None, None)
        if lean.acts():
            lean.remember(
                output,
                partial(_rebuilt, KERNELS[name], options, ending[:2]),
                input=input,
                residual=residual,
                weight=weight,
                bias=bias,
                mean=mean,
                variance=variance,
            )
        return (output, *found)
    return _forward(
        KERNELS[name], input, residual, weight, bias, given, options, ending[:2], False, moved
    )[:3]


def _forward(
    kernel: Kernel,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    given: tuple[Tensor, Tensor] | None,
    options: tuple[Any, ...],
    act: tuple[int, float],
    keeps_signs: bool,
    moved: tuple[Any, ...] = (),
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    if kernel.statistics == "found":
        operator = kernel.moving if moved else kernel.forward
        assert operator is not None
        found: tuple[Tensor, Tensor, Tensor, Tensor] = operator(
            input, residual, weight, bias, *moved, *options, *act, keeps_signs
        )
        return found
    if given is None:
        output = kernel.forward(input, residual, weight, bias, *options, *act)
        return output, None, None, None
    output, signs = kernel.forward(
        input, residual, weight, bias, *given, *options, *act, keeps_signs
    )
    return output, None, None, signs


def _rebuilt(
    kernel: Kernel,
    options: tuple[Any, ...],
    act: tuple[int, float],
    *,
    mean: Tensor | None,
    variance: Tensor | None,
    **sources: Any,
) -> Tensor:
    """An output once more."""
    given = None if mean is None or variance is None else (mean, variance)
    return _forward(kernel, **sources, given=given, options=options, act=act, keeps_signs=False)[0]


def is_told_by_signs(kind: int, residual: Tensor | None) -> bool:
    """Whether the signs of an output's values are kept, instead of the residual."""
    # What is rebuilt for others in the backward pass tells the derivative as well.
    return residual is not None and Fused(kind).has_two_slopes and not lean.rebuilds(residual)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,  # noqa: A002
        residual: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor | None,
        variance: Tensor | None,
        call: tuple[str, tuple[Any, ...], int, float, tuple[Any, ...], bool],
    ) -> Tensor | Outputs:
        name, options, kind, slope, moved, wants_statistics = call
        kernel = KERNELS[name]
        keeps_signs = kernel.statistics != "recomputed" and is_told_by_signs(kind, residual)
        given = None if mean is None or variance is None else (mean, variance)
        output, own_mean, own_variance, signs = _forward(
            kernel, input, residual, weight, bias, given, options, (kind, slope), keeps_signs, moved
        )
        # Where bits tell the derivative of the activation, the residual is not asked again.
        asks_residual = kind != NONE and not keeps_signs
        ctx.save_for_backward(
            input,
            residual if asks_residual else None,
            weight,
            bias,
            mean if own_mean is None else own_mean,
            variance if own_variance is None else own_variance,
            signs if keeps_signs else None,
        )
        ctx.name, ctx.options, ctx.kind, ctx.slope = name, options, kind, slope
        ctx.set_materialize_grads(False)
        if not wants_statistics:
            return output
        ctx.mark_non_differentiable(own_mean, own_variance)
        return output, own_mean, own_variance

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None, *_: Any) -> tuple[Any, ...]:
        nothing = (None,) * 3
        if upstream is None:
            return (None,) * 4 + nothing
        if torch.is_grad_enabled() or _functorch.get_dynamic_layer_stack_depth() > 0:
            return (*_differentiable(ctx, upstream), *nothing)
        input, residual, weight, bias, mean, variance, signs = ctx.saved_tensors  # noqa: A001
        wants_input, wants_residual, wants_weight, wants_bias = ctx.needs_input_grad[:4]
        kernel = KERNELS[ctx.name]
        kept = () if kernel.statistics == "recomputed" else (mean, variance, signs)
        of_input, of_weight, of_bias, of_residual = kernel.backward(
            upstream,
            input,
            residual,
            weight,
            bias,
            *kept,
            *ctx.options,
            ctx.kind,
            ctx.slope,
            wants_input,
            wants_residual and ctx.kind != NONE,
        )
        if ctx.kind == NONE:
            of_residual = upstream
        return (
            of_input if wants_input else None,
            of_residual if wants_residual else None,
            of_weight if wants_weight else None,
            of_bias if wants_bias else None,
            *nothing,
        )


def _differentiable(ctx: Any, upstream: Tensor) -> list[Tensor | None]:
    saved = ctx.saved_tensors
    input, residual, weight, bias, mean, variance, signs = saved  # noqa: A001
    kernel = KERNELS[ctx.name]
    given = (mean, variance) if kernel.statistics == "given" else ()
    return gradients_by_formula(
        lambda input, weight, bias: kernel.plain(input, weight, bias, *given, *ctx.options),  # noqa: A006
        upstream,
        (input, residual, weight, bias),
        ctx.needs_input_grad[:4],
        function_of(ctx.kind, ctx.slope),
        None
        if signs is None
        else slopes_of(kernel.backward, saved, *ctx.options, ctx.kind, ctx.slope),
    )


def gradients_by_formula(
    plain: Callable[..., Tensor],
    upstream: Tensor,
    sources: Sequence[Tensor | None],
    wants: Sequence[bool],
    act: Callable[[Tensor], Tensor] | None,
    slopes: Tensor | None,
) -> list[Tensor | None]:
    """The gradients by operations that can be differentiated again, and that a vmap can batch.

    Args:
        plain: the formula: the sources but for the residual → norm(input).
        upstream: that of the output.
        sources: input, residual, and what else is differentiated for.
        wants: whether the gradient of each is asked for.
        act: what comes after the residual is added.
        slopes: the derivative of `act` at each value, where signs tell it.
    """
    before = upstream
    if slopes is not None:
        # Not a product alone: an upstream gradient may be infinite where the slope is zero.
        before = torch.where(slopes == 0, 0.0, upstream * slopes).to(upstream.dtype)
        act = None
    with torch.enable_grad():
        # Each a tensor of its own, since one may be given twice: as input and as residual.
        own = [None if tensor is None else tensor.view_as(tensor) for tensor in sources]
        input, residual, *others = own  # noqa: A001
        y = plain(input, *others)
        if act is not None:
            y = act(y if residual is None else y + residual)
        asked = [
            tensor
            for tensor, wanted in zip(own, wants, strict=True)
            if wanted and tensor is not None
        ]
        # Of a residual alone that is not kept there is nothing to ask the formula for.
        found = iter(
            torch.autograd.grad(y, asked, before, create_graph=True, allow_unused=True)
            if asked
            else ()
        )
    gradients = [
        next(found) if wanted and tensor is not None else None
        for tensor, wanted in zip(own, wants, strict=True)
    ]
    if wants[1] and residual is None:
        gradients[1] = before
    return gradients


def slopes_of(
    backward: Callable[..., tuple[Tensor, ...]], saved: Sequence[Tensor | None], *options: Any
) -> Tensor:
    """The derivative of the activation at each value, told by its signs.

    Args:
        backward: the operator: upstream, *saved, *options, whether the input's and the residual's
            gradients are asked for.
        saved: what the forward kept, the input first.
        options: ε, and the activation.
    """
    detached = [None if tensor is None else tensor.detach() for tensor in saved]
    assert detached[0] is not None
    with torch.no_grad():
        return backward(torch.ones_like(detached[0]), *detached, *options, False, True)[3]
