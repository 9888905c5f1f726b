"""The probes that a trial can carry, and when they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from normkit.functional.names import unknown_name
from normkit.probes.gradients import gradient_norms, slope_per_layer
from normkit.probes.standardise import histogram, standardisation
from normkit.study.layers import layers
from normkit.study.record import finite
from normkit.study.spec import TrialSpec


@dataclass(frozen=True)
class Scene:
    """What a probe looks at: the network, and images that stay the same throughout a trial."""

    spec: TrialSpec
    model: nn.Module
    images: Tensor
    """Training images, more than a batch."""
    labels: Tensor
    """Their classes."""

    losses: list[float] = field(default_factory=list)
    """Loss of every training step so far, on its own batch, in nats."""

    @property
    def batch(self) -> tuple[Tensor, Tensor]:
        """One batch of the images and labels."""
        return self.images[: self.spec.batch], self.labels[: self.spec.batch]


@dataclass(frozen=True)
class Probe:
    """A measurement on a live network, and the checkpoints at which it is made."""

    measure: Callable[[Scene], dict[str, Any]]
    moments: Callable[[TrialSpec], dict[int, str]]
    """Checkpoint's step → the name under which what is found there is kept."""


def both_ends(spec: TrialSpec) -> dict[int, str]:
    """Before training and after it."""
    return {0: "start", spec.steps: "end"} if spec.steps else {0: "start"}


# Catalogue name → the sets of values that the norm standardises together.
AXES = {
    "none": "batch",
    "batch": "batch",
    "layer": "sample",
    "group": "sample",
    "instance": "instance",
    "channel_layer": "position",
    "rms": "position",
}


def _gradients(scene: Scene) -> dict[str, Any]:
    outputs = [layer.output for layer in layers(scene.model)]
    norms = gradient_norms(scene.model, outputs, *scene.batch)
    return {"norms": [finite(norm) for norm in norms], "slope": slope_per_layer(norms)}


def _standardise(scene: Scene) -> dict[str, Any]:
    norms = [layer.norm for layer in layers(scene.model) if layer.norm is not None]
    images, _ = scene.batch
    worst_mean, variances, left_out, shown = math.nan, [], 0, {}
    for depth, norm in enumerate(norms):
        groups = getattr(norm, "num_groups", 1)
        found = standardisation(scene.model, norm, images, AXES[scene.spec.norm], groups)
        left_out += found.left_out
        if len(found.means):
            worst = float(found.means.abs().max())
            worst_mean = worst if math.isnan(worst_mean) else max(worst_mean, worst)
            variances += [float(found.variances.min()), float(found.variances.max())]
        if depth == len(norms) // 2:
            shown = {
                "layer": depth + 1,
                "mean": finite(float(found.before.mean())),
                "deviation": finite(float(found.before.std())),
                "before": asdict(histogram(found.before)),
                "after": asdict(histogram(found.after)),
            }
    return {
        "worst_mean": finite(worst_mean),
        "lowest_variance": finite(min(variances)) if variances else None,
        "highest_variance": finite(max(variances)) if variances else None,
        "left_out": left_out,
        "shown": shown,
    }


PROBES: dict[str, Probe] = {
    "gradients": Probe(_gradients, both_ends),
    "standardise": Probe(_standardise, both_ends),
}


class Prober:
    """Looks at a network while it trains, with every probe at the moments it asks for.

    Raises:
        ValueError: a probe's name is unknown.
    """

    def __init__(self, names: Sequence[str], scene: Scene) -> None:
        for name in names:
            if name not in PROBES:
                raise ValueError(unknown_name("probe", name, PROBES))
        self.scene = scene
        self.moments = {name: PROBES[name].moments(scene.spec) for name in sorted(names)}
        self.found: dict[str, Any] = {name: {} for name in self.moments}

    def look(self, step: int) -> None:
        """Measure what is to be measured at this step."""
        for name, moments in self.moments.items():
            if moment := moments.get(step):
                self.found[name][moment] = PROBES[name].measure(self.scene)
