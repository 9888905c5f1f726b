"""What probes would find in simulated trials with known truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from normkit.study.probing import PROBES, STEP_LENGTHS
from normkit.study.spec import TrialSpec

if TYPE_CHECKING:
    from normkit.study.simulation import Truth

LAYERS = 8


class Noise(Protocol):
    def __call__(self, scale: float, *key: object) -> float:
        """A normal deviate that depends on the world and the key alone."""


@dataclass(frozen=True)
class Look:
    """What a simulated probe knows of its trial."""

    spec: TrialSpec
    truth: Truth
    noise: Noise
    losses: Mapping[int, float]
    """Training loss by checkpoint."""
    none_rate: float
    """The best rate of "none"."""

    @property
    def is_norm(self) -> bool:
        return self.spec.norm != "none"

    @property
    def at_none_rate(self) -> bool:
        """Whether it is a norm at the best rate of "none"."""
        return self.is_norm and self.spec.rate == self.none_rate

    def of_norm(self, value: float, neutral: float = 0.0) -> float:
        """A truth that is the norm's; the neutral value for "none"."""
        return value if self.is_norm else neutral

    def draw(self, scale: float, *key: object) -> float:
        """A deviate of this trial's own."""
        return self.noise(scale, *key, self.spec.norm, self.spec.seed, self.spec.rate)

    def moments(self, probe: str) -> dict[int, str]:
        return PROBES[probe].moments(self.spec)


def _gradients(look: Look) -> dict[str, Any]:
    spec, found = look.spec, {}
    depth = spec.depth or LAYERS
    for moment in look.moments("gradients").values():
        slope = 0.05 + (0.0 if look.is_norm else _steepness(look.truth, spec, moment))
        slope += look.noise(0.01, "slope", spec.norm, spec.seed, spec.init, moment)
        norms = [10 ** (slope * (layer - depth)) for layer in range(1, depth + 1)]
        found[moment] = {"norms": norms, "slope": -slope}
    return found


def _steepness(truth: Truth, spec: TrialSpec, moment: str) -> float:
    if moment == "end":
        return truth.steepness_trained
    return truth.steepness_he if spec.init == "he" else truth.steepness


def _standardise(look: Look) -> dict[str, Any]:
    off = look.truth.deviation
    off *= math.exp(look.noise(0.1, "deviation", look.spec.norm, look.spec.seed))
    return {
        moment: {
            "worst_mean": off / 2,
            "lowest_variance": 1 - off,
            "highest_variance": 1 + off / 2,
            "left_out": 0,
            "shown": None,
        }
        for moment in look.moments("standardise").values()
    }


def _decorrelation(look: Look) -> dict[str, Any]:
    truth = look.truth
    change = look.of_norm(truth.correlation_change + look.draw(0.005, "change"))
    output = 0.25 + look.of_norm(truth.correlation) + look.draw(0.01, "correlation")
    rank = 0.6 + look.of_norm(truth.rank) + look.draw(0.015, "rank")
    values = {
        "before": 0.25,
        "after": 0.25 + change,
        "largest_change": abs(change),
        "output": output,
        "rank": rank,
    }
    return {
        moment: {field: [value] * LAYERS for field, value in values.items()}
        for moment in look.moments("decorrelation").values()
    }


def _stability(look: Look) -> dict[str, Any]:
    truth, found = look.truth, {}
    same = look.of_norm(truth.smoothness, 1.0) * math.exp(look.draw(0.3, "smoothness"))
    own = look.of_norm(truth.smoothness_own, 1.0) * math.exp(look.draw(0.3, "smoothness, own"))
    between = look.of_norm(truth.steadiness, 1.0) * math.exp(look.draw(0.2, "steadiness"))
    for step, moment in look.moments("stability").items():
        # The spread shrinks as the loss falls, for all arms alike.
        unit = 0.5 * math.sqrt(look.losses[step])
        # Flat but for two rises: one within reach of the rate of "none" alone, one of a norm's.
        ends = (3.0 * look.none_rate, 10.0 * look.none_rate)
        found[moment] = {
            "losses": [
                look.losses[step]
                + unit * same * (length > ends[0] * 0.9)
                + unit * own * (length > ends[1] * 1.1)
                for length in STEP_LENGTHS
            ],
            "between_steps": unit * between,
        }
    return found


def _covariate_shift(look: Look) -> dict[str, Any]:
    truth = look.truth
    cosine = truth.cosine_same_rate if look.at_none_rate else truth.cosine
    cosine = 0.9 + look.of_norm(cosine) + look.draw(0.02, "cosine")
    drift = 0.01 * look.of_norm(truth.drift, 1.0) * math.exp(look.draw(0.3, "drift"))
    layers = list(range(2, LAYERS + 1))
    return {
        moment: {
            "layers": layers,
            "cosine": [cosine] * len(layers),
            "drift": [drift] * len(layers),
        }
        for moment in look.moments("covariate_shift").values()
    }


def _parameter_distribution(look: Look) -> dict[str, Any]:
    truth = look.truth
    ratio = truth.growth_same_rate if look.at_none_rate else truth.growth
    grown = 0.07 + math.log(look.of_norm(ratio, 1.0)) + look.draw(0.02, "growth")
    # So much that a smaller change, too, is one in the same direction.
    spread = 2.0 + math.log(look.of_norm(truth.weight_spread, 1.0)) + look.draw(0.02, "spread")
    product = 4.0 + math.log10(look.of_norm(truth.complexity, 1.0)) + look.draw(0.08, "product")
    found = {"start": (1.0, 1.0), "end": (math.exp(grown), math.exp(spread))}
    return {
        moment: {
            "norm": [found[moment][0]] * LAYERS,
            "deviation": [found[moment][1]] * LAYERS,
            "spectral_norm": [10 ** (product / LAYERS)] * LAYERS,
        }
        for moment in look.moments("parameter_distribution").values()
    }


def _scale(look: Look) -> dict[str, Any]:
    error = 0.1
    added = 40.0 + look.of_norm(look.truth.scaled_in_test) + look.draw(3.0, "scaled in test")
    errors = {"0.1": error + added / 100, "1": error, "10": error + added / 100}
    return {moment: {"test_error": errors} for moment in look.moments("scale").values()}


def _nothing(_: Look) -> dict[str, Any]:
    """Of what is shown and never judged."""
    return {}


SIMULATED: dict[str, Callable[[Look], dict[str, Any]]] = {
    "covariate_shift": _covariate_shift,
    "decorrelation": _decorrelation,
    "distributions": _nothing,
    "gradients": _gradients,
    "lesson": _nothing,
    "parameter_distribution": _parameter_distribution,
    "scale": _scale,
    "stability": _stability,
    "standardise": _standardise,
}
"""Probe → what it would find, moment by moment."""
