"""The probes that a trial can carry, and when they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from normkit.functional.names import unknown_name
from normkit.probes.gradients import gradient_norms, slope_per_layer
from normkit.probes.standardise import histogram, standardisation
from normkit.study.record import finite
from normkit.study.spec import TrialSpec

Probe = Callable[[TrialSpec, nn.Module, Tensor, Tensor], dict[str, Any]]

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


def _gradients(_: TrialSpec, model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Any]:
    norms = gradient_norms(model, list(model.blocks), images, labels)  # type: ignore[arg-type]
    return {"norms": [finite(norm) for norm in norms], "slope": slope_per_layer(norms)}


def _standardise(spec: TrialSpec, model: nn.Module, images: Tensor, _: Tensor) -> dict[str, Any]:
    blocks = list(model.blocks)  # type: ignore[arg-type]
    worst_mean, variances, left_out, shown = math.nan, [], 0, {}
    for depth, block in enumerate(blocks):
        groups = getattr(block.norm, "num_groups", 1)
        found = standardisation(model, block.norm, images, AXES[spec.norm], groups)
        left_out += found.left_out
        if len(found.means):
            worst = float(found.means.abs().max())
            worst_mean = worst if math.isnan(worst_mean) else max(worst_mean, worst)
            variances += [float(found.variances.min()), float(found.variances.max())]
        if depth == len(blocks) // 2:
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


PROBES: dict[str, Probe] = {"gradients": _gradients, "standardise": _standardise}


class Prober:
    """Looks at a model before training and after it.

    Raises:
        ValueError: a probe's name is unknown.
    """

    def __init__(
        self,
        names: Sequence[str],
        spec: TrialSpec,
        model: nn.Module,
        batch: tuple[Tensor, Tensor],
    ) -> None:
        for name in names:
            if name not in PROBES:
                raise ValueError(unknown_name("probe", name, PROBES))
        self.names = sorted(names)
        self.spec = spec
        self.model = model
        self.batch = batch
        self.moments = {0: "start", spec.steps: "end"} if spec.steps else {0: "start"}
        self.found: dict[str, Any] = {name: {} for name in self.names}

    def look(self, step: int) -> None:
        """Measure now, if this step is one of the moments."""
        if moment := self.moments.get(step):
            for name in self.names:
                self.found[name][moment] = PROBES[name](self.spec, self.model, *self.batch)
