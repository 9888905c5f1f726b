"""How the loss varies along the direction in which training goes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import same_draws, unchanged


def losses_along_gradient(
    model: nn.Module, images: Tensor, labels: Tensor, lengths: Sequence[float]
) -> list[float]:
    r"""Loss of one batch in training mode, after steps of several lengths down its gradient.

    .. math:: L(\theta - \eta \, \nabla L(\theta))

    All passes draw the same dropout masks.

    Args:
        model: maps `images` to logits `(N, classes)`; its weights are restored.
        images: one batch, `(N, C, *)`.
        labels: class numbers, `(N,)`.
        lengths: the η, learning rates; zero is the loss where training stands.

    Returns:
        One loss per length, in nats; infinite or NaN where it overflows.

    >>> layer = nn.Linear(4, 3)
    >>> x, y = torch.randn(8, 4), torch.randint(3, (8,))
    >>> here, further = losses_along_gradient(layer, x, y, [0.0, 0.01])
    >>> further < here
    True

    Paper: Santurkar et al., "How Does Batch Normalization Help Optimization?", 2018,
    https://arxiv.org/abs/1805.11604
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    losses = []
    try:
        with unchanged(model):
            model.train()
            again = same_draws(images)
            with torch.enable_grad():
                loss = F.cross_entropy(model(images), labels)
                found = torch.autograd.grad(loss, parameters, allow_unused=True)
            with torch.no_grad():
                for length in lengths:
                    for parameter, start, gradient in zip(parameters, before, found, strict=True):
                        if gradient is not None:
                            parameter.copy_(start - length * gradient)
                    again()
                    losses.append(float(F.cross_entropy(model(images), labels)))
    finally:
        with torch.no_grad():
            for parameter, start in zip(parameters, before, strict=True):
                parameter.copy_(start)
    return losses


def spread_between_steps(losses: Sequence[float]) -> float:
    r"""Standard deviation of the loss from one step to the next, its trend taken out, in nats.

    .. math:: \sqrt{\tfrac{1}{2(n - 1)} \sum_t (L_{t+1} - L_t)^2}

    Args:
        losses: of consecutive steps, each on its own batch; at least two.

    >>> round(spread_between_steps([1.0, 2.0, 1.0, 2.0]), 4)
    0.7071

    Paper: von Neumann et al., "The mean square successive difference", 1941
    """
    differences = torch.tensor(losses, dtype=torch.float64).diff()
    return float((differences.square().mean() / 2).sqrt())
