"""How large the weights of a network are, and how strongly its layers can stretch an input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.probes.restore import unchanged

ITERATIONS = 30
"""Of the power method: the norm is then known to about a per cent."""


@dataclass(frozen=True)
class Weights:
    """The weights of one convolution or linear layer: their Frobenius norm and their spread."""

    norm: float
    deviation: float


def weights(layers: Sequence[nn.Module]) -> list[Weights]:
    """Frobenius norm and standard deviation of each layer's weight.

    >>> layer = nn.Linear(2, 2)
    >>> _ = nn.init.constant_(layer.weight, 3.0)
    >>> weights([layer])
    [Weights(norm=6.0, deviation=0.0)]
    """
    found = []
    for layer in layers:
        weight = _weight(layer)
        found.append(Weights(float(weight.norm()), float(weight.std(correction=0))))
    return found


def folded_spectral_norms(
    model: nn.Module, layers: Sequence[tuple[nn.Module, nn.Module | None]], images: Tensor
) -> list[float | None]:
    r"""Spectral norm of every layer's linear map, its norm folded in as evaluation has it.

    .. math:: \sigma\big(\operatorname{diag}(γ / \sqrt{\text{running var} + ε}) \, W\big)

    A convolution is taken as the map between feature maps that it is, with its stride and
    padding, on the size of map it meets.

    Args:
        model: the model that holds the layers.
        layers: each convolution or linear layer, and its norm.
        images: one batch, `(N, C, *)`: for the sizes of the maps.

    Returns:
        One per layer; None where the norm has no running statistics, so that nothing can be
        folded: its scale is another for every input.

    Raises:
        RuntimeError: a layer was not called.

    >>> layer = nn.Linear(3, 3, bias=False)
    >>> _ = nn.init.eye_(layer.weight)
    >>> found = folded_spectral_norms(layer, [(layer, None)], torch.randn(2, 3))
    >>> round(found[0], 4)
    1.0
    """
    shapes: dict[nn.Module, torch.Size] = {}
    handles = [
        linear.register_forward_pre_hook(
            lambda module, arguments: shapes.update({module: arguments[0].shape})
        )
        for linear, _ in layers
    ]
    try:
        with unchanged(model), torch.no_grad():
            model.eval()(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    if any(linear not in shapes for linear, _ in layers):
        raise RuntimeError(
            "every layer measured must take part in the forward pass; one was not called"
        )
    return [
        None if (scale := _scale(norm)) is None else _spectral_norm(linear, scale, shapes[linear])
        for linear, norm in layers
    ]


def _scale(norm: nn.Module | None) -> Tensor | float | None:
    """What a norm multiplies each channel by in evaluation; None if it depends on the input."""
    if norm is None or isinstance(norm, nn.Identity):
        return 1.0
    if not isinstance(norm, _BatchNorm) or norm.running_var is None:
        return None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    return scale if norm.weight is None else scale * norm.weight.detach().double()


def _spectral_norm(linear: nn.Module, scale: Tensor | float, shape: torch.Size) -> float:
    """The largest factor by which the map stretches an input, by the power method."""
    weight = _weight(linear)
    if isinstance(scale, Tensor):
        scale = scale.reshape(-1, *(1,) * (len(shape) - 2))
    state: dict[str, Tensor] = {"weight": weight}
    if isinstance(bias := linear.bias, Tensor):
        state["bias"] = torch.zeros_like(bias, dtype=weight.dtype)
    # The same start each time, and no draw from torch's own generator.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *shape[1:], dtype=torch.float64, generator=generator).to(weight.device)
    stretched = 0.0
    for _ in range(ITERATIONS):
        length = float(x.norm())
        if not 0 < length < math.inf:
            return stretched
        x = (x / length).requires_grad_()
        with torch.enable_grad():
            y = scale * torch.func.functional_call(linear, state, (x,))
            # The gradient of half the square is the transposed map of the output.
            (x,) = torch.autograd.grad(y.square().sum() / 2, x)
        stretched = float(y.detach().norm())
    return stretched


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach().double()
