"""How much a layer's task changes when the layers below it take a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import same_draws, unchanged


@dataclass(frozen=True)
class Shift:
    """What the step of the layers below does to one layer.

    `cosine` is that between its weights' gradients before and after; `drift` how far the mean of
    a channel of its linear map's output moves, in standard deviations, on average over channels.
    """

    cosine: float
    drift: float


def covariate_shift(
    model: nn.Module,
    layers: Sequence[Sequence[nn.Module]],
    images: Tensor,
    labels: Tensor,
    rate: float,
    at: Sequence[int],
) -> list[Shift]:
    r"""Compare a layer's gradient before and after the layers below it take one gradient step.

    .. math:: \cos\big(\nabla_{W_i} L(W_1, …, W_i, …),\;
              \nabla_{W_i} L(W_1', …, W_{i-1}', W_i, …)\big), \quad W_j' = W_j - η \nabla_{W_j} L

    Weights that are frozen take no step, and all passes draw the same dropout masks.

    Args:
        model: maps `images` to logits `(N, classes)`; its weights are restored.
        layers: of each layer, in the order of depth, the modules that belong to it: first its
            convolution or linear layer, then its norm, if it has one.
        images: one batch, `(N, C, *)`, on which both gradients are taken, in training mode.
        labels: class numbers, `(N,)`.
        rate: η, the length of the step.
        at: positions in `layers` of those to look at; the first has no layer below.

    Returns:
        One for each position; the cosine of a layer whose weights are frozen is NaN.

    Raises:
        RuntimeError: a layer does not take part in the forward pass.

    >>> net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> x, y = torch.randn(8, 4), torch.randint(3, (8,))
    >>> found = covariate_shift(net, [[net[0]], [net[2]]], x, y, rate=0.0, at=[1])[0]
    >>> round(found.cosine, 5), found.drift
    (1.0, 0.0)

    Paper: Santurkar et al., "How Does Batch Normalization Help Optimization?", 2018,
    https://arxiv.org/abs/1805.11604
    """
    linears = [modules[0] for modules in layers]
    owned = [
        [p for module in modules for p in module.parameters() if p.requires_grad]
        for modules in layers
    ]
    parameters = [p for layer in owned for p in layer]
    before = [p.detach().clone() for p in parameters]
    seen: dict[nn.Module, Tensor] = {}
    handles = [
        linear.register_forward_hook(
            lambda module, _, output: seen.update({module: output.detach().clone()})
        )
        for linear in linears
    ]
    found = []
    try:
        with unchanged(model), torch.enable_grad():
            model.train()
            again = same_draws(images)
            gradients = _gradients(model, parameters, images, labels)
            if len(seen) < len(set(linears)):
                raise RuntimeError(
                    "every layer measured must take part in the forward pass; one was not called"
                )
            here = dict(seen)
            moved = 0
            for position in sorted(at):
                below = sum(len(layer) for layer in owned[:position])
                with torch.no_grad():
                    for i in range(moved, below):
                        parameters[i].sub_(rate * gradients[i])
                moved = below
                own = [i for i in _weights(linears[position], parameters) if i >= below]
                again()
                after = _gradients(model, [parameters[i] for i in own], images, labels)
                found.append(
                    Shift(
                        _cosine([gradients[i] for i in own], after),
                        _drift(here[linears[position]], seen[linears[position]]),
                    )
                )
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for parameter, start in zip(parameters, before, strict=True):
                parameter.copy_(start)
    return found


def _gradients(
    model: nn.Module, parameters: Sequence[Tensor], images: Tensor, labels: Tensor
) -> list[Tensor]:
    loss = F.cross_entropy(model(images), labels)
    if not parameters:
        return []
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def _weights(linear: nn.Module, parameters: Sequence[Tensor]) -> list[int]:
    """Places of a layer's weights among the parameters: all but its bias.

    They are several where the weight is made of others, as weight norm makes it.
    """
    wanted = {id(p) for name, p in linear.named_parameters() if name != "bias"}
    return [i for i, parameter in enumerate(parameters) if id(parameter) in wanted]


def _cosine(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """NaN where a gradient is zero, not finite or not there: it has no direction."""
    if not one:
        return math.nan
    first, second = (torch.cat([g.double().flatten() for g in gs]) for gs in (one, other))
    lengths = float(first.norm() * second.norm())
    return float(first @ second) / lengths if lengths > 0 else math.nan


def _drift(one: Tensor, other: Tensor) -> float:
    """Mean over channels of |Δ mean| / standard deviation; NaN where no channel varies."""
    one, other = (values.double().transpose(0, 1).flatten(1) for values in (one, other))
    deviation = one.std(1, correction=0)
    varies = deviation > 0
    moved = (other.mean(1) - one.mean(1)).abs()[varies] / deviation[varies]
    return float(moved.mean()) if len(moved) else math.nan
