"""A plain formula of which, inside `lean`, only what goes in is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from normkit.kernels import lean
from normkit.kernels.choice import refused_context

Beside = TypeVar("Beside")


def recomputes(*tensors: Tensor | None) -> bool:
    """Whether a formula of these tensors is to be computed again in the backward pass."""
    if not lean.acts() or not torch.is_grad_enabled() or refused_context() is not None:
        return False
    given = [tensor for tensor in tensors if tensor is not None]
    plain = all(type(tensor) is Tensor or type(tensor) is torch.nn.Parameter for tensor in given)
    return plain and any(tensor.requires_grad for tensor in given)


def recomputed(
    formula: Callable[..., tuple[Tensor, Beside]], **sources: Tensor | None
) -> tuple[Tensor, Beside]:
    """`formula(**sources)`, of which nothing but the sources is kept.

    Args:
        formula: returns the output, and something beside it that asks for no gradient.
        sources: all tensors that it depends on.
    """
    autocast = _autocast_of(next(value for value in sources.values() if value is not None))

    def again(**sources: Tensor | None) -> Tensor:
        with autocast():
            return formula(**sources)[0]

    beside: list[Beside] = []
    output: Tensor = _Recomputed.apply(  # type: ignore[no-untyped-call]
        formula, again, beside, tuple(sources), *sources.values()
    )
    lean.remember(output, again, **sources)
    return output, beside[0]


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        formula: Callable[..., tuple[Tensor, Beside]],
        again: Callable[..., Tensor],
        beside: list[Beside],
        names: tuple[str, ...],
        *values: Tensor | None,
    ) -> Tensor:
        output, found = formula(**dict(zip(names, values, strict=True)))
        beside.append(found)
        ctx.save_for_backward(*values)
        ctx.again, ctx.names = again, names
        return output

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        wants = ctx.needs_input_grad[4:]
        is_differentiated = torch.is_grad_enabled()

        def alias(value: Tensor, wanted: bool) -> Tensor:
            # A tensor of its own, since one may be given twice: as input and as residual.
            if is_differentiated:
                return value.view_as(value)
            return value.detach().requires_grad_(wanted)

        sources = [
            None if value is None else alias(value, wanted)
            for value, wanted in zip(ctx.saved_tensors, wants, strict=True)
        ]
        with torch.enable_grad():
            output = ctx.again(**dict(zip(ctx.names, sources, strict=True)))
        pairs = zip(sources, wants, strict=True)
        asked = [value for value, wanted in pairs if wanted and value is not None]
        found = iter(
            torch.autograd.grad(
                output, asked, upstream, create_graph=is_differentiated, allow_unused=True
            )
        )
        return (None,) * 4 + tuple(next(found) if wanted else None for wanted in wants)


def _autocast_of(tensor: Tensor) -> Callable[[], AbstractContextManager[object]]:
    """Autocast as it is right now, on the device of a tensor."""
    device = tensor.device.type
    if not torch.amp.is_autocast_available(device):
        return nullcontext
    enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    return lambda: torch.autocast(device, dtype, enabled, cache_enabled=False)
