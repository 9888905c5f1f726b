"""Which way a layer's call goes, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from normkit import kernels


class Explanation(NamedTuple):
    """What was found out by one call.

    Attributes:
        choices: how each normalization in it was computed, in the order of the calls.
    """

    choices: tuple[kernels.Choice, ...]

    @property
    def is_fast(self) -> bool:
        """Whether a kernel took every normalization."""
        return bool(self.choices) and all(choice.refusal is None for choice in self.choices)

    def __str__(self) -> str:
        if not self.choices:
            return "no formula that a kernel could take was called"
        return "\n".join(map(_told, self.choices))


def _told(choice: kernels.Choice) -> str:
    refusal = choice.refusal
    way = choice.how if refusal is None else f"the plain formula, since {refusal}"
    return f"{choice.function}: {way}" + (f"; {choice.kept}" if choice.kept else "")


def explain(layer: torch.nn.Module, *inputs: Tensor, **options: Any) -> Explanation:
    """Tells which way a call goes, a kernel or the plain formula, and why.

    It calls the layer once. Its buffers, such as running statistics, and torch's random state are
    as before afterwards, whether or not the call raises. Inside `normkit.lean` it tells as well
    whether the output is rebuilt, and if not, why.

    Args:
        layer: a layer, or a model with several.
        inputs: what it is called with.
        options: what it is called with by name, such as `residual`.

    >>> import normkit as nk
    >>> x = torch.randn(8, 16, 4, 4)
    >>> print(nk.explain(nk.nn.BatchNorm2d(16, act="relu"), x, residual=x))  # doctest: +SKIP
    batch_norm: a kernel for the CPU, norm + residual + relu in one pass over contiguous float32
    >>> print(nk.explain(nk.nn.BatchNorm2d(16), x, mask=torch.ones(8, dtype=torch.bool)))
    batch_norm: the plain formula, since no kernel leaves values out by a mask
    """
    kept = [(buffer, buffer.clone()) for buffer in layer.buffers()]
    try:
        # Where no gradient is computed, nothing tells what `lean` leaves alone.
        grad = torch.is_grad_enabled() and kernels.lean.is_around()
        with (
            torch.random.fork_rng(),
            torch.set_grad_enabled(grad),
            kernels.observed() as choices,
        ):
            layer(*inputs, **options)
    finally:
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
    return Explanation(tuple(choices))
