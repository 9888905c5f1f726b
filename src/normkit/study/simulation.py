"""Simulated trials with known truth: to rehearse a plan, and to judge the judges."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from normkit.study.context import NeedTrials
from normkit.study.engine import Task
from normkit.study.record import Point, Record
from normkit.study.spec import TrialSpec
from normkit.study.train import checkpoints

CEILING = 0.97


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true in a simulated world: one effect for each claim."""

    speed: float = 2.0
    """Steps of "none" over steps of the norm."""
    rate_decades: float = 1.0
    """log10 of the largest rate that trains, the norm minus "none"."""
    gap: float = -0.2
    """Gap of test over training loss in nats, the norm minus "none"."""
    reliance: float = 2.0
    """Points of test error that penalties save, "none" minus the norm."""
    share_none: float = 0.5
    share_norm: float = 1.0
    """Probability that a start trains, for all but the default and He's."""
    steepness: float = 0.3
    """Decades per layer by which "none" is steeper than the norm."""
    deviation: float = 1e-5
    """Largest deviation of a standardised mean or variance."""
    seconds: float = 1.2
    """Seconds per step, the norm over "none"."""
    held: float = 1.5
    """Bytes held for backward, the norm over "none"."""
    error_spread: float = 0.0
    """Points by which the final error spreads more over starts, "none" minus the norm."""
    none_trains: bool = True
    """Whether "none" trains at all."""
    norm_trains: bool = True
    """Whether the norm does."""
    none_fits: bool = True
    """Whether "none" fits the reduced training set of the claim about over-fitting."""
    default_trains: bool = False
    """Whether "none" trains with PyTorch's default initialisation."""
    noise: float = 1.0
    """Spread over seeds, relative to what digits show."""
    missing: float = 0.0
    """Probability that a trial fails."""


