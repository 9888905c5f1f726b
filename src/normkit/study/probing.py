"""The probes that a trial can carry, and when they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from normkit.functional.names import unknown_name
from normkit.nn.group import default_groups
from normkit.probes.covariate_shift import covariate_shift
from normkit.probes.decorrelation import decorrelation
from normkit.probes.distributions import distribution
from normkit.probes.gradients import gradient_norms, slope_per_layer
from normkit.probes.lesson import lesson
from normkit.probes.parameter_distribution import folded_spectral_norms, weights
from normkit.probes.restore import unchanged
from normkit.probes.stability import losses_along_gradient, spread_between_steps
from normkit.probes.standardise import histogram, standardisation
from normkit.study.layers import axes, classifier, layers, norms
from normkit.study.record import finite
from normkit.study.spec import TrialSpec
from normkit.study.train import checkpoints
from normkit.user_code import raised


@dataclass(frozen=True)
class Scene:
    """What a probe looks at: the network, and images that stay the same throughout a trial."""

    spec: TrialSpec
    model: nn.Module
    images: Tensor
    """Training images, more than a batch."""
    labels: Tensor
    """Their classes."""

    held_out: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Gives test images and their classes, in trials that may read them."""
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
    cost: float
    """About how many training steps one look takes."""


def both_ends(spec: TrialSpec) -> dict[int, str]:
    """Before training and after it."""
    return {0: "start", spec.steps: "end"} if spec.steps else {0: "start"}


def at_the_end(spec: TrialSpec) -> dict[int, str]:
    """After training."""
    return {spec.steps: "end"} if spec.steps else {}


def along_training(spec: TrialSpec) -> dict[int, str]:
    """Six checkpoints: before training, after it, and between them evenly in log steps."""
    points = [point for point in checkpoints(spec.steps, spec.test) if point > 0]
    between = [points[round(i * (len(points) - 1) / 4)] for i in range(5)] if points else []
    return {step: str(step) for step in (0, *between)}


def now_and_then(spec: TrialSpec) -> dict[int, str]:
    """At every other checkpoint but the start, and after training."""
    return {step: str(step) for step in checkpoints(spec.steps, spec.test)[::-2][::-1] if step}


def _gradients(scene: Scene) -> dict[str, Any]:
    outputs = [layer.output for layer in layers(scene.model, scene.batch[0])]
    sizes = gradient_norms(scene.model, outputs, *scene.batch) if outputs else []
    return {"norms": [finite(size) for size in sizes], "slope": slope_per_layer(sizes)}


def _standardise(scene: Scene) -> dict[str, Any]:
    images, _ = scene.batch
    watched = norms(scene.model, images)
    worst_mean, variances, left_out, shown = math.nan, [], 0, {}
    for depth, norm in enumerate(watched):
        own = axes(norm)
        if own is None:
            continue
        found = standardisation(scene.model, norm, images, *own)
        left_out += found.left_out
        if len(found.means):
            worst = float(found.means.abs().max())
            worst_mean = worst if math.isnan(worst_mean) else max(worst_mean, worst)
            variances += [float(found.variances.min()), float(found.variances.max())]
        if depth == len(watched) // 2:
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


def _decorrelation(scene: Scene) -> dict[str, Any]:
    found = layers(scene.model, scene.batch[0])
    measured = decorrelation(
        scene.model,
        [layer.norm for layer in found],
        [layer.output for layer in found],
        scene.images,
    )
    return {
        field: [finite(getattr(layer, field)) for layer in measured]
        for field in ("before", "after", "largest_change", "output", "rank")
    }


