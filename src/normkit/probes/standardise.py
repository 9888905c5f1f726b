"""What a norm does to the values that pass it: mean and variance over its own axes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.probes.restore import unchanged


@dataclass(frozen=True)
class Standardisation:
    """Mean and variance of the groups of values that one norm standardises.

    `before` and `after` are the values of one channel; `means` and `variances` are those of the
    normalised values, one per group, groups with variance far below eps left out.
    """

    means: Tensor
    variances: Tensor
    left_out: int
    before: Tensor
    after: Tensor


def standardisation(
    model: nn.Module, norm: nn.Module, images: Tensor, axes: str, groups: int = 1
) -> Standardisation:
    r"""Measure a norm's output before γ and β, in training mode, on a batch.

    .. math:: \hat x = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}}

    Args:
        model: the model that holds `norm`.
        norm: the layer to look at; its γ and β are set to one and zero in a copy.
        images: one batch, `(N, C, *)`.
        axes: what the norm averages over: "batch" (N and positions, per channel), "sample"
            (all of a sample, in `groups` groups of channels), "instance" (positions, per sample
            and channel), "position" (channels, per sample and position) or "trailing" (the last
            `groups` axes).
        groups: number of groups for "sample", of axes for "trailing".

    Raises:
        RuntimeError: the norm was not called.
        ValueError: `axes` is none of the five.

    >>> layer = nn.BatchNorm2d(4)
    >>> found = standardisation(layer, layer, torch.randn(8, 4, 5, 5) * 3 + 7, "batch")
    >>> bool(found.means.abs().max() < 1e-5)
    True
    """
    inputs: list[Tensor] = []
    # Cloned, since an activation that works in place may overwrite them later in the pass.
    handle = norm.register_forward_pre_hook(
        lambda _, arguments: inputs.append(arguments[0].detach().clone())
    )
    try:
        with unchanged(model), torch.no_grad():
            model.train()(images)
    finally:
        handle.remove()
    if not inputs:
        raise RuntimeError(
            "the norm measured must take part in the forward pass; it was not called"
        )
    values = inputs[0]
    with torch.no_grad():
        output = without_affine(norm).train()(values)
    # The axes as the norm sees them; statistics in float64, centred.
    grouped = _grouped(values.double(), axes, groups)
    variance = grouped.var(1, correction=0)
    usable = variance > 100 * _eps(norm)
    normalised = _grouped(output.double(), axes, groups)[usable]
    channel = int(_grouped(values, "batch", 1).var(1).argmax())
    return Standardisation(
        normalised.mean(1),
        normalised.var(1, correction=0),
        int((~usable).sum()),
        values[:, channel].flatten(),
        output[:, channel].flatten(),
    )


def _grouped(values: Tensor, axes: str, groups: int) -> Tensor:
    """`values` as (group, member): one row per set that is standardised together."""
    n, c = values.shape[:2]
    flat = values.reshape(n, c, -1)
    if axes == "batch":
        return flat.transpose(0, 1).reshape(c, -1)
    if axes == "sample":
        return flat.reshape(n * groups, -1)
    if axes == "instance":
        return flat.reshape(n * c, -1)
    if axes == "position":
        return flat.transpose(1, 2).reshape(-1, c)
    if axes == "trailing":
        return values.flatten(-groups).flatten(0, -2)
    raise ValueError(f"axes must be batch, sample, instance, position or trailing; got {axes!r}")


def without_affine(norm: nn.Module) -> nn.Module:
    """A copy of a norm whose γ is one, β zero and activation none, those of norms in it too.

    >>> layer = nn.BatchNorm2d(4)
    >>> _ = nn.init.normal_(layer.weight)
    >>> without_affine(layer).weight.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    bare = copy.deepcopy(norm)
    if getattr(bare, "act", None) is not None:
        setattr(bare, "act", None)  # noqa: B010 - the type of a module's attributes is not known
    inner = [module for module in bare.modules() if isinstance(module, _BatchNorm)]
    for layer in (bare, *inner):
        for name, value in (("weight", 1.0), ("bias", 0.0)):
            parameter = getattr(layer, name, None)
            if isinstance(parameter, Tensor):
                nn.init.constant_(parameter, value)
    return bare


def _eps(norm: nn.Module) -> float:
    eps = getattr(norm, "eps", None)
    return float(eps) if isinstance(eps, float) else torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Histogram:
    """Shares of the values in equal bins between `low` and `high`."""

    low: float
    high: float
    shares: list[float]


def histogram(values: Tensor, bins: int = 41, tail: float = 0.005) -> Histogram:
    """Shares of the values in bins that span all but a tail on either side.

    Args:
        values: of any shape; at least one, all finite.
        bins: number of bins.
        tail: share of the values left out on each side, so that a few far ones do not squeeze
            the rest into one bin.

    >>> histogram(torch.tensor([0.0, 1.0, 1.0, 2.0]), bins=2, tail=0.0)
    Histogram(low=0.0, high=2.0, shares=[0.25, 0.75])
    """
    flat = values.detach().flatten().double().cpu()
    ordered = flat.sort().values
    cut = int(tail * len(ordered))
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = torch.histc(flat, bins, low, high)
    return Histogram(low, high, [float(count) for count in counts / len(flat)])
