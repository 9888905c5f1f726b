"""One batch in one norm layer, in numbers: what the report's lesson is written from.

Everything is computed in float64 from what was seen to enter the layer and from the gradient that
was seen to arrive at it, so that the four methods are compared on the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.probes.passage import Passage, passages
from normkit.probes.standardise import histogram

AXES = {"batch": "batch", "layer": "sample", "instance": "instance", "group": "sample"}
"""Method → the sets of values that share one mean and variance, as in `standardise`."""

SHOWN_IMAGES, SHOWN_CHANNELS, SHOWN_POSITIONS = 6, 8, 4
LARGEST_SHOWN_MAP = 8
"""Side to which larger maps are averaged where they are drawn."""


@dataclass(frozen=True)
class Standardised:
    """Values after one method, with the mean and variance of the set that each belongs to.

    All three are `(N, C, P)`, for P positions.
    """

    mean: Tensor
    variance: Tensor
    values: Tensor


def standardised(x: Tensor, axes: str, groups: int, eps: float) -> Standardised:
    r"""Standardise every set of values that share one mean and one variance.

    .. math:: \hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}

    Args:
        x: `(N, C, P)`.
        axes: "batch" (N and P, per channel), "sample" (the channels of a group and P) or
            "instance" (P).
        groups: number of groups for "sample", a divisor of C.
        eps: ε, added to the variance.

    Raises:
        ValueError: `axes` is none of the three.

    >>> found = standardised(torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]]), "instance", 1, 0.0)
    >>> found.values.tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    mean = _shared(x, axes, groups)
    centred = x - mean
    variance = _shared(centred * centred, axes, groups)
    return Standardised(mean, variance, centred / (variance + eps).sqrt())


def _shared(x: Tensor, axes: str, groups: int) -> Tensor:
    """The mean of the set that each value belongs to."""
    if axes == "batch":
        return x.mean((0, 2), keepdim=True).expand_as(x)
    if axes == "instance":
        return x.mean(2, keepdim=True).expand_as(x)
    if axes == "sample":
        grouped = x.reshape(len(x), groups, -1)
        return grouped.mean(2, keepdim=True).expand_as(grouped).reshape(x.shape)
    raise ValueError(f"axes must be batch, sample or instance; got {axes!r}")


def backward(scaled: Tensor, found: Standardised, axes: str, groups: int, eps: float) -> Tensor:
    r"""The gradient that a norm sends back to its input.

    .. math:: \frac{\partial L}{\partial x} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}
        \left( h - \mathrm{E}[h] - \hat x \, \mathrm{E}[h \hat x] \right), \quad
        h = \gamma \, \partial L / \partial y

    Args:
        scaled: h, `(N, C, P)`.
        found: what `standardised` gave, with the same axes, groups and eps.
        axes: as there.
        groups: as there.
        eps: as there.

    >>> x = torch.tensor([[[1.0, 3.0, 8.0]]])
    >>> found = standardised(x, "instance", 1, 0.0)
    >>> sent = backward(torch.tensor([[[1.0, 0.0, 0.0]]]), found, "instance", 1, 0.0)
    >>> bool(sent.sum().abs() < 1e-6), bool((sent * found.values).sum().abs() < 1e-6)
    (True, True)
    """
    along = _shared(scaled * found.values, axes, groups)
    inner = scaled - _shared(scaled, axes, groups) - found.values * along
    return inner / (found.variance + eps).sqrt()


def removed_share(gradient: Tensor, normalised: Tensor) -> Tensor:
    """The share of a gradient's squared length that lies along one and along x̂, from 0 to 1.

    It is what batch norm's backward takes out of one channel's gradient; 0 where there is none.

    >>> float(removed_share(torch.tensor([2.0, 2.0]), torch.tensor([-1.0, 1.0])))
    1.0
    """
    length = gradient.square().mean()
    along = gradient.mean().square() + (gradient * normalised).mean().square()
    return torch.where(length > 0, along / length, torch.zeros_like(length))


