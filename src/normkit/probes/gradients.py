"""How large the gradient is at the output of every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import unchanged


def gradient_norms(
    model: nn.Module, layers: Sequence[nn.Module], images: Tensor, labels: Tensor
) -> list[float]:
    r"""Norm of the loss's gradient with respect to each layer's output, in training mode.

    .. math:: g_l = \lVert \partial L / \partial h_l \rVert_2

    Outputs, not weights: under batch norm a weight's gradient scales as 1/‖W‖, which says
    nothing about the signal that reaches the layers below.

    Args:
        model: maps `images` to logits `(N, classes)`.
        layers: modules of `model`, in order of depth; each is called once.
        images: one batch, `(N, C, *)`.
        labels: class numbers, `(N,)`.

    Returns:
        One norm per layer.

    Raises:
        RuntimeError: a layer was not called, or the loss does not depend on its output.

    >>> net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> x, y = torch.randn(8, 4), torch.randint(3, (8,))
    >>> len(gradient_norms(net, [net[0], net[2]], x, y))
    2
    """
    outputs: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        outputs[module] = output

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with unchanged(model), torch.enable_grad():
            loss = F.cross_entropy(model.train()(images), labels)
            missing = [type(layer).__name__ for layer in layers if layer not in outputs]
            if missing:
                raise RuntimeError(
                    f"every layer measured must take part in the forward pass; "
                    f"not called: {', '.join(missing)}"
                )
            gradients = torch.autograd.grad(
                loss, [outputs[layer] for layer in layers], allow_unused=True
            )
    finally:
        for handle in handles:
            handle.remove()
    norms = []
    for layer, gradient in zip(layers, gradients, strict=True):
        if gradient is None:
            raise RuntimeError(
                f"the loss must depend on the output of every layer measured; it does not "
                f"depend on that of {type(layer).__name__}"
            )
        norms.append(float(gradient.double().norm()))
    return norms


def slope_per_layer(norms: Sequence[float]) -> float | None:
    r"""Least-squares slope of log10 of the gradient norm, per layer that the gradient descends.

    Zero is a steady gradient; +0.3 doubles it at every layer on its way down (it explodes towards
    the input), −0.3 halves it (it vanishes). Layers whose norm is zero or not finite are left out;
    None where fewer than three remain.

    >>> round(slope_per_layer([4.0, 2.0, 1.0]), 3)
    0.301
    """
    values = torch.tensor(list(norms), dtype=torch.float64)
    usable = torch.isfinite(values) & (values > 0)
    if int(usable.sum()) < 3:
        return None
    depth = -torch.arange(len(values), dtype=torch.float64)[usable]
    height = values[usable].log10()
    depth = depth - depth.mean()
    return float((depth * (height - height.mean())).sum() / depth.square().sum())
