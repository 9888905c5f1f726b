"""Adaptive gradient clipping: a step is kept small against the weights that it changes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from normkit.functional.statistics import at_least_float32, in_precision_of


@torch.no_grad()
def clip_grad_adaptive_(
    parameters: Tensor | Iterable[Tensor], clipping: float = 0.01, eps: float = 1e-3
) -> None:
    """Scales down the gradient of each unit that is large against the unit's weights, in place.

    Where ‖G‖ / max(‖W‖, ε) > λ, G ← λ · max(‖W‖, ε) / ‖G‖ · G, for the weights W of one unit: a
    row of a linear layer or a filter of a convolution, that is one index of axis 0. A bias, a gain
    or a single number is one unit.

    Call it between `backward()` and the optimizer's step. The paper leaves out the parameters of
    the last linear layer, the classifier: give all others.

    Args:
        parameters: tensors whose gradients are clipped, or one; those without a gradient are left
            out.
        clipping: λ, how large a gradient may be against its weights.
        eps: ε, the least length of a unit's weights, so that weights of zero can grow.

    Raises:
        ValueError: λ or ε is not positive and finite.

    A gradient that is not finite is left as it is, for the caller to see.

    >>> weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [30.0, 40.0]]))
    >>> weight.grad = torch.tensor([[0.6, 0.8], [0.0, 0.1]])
    >>> clip_grad_adaptive_([weight])
    >>> weight.grad
    tensor([[0.0300, 0.0400],
            [0.0000, 0.1000]])

    Paper: Brock, De, Smith and Simonyan, "High-Performance Large-Scale Image Recognition Without
    Normalization", 2021, https://arxiv.org/abs/2102.06171
    """
    for name, value in (("clipping", clipping), ("eps", eps)):
        if not 0 < value < float("inf"):
            raise ValueError(
                f"clip_grad_adaptive_: {name} must be positive and finite; got {value}. "
                "The paper's are clipping=0.01 and eps=1e-3."
            )
    for parameter in [parameters] if isinstance(parameters, Tensor) else parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        allowed = _unit_norm(parameter).clamp(min=eps) * clipping
        norm = _unit_norm(gradient)
        factor = torch.where((norm > allowed) & norm.isfinite(), allowed / norm, 1.0)
        gradient.copy_(in_precision_of(gradient, at_least_float32(gradient) * factor))


def _unit_norm(x: Tensor) -> Tensor:
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    norm: Tensor = torch.linalg.vector_norm(at_least_float32(x), dim=axes, keepdim=True)
    return norm