def lesson(
    model: nn.Module,
    norms: Sequence[nn.Module],
    images: Tensor,
    labels: Tensor,
    groups: Callable[[int], int],
) -> dict[str, Any]:
    """Follow a batch through the middle norm layer that follows a convolution.

    Args:
        model: maps `images` to logits `(N, classes)`; left as it was found.
        norms: its norm layers in the order of depth.
        images: one batch, `(N, C, *)`.
        labels: class numbers, `(N,)`.
        groups: channels → groups of group norm, where the layer itself has none.

    Returns:
        Plain numbers; `layers` alone, the number of norm layers, where none follows a convolution,
        and `layers` and `layer` where values or gradients in it are not finite.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
    >>> images, labels = torch.randn(8, 1, 5, 5), torch.randint(2, (8,))
    >>> lesson(net, [net[1]], images, labels, lambda channels: 2)["shape"]
    [8, 4, 3, 3]
    """
    found = passages(model, norms, images, labels)
    maps = [place for place, passage in enumerate(found) if passage.input.dim() == 4]
    # Where there is a choice, one whose maps have several positions: the norms differ more there.
    maps = [p for p in maps if math.prod(found[p].input.shape[2:]) > 1] or maps
    if not maps:
        return {"layers": len(norms)}
    place = maps[len(maps) // 2]
    norm, passage = norms[place], found[place]
    where = {"layers": len(norms), "layer": place + 1}
    if not all(bool(torch.isfinite(values).all()) for values in vars(passage).values()):
        return where
    if _has_channels_last(norm, passage):
        passage = Passage(*(value.movedim(-1, 1) for value in vars(passage).values()))
    own = int(getattr(norm, "num_groups", 1))
    numbers = _Numbers(norm, passage, own if own > 1 else groups(passage.input.shape[1]))
    return {**where, **numbers.told()}


class _Numbers:
    """The numbers of one layer, for one channel of it."""

    def __init__(self, norm: nn.Module, passage: Passage, groups: int) -> None:
        self.norm, self.groups = norm, {"group": groups}
        self.shape = passage.input.shape
        self.eps = float(getattr(norm, "eps", None) or 1e-5)
        self.input, self.output, self.arriving, self.leaving = (
            value.detach().double().cpu().flatten(2)
            for value in (passage.input, passage.output, passage.arriving, passage.leaving)
        )
        self.channel = self._channel()
        self.gamma = self._of_channel("weight", 1.0)
        self.beta = self._of_channel("bias", 0.0)

    def _channel(self) -> int:
        """Of the half of the channels that vary most, the one whose gradient batch norm changes
        most on its way back."""
        variance = self.input.transpose(0, 1).flatten(1).var(1, correction=0)
        batch = standardised(self.input, "batch", 1, self.eps).values
        removed = torch.stack([removed_share(self.arriving[:, c], batch[:, c])
                               for c in range(self.shape[1])])  # fmt: skip
        return int(removed.masked_fill(variance < variance.median(), -1.0).argmax())

    @property
    def affine(self) -> bool:
        """Whether the layer has a γ for each channel."""
        weight = getattr(self.norm, "weight", None)
        return isinstance(weight, Tensor) and weight.shape == (self.shape[1],)

    def _of_channel(self, name: str, default: float) -> float:
        """A weight of the channel; as if there were none, where it is not one for each channel."""
        vector = getattr(self.norm, name, None)
        if not isinstance(vector, Tensor) or not self.affine:
            return default
        return float(vector.detach()[self.channel])

    def told(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        methods = {
            method: standardised(self.input, axes, self.groups.get(method, 1), self.eps)
            for method, axes in AXES.items()
        }
        batch, c = methods["batch"], self.channel
        output = self.gamma * batch.values[:, c] + self.beta
        scaled = self.gamma * self.arriving[:, c : c + 1]
        one = Standardised(*(part[:, c : c + 1] for part in vars(batch).values()))
        leaving = backward(scaled, one, "batch", 1, self.eps)[:, 0]
        x, normalised, arriving = self.input[:, c], batch.values[:, c], self.arriving[:, c]
        running = [getattr(self.norm, f"running_{name}", None) for name in ("mean", "var")]
        stages = {
            "input": x,
            "normalised": normalised,
            "output": output,
            "arriving": arriving,
            "leaving": leaving,
        }
        return {
            "shape": list(self.shape),
            "type": type(self.norm).__name__,
            "is_batch": isinstance(self.norm, _BatchNorm),
            "affine": self.affine,
            "channel": c,
            "eps": self.eps,
            "gamma": self.gamma,
            "beta": self.beta,
            "count": x.numel(),
            "sum": float(x.sum()),
            "mean": float(one.mean[0, 0, 0]),
            "squares": float((x - one.mean[:, 0]).square().sum()),
            "variance": float(one.variance[0, 0, 0]),
            "running": [float(r[c]) for r in running if isinstance(r, Tensor)] or None,
            "positions": self._positions(),
            "values": {name: self._picked(value) for name, value in stages.items()},
            "histograms": {
                name: asdict(histogram(stages[name])) for name in ("input", "normalised", "output")
            },
            "backward": {
                "scaled": _against(scaled[:, 0], normalised),
                "leaving": _against(leaving, normalised),
                "measured": _against(self.leaving[:, c], normalised),
                "removed": float(removed_share(scaled[:, 0], normalised)),
            },
            "largest_difference": {
                "output": float((output - self.output[:, c]).abs().max()),
                "leaving": float((leaving - self.leaving[:, c]).abs().max()),
            },
            "maps": self._maps(),
            "methods": {name: self._method(name, found) for name, found in methods.items()},
        }

    def _positions(self) -> list[list[int]]:
        """A few rows and columns down the diagonal of the map."""
        height, width = self.shape[2:]
        along = [i / max(SHOWN_POSITIONS - 1, 1) for i in range(SHOWN_POSITIONS)]
        places = [[round(a * (height - 1)), round(a * (width - 1))] for a in along]
        return [place for i, place in enumerate(places) if place not in places[:i]]

    def _picked(self, value: Tensor) -> list[list[float]]:
        flat = [row * self.shape[3] + column for row, column in self._positions()]
        picked: list[list[float]] = value[:SHOWN_IMAGES, flat].tolist()
        return picked

    def _maps(self) -> dict[str, Any]:
        """The first images' maps of the channels around this one, in as whole groups as can be."""
        channels = self.shape[1]
        first = self.channel // SHOWN_CHANNELS * SHOWN_CHANNELS
        first = min(first, max(channels - SHOWN_CHANNELS, 0))
        shown = self.input[:SHOWN_IMAGES, first : first + SHOWN_CHANNELS]
        shown = shown.reshape(*shown.shape[:2], *self.shape[2:])
        height, width = (min(side, LARGEST_SHOWN_MAP) for side in self.shape[2:])
        size = (height, width)
        if size != tuple(self.shape[2:]):
            shown = F.adaptive_avg_pool2d(shown, size)
        return {"first": first, "size": list(size), "values": shown.flatten(2).tolist()}

    def _method(self, name: str, found: Standardised) -> dict[str, Any]:
        groups, c = self.groups.get(name, 1), self.channel
        sets = {
            "batch": self.shape[1],
            "sample": len(found.values) * groups,
            "instance": len(found.values) * self.shape[1],
        }[AXES[name]]
        after = found.values[:, c]
        return {
            "groups": groups,
            "sets": sets,
            "count": found.values.numel() // sets,
            "means": found.mean[:SHOWN_IMAGES, c, 0].tolist(),
            "variances": found.variance[:SHOWN_IMAGES, c, 0].tolist(),
            "after": {
                "mean": float(after.mean()),
                "variance": float(after.var(correction=0)),
                "spread": float(after.mean(1).std(correction=0)),
            },
            "histogram": asdict(histogram(after)),
        }


def _has_channels_last(norm: nn.Module, passage: Passage) -> bool:
    """Whether a layer norm is given `(N, H, W, C)`, as in ConvNeXt, and standardises over C."""
    return (
        isinstance(norm, nn.LayerNorm | nn.RMSNorm)
        and len(norm.normalized_shape) == 1
        and norm.normalized_shape[0] != passage.input.shape[1]
    )


def _against(gradient: Tensor, normalised: Tensor) -> dict[str, float | None]:
    """A gradient's sum, its mean product with x̂, and its correlation with x̂."""
    centred = gradient - gradient.mean()
    along = normalised - normalised.mean()
    size = centred.norm() * along.norm()
    return {
        "sum": float(gradient.sum()),
        "mean": float(gradient.mean()),
        "product": float((gradient * normalised).mean()),
        "correlation": float((centred * along).sum() / size) if size > 0 else None,
    }