@dataclass
class SimulatedTrials:
    """A source of trials that computes outcomes from a truth instead of training."""

    truth: Truth = field(default_factory=Truth)
    world: int = 0
    classes: int = 10
    asked: dict[str, Task] = field(default_factory=dict)
    """Every trial asked for, by name, with all its probes: what a rehearsal counts."""
    _made: dict[str, Record | None] = field(default_factory=dict)

    def find(self, task: Task) -> Record | NeedTrials | None:
        """See :class:`normkit.study.context.Source`."""
        name = task.spec.name
        before = self.asked.get(name)
        if before and set(before.probes) >= set(task.probes):
            return self._made[name]
        probes = {*task.probes, *(before.probes if before else ())}
        self.asked[name] = task = Task(task.spec, tuple(sorted(probes)))
        self._made[name] = self._make(task)
        return self._made[name]

    def _make(self, task: Task) -> Record | None:
        name = task.spec.name
        if self._draw("missing", name).random() < self.truth.missing:
            return None
        return self._cost(task.spec) if task.spec.kind == "cost" else self._train(task)

    def _draw(self, *key: object) -> random.Random:
        """Random numbers that depend on the world and the key alone."""
        return random.Random(repr((self.world, key)))

    def _noise(self, scale: float, *key: object) -> float:
        return self._draw(*key).gauss() * scale * self.truth.noise

    def _train(self, task: Task) -> Record:
        spec, truth = task.spec, self.truth
        chance = 1 / self.classes
        trains = self._trains(spec)
        # Tuning must find an optimum: the validation loss rises away from it.
        off = abs(math.log10(spec.rate / self._best(spec.norm))) if spec.rate else 0.0
        ceiling = CEILING - 0.05 * off
        accuracy = ceiling if trains else chance
        pace = 55.0 * math.exp(self._noise(0.15, "pace", spec.norm, spec.seed, spec.rate))
        if spec.norm != "none":
            pace /= truth.speed
        curve: list[Point] = []
        gap = 0.5 + (truth.gap if spec.norm != "none" else 0.0)
        gap += self._noise(0.2, "gap", spec.norm, spec.seed)
        for step in checkpoints(spec.steps, spec.test) if spec.steps else []:
            progress = 1 - math.exp(-((step / pace) ** 1.5))
            loss = math.log(self.classes) * (
                max(math.exp(-2 * step / pace), 0.003) if trains else 1.0
            )
            point: Point = {
                "step": step,
                "train_loss": loss,
                "train_accuracy": chance + (accuracy - chance) * progress,
            }
            if spec.test == "curve":
                # The gap opens as the training loss falls, for all arms alike.
                opened = 0.15 * math.log10(math.log(self.classes) / loss)
                point["test_loss"] = loss + gap + opened
            curve.append(point)
        final: Point = {}
        if curve:
            spread = 0.8 + (truth.error_spread if spec.norm == "none" else 0.0)
            error = 10.0 + self._noise(spread, "error", spec.norm, spec.seed)
            error -= self._help(spec)
            final = curve[-1] | {
                "train_accuracy": accuracy,
                "validation_loss": 0.2 + off + (0.0 if trains else 2.0),
                "validation_error": 1 - accuracy,
                "test_loss": 0.3 if trains else math.log(self.classes),
                "test_error": error / 100 if trains else 1 - chance,
            }
        return Record(spec, "ok", curve, final, self._probes(task))

    def _best(self, norm: str) -> float:
        return 0.03 if norm == "none" else 0.1

    def _trains(self, spec: TrialSpec) -> bool:
        if not (self.truth.none_trains if spec.norm == "none" else self.truth.norm_trains):
            return False
        if spec.norm == "none" and spec.images is not None and not self.truth.none_fits:
            return False
        if spec.norm == "none" and spec.init == "default" and not self.truth.default_trains:
            return False
        if spec.init not in ("he", "default"):
            share = self.truth.share_none if spec.norm == "none" else self.truth.share_norm
            start = self._draw("start", spec.norm, spec.init, spec.gain, spec.seed)
            if start.random() >= share:
                return False
        return spec.rate <= self._largest(spec) * 1.0001

    def _largest(self, spec: TrialSpec) -> float:
        # The grid lies anywhere with respect to the truth.
        decades = -1.0 + self._draw("grid").random() / 2
        decades += self.truth.rate_decades if spec.norm != "none" else 0.0
        # Never below the best rate: where tuning found it to train, it trains.
        noise = self._noise(0.2, "largest", spec.norm, spec.seed)
        return max(10 ** (decades + noise), self._best(spec.norm))

    def _help(self, spec: TrialSpec) -> float:
        if not (spec.dropout or spec.l1 or spec.l2):
            return 0.0
        help_ = 1.0 + (self.truth.reliance if spec.norm == "none" else 0.0)
        penalty = ("dropout", spec.dropout, spec.l1, spec.l2)
        return help_ + self._noise(0.8, *penalty, spec.norm, spec.seed)

    def _probes(self, task: Task) -> dict[str, Any]:
        spec, found = task.spec, {}
        moments = ("start", "end") if spec.steps else ("start",)
        if "gradients" in task.probes:
            slope = 0.05 + (self.truth.steepness if spec.norm == "none" else 0.0)
            slope += self._noise(0.01, "slope", spec.norm, spec.seed, spec.init)
            depth = spec.depth or 8
            norms = [10 ** (slope * (layer - depth)) for layer in range(1, depth + 1)]
            found["gradients"] = {m: {"norms": norms, "slope": -slope} for m in moments}
        if "standardise" in task.probes:
            off = self.truth.deviation
            off *= math.exp(self._noise(0.1, "deviation", spec.norm, spec.seed))
            found["standardise"] = {
                m: {
                    "worst_mean": off / 2,
                    "lowest_variance": 1 - off,
                    "highest_variance": 1 + off / 2,
                    "left_out": 0,
                    "shown": None,
                }
                for m in moments
            }
        return found

    def _cost(self, spec: TrialSpec) -> Record:
        seconds = {
            norm: 0.008
            * (1.0 if norm == "none" else self.truth.seconds)
            * math.exp(self._noise(0.03, "seconds", norm, spec.seed))
            for norm in spec.arms
        }
        held = {norm: 1e6 * (1.0 if norm == "none" else self.truth.held) for norm in spec.arms}
        return Record(
            spec,
            "ok",
            [],
            {},
            {"bytes_for_backward": held, "parameters": dict.fromkeys(spec.arms, 1000)},
            {"seconds_per_step": seconds},
        )