STEP_LENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Learning rates tried along the gradient: all that tuning can choose, to ten times the largest."""


RECENT_STEPS = 10
"""Steps up to the present one over which the loss is compared from one to the next."""


def _stability(scene: Scene) -> dict[str, Any]:
    losses = losses_along_gradient(scene.model, *scene.batch, STEP_LENGTHS)
    recent = scene.losses[-RECENT_STEPS:]
    return {
        "losses": [finite(loss) for loss in losses],
        "between_steps": finite(spread_between_steps(recent)) if len(recent) > 2 else None,
    }


MOST_LAYERS = 6
"""So many layers are looked at where looking at one takes a training step."""


def _covariate_shift(scene: Scene) -> dict[str, Any]:
    found = layers(scene.model, scene.batch[0])
    # The first layer has none below it.
    positions = _spaced(range(1, len(found)), MOST_LAYERS)
    shifts = covariate_shift(
        scene.model,
        [[m for m in (layer.linear, layer.norm) if m is not None] for layer in found],
        *scene.batch,
        scene.spec.rate,
        positions,
    )
    return {
        "layers": [position + 1 for position in positions],
        "cosine": [finite(shift.cosine) for shift in shifts],
        "drift": [finite(shift.drift) for shift in shifts],
    }


def _spaced(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _parameter_distribution(scene: Scene) -> dict[str, Any]:
    found = layers(scene.model, scene.batch[0])
    measured = weights([layer.linear for layer in found])
    folded = folded_spectral_norms(
        scene.model,
        [
            *((layer.linear, layer.norm) for layer in found),
            (classifier(scene.model, scene.images[:2]), None),
        ],
        scene.images,
    )
    return {
        "norm": [finite(layer.norm) for layer in measured],
        "deviation": [finite(layer.deviation) for layer in measured],
        "spectral_norm": [None if value is None else finite(value) for value in folded],
    }


INPUT_SCALES = (0.1, 1.0, 10.0)
"""What test images are multiplied by after training."""


def _scale(scene: Scene) -> dict[str, Any]:
    if scene.held_out is None:
        raise ValueError("the probe scale reads test images; this trial may not")
    images, labels = scene.held_out()
    errors = {}
    with unchanged(scene.model), torch.no_grad():
        scene.model.eval()
        for scale in INPUT_SCALES:
            wrong = scene.model(images * scale).argmax(1) != labels
            errors[f"{scale:g}"] = float(wrong.double().mean())
    return {"test_error": errors}


def _lesson(scene: Scene) -> dict[str, Any]:
    watched = norms(scene.model, scene.batch[0], followed=True)
    return lesson(scene.model, watched, *scene.batch, default_groups)


def _distributions(scene: Scene) -> dict[str, Any]:
    images, _ = scene.batch
    watched = norms(scene.model, images, stand_ins=True)
    place = len(watched) // 2
    found = distribution(scene.model, watched[place], images) if watched else None
    return {"layer": place + 1, "found": found}


PROBES: dict[str, Probe] = {
    "covariate_shift": Probe(_covariate_shift, now_and_then, cost=6),
    "decorrelation": Probe(_decorrelation, both_ends, cost=20),
    "distributions": Probe(_distributions, along_training, cost=1),
    "gradients": Probe(_gradients, both_ends, cost=6),
    "lesson": Probe(_lesson, at_the_end, cost=10),
    "parameter_distribution": Probe(_parameter_distribution, both_ends, cost=15),
    "scale": Probe(_scale, at_the_end, cost=15),
    "stability": Probe(_stability, now_and_then, cost=5),
    "standardise": Probe(_standardise, both_ends, cost=5),
}


def cost(names: Sequence[str], spec: TrialSpec) -> float:
    """About how many training steps these probes take in a trial."""
    return sum(PROBES[name].cost * len(PROBES[name].moments(spec)) for name in names)


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
        self.unmeasured: dict[str, str] = {}
        """Probes that raised, and what they raised first."""

    def look(self, step: int) -> None:
        """Measure what is to be measured at this step.

        A network that a probe cannot look at is trained all the same; the report tells of it.
        """
        for name, moments in self.moments.items():
            if not (moment := moments.get(step)):
                continue
            try:
                self.found[name][moment] = PROBES[name].measure(self.scene)
            except Exception as error:
                self.unmeasured.setdefault(name, raised(error))
