"""How the values of a layer are distributed before its norm and after it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from normkit.probes.restore import unchanged
from normkit.probes.standardise import histogram

BINS = 31


def distribution(model: nn.Module, norm: nn.Module, images: Tensor) -> dict[str, Any] | None:
    """Histograms of all values that enter a norm and of all that leave it, in training mode.

    Args:
        model: the model that holds `norm`; left as it was found.
        norm: the layer to look at, γ, β and an activation of its own included.
        images: one batch, `(N, C, *)`.

    Returns:
        `before` and `after`, each with mean, standard deviation and histogram; None where a value
        is not finite.

    Raises:
        RuntimeError: the norm was not called.

    >>> layer = nn.BatchNorm2d(4)
    >>> found = distribution(layer, layer, torch.randn(8, 4, 5, 5) + 7)
    >>> round(found["before"]["mean"]), round(found["after"]["deviation"], 2)
    (7, 1.0)
    """
    seen: list[tuple[Tensor, Tensor]] = []
    # Cloned, since an activation that works in place may overwrite them later in the pass.
    entered: list[Tensor] = []
    handles = [
        norm.register_forward_pre_hook(
            lambda _, given: entered.append(given[0].detach().double().cpu().clone())
        ),
        norm.register_forward_hook(
            lambda _, __, output: seen.append((entered[-1], output.detach().double().cpu().clone()))
        ),
    ]
    try:
        with unchanged(model), torch.no_grad():
            model.train()(images)
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise RuntimeError(
            "the norm measured must take part in the forward pass; it was not called"
        )
    if not all(bool(torch.isfinite(values).all()) for values in seen[0]):
        return None
    return {
        which: _told(values) for which, values in zip(("before", "after"), seen[0], strict=True)
    }


def _told(values: Tensor) -> dict[str, Any]:
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std(correction=0)),
        "histogram": asdict(histogram(values, BINS)),
    }
