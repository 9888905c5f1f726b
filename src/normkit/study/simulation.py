"""Simulated trials with known truth: to rehearse a plan, and to judge the judges."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist
from typing import Any

from normkit.study.context import NeedTrials
from normkit.study.engine import Task
from normkit.study.optimizer import OPTIMIZERS
from normkit.study.plan import INITIALISATIONS
from normkit.study.record import Point, Record
from normkit.study.simulated_probes import SIMULATED, Look
from normkit.study.spec import TrialSpec
from normkit.study.train import checkpoints

CEILING = 0.97

BASE_STARTS = ("he", "default")
"""The initialisations that always train, unless a truth says otherwise."""

OTHER_STARTS = tuple(start for start in INITIALISATIONS if start[0] not in BASE_STARTS)

# Errors spread evenly over starts, with mean 0 and standard deviation 1.
_MIDDLE = (len(INITIALISATIONS) - 1) / 2
_PLACES = {
    start: (i - _MIDDLE) / math.sqrt((_MIDDLE + 1) * (2 * _MIDDLE + 1) / 6)
    for i, start in enumerate(INITIALISATIONS)
}

BASE_DEPTH = 8
"""Layers of the base recipe; a recipe that is no deeper trains at all its depths."""

SMALLEST_NORM_BATCH = 2

_checkpoints = cache(checkpoints)


def _from_textbook(spec: TrialSpec) -> int:
    """The sign with which the textbook's place counts in this one."""
    return 1 if spec.placement == "before_and_linear" else -1


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true in a simulated world: one effect for each claim."""

    speed: float = 2.0
    """Steps of "none" over steps of the norm, each at its own best rate."""
    speed_same_rate: float = 2.0
    """The same, both at the best rate of "none"."""
    rate_decades: float = 1.0
    """log10 of the largest rate that trains, the norm minus "none"."""
    gap: float = -0.2
    """Gap of test over training loss in nats, the norm minus "none"."""
    reliance: float = 2.0
    """Points of test error that penalties save, "none" minus the norm."""
    share_none: float = 0.5
    share_norm: float = 1.0
    """Probability that a start trains, for all but the default and He's."""
    share_tuned_none: float = 0.5
    share_tuned_norm: float = 1.0
    """The same at the best rate of such a start: at least as large."""
    retuned_decades: float = 0.0
    """How far below the base rate that rate lies; zero where the two are one."""
    spread_none: float = 0.0
    spread_norm: float = 0.0
    """Points of test error: standard deviation over starts, beside what varies with the seed."""
    steepness: float = 0.3
    """Decades per layer by which "none" is steeper than the norm, before training."""
    steepness_he: float = 0.3
    """The same with He's initialisation."""
    steepness_trained: float = 0.3
    """The same after training."""
    deviation: float = 1e-5
    """Largest deviation of a standardised mean or variance."""
    error: float = -5.0
    """Points of test error, the norm minus "none"."""
    loss: float = -0.2
    """Nats of test loss, the norm minus "none"."""
    placement_loss: float = -0.2
    """Nats of test loss, the textbook's place of the norm minus another."""
    placement_error: float = -3.0
    """Points of test error, likewise."""
    deeper: float = 2.0
    """Deepest network that trains, the norm over "none"."""
    smoothness: float = 0.3
    """Spread of the loss along the gradient over the same steps, the norm over "none"."""
    smoothness_own: float = 0.5
    """The same over steps of each arm's own rate."""
    steadiness: float = 0.8
    """Spread of the loss between steps, the norm over "none"."""
    cosine: float = -0.05
    """Agreement of gradients before and after the layers below move, the norm minus "none"."""
    cosine_same_rate: float = 0.02
    """The same, both at the best rate of "none"."""
    drift: float = 0.3
    """Drift of a norm's inputs, the norm over "none"."""
    growth: float = 1.3
    """Growth of the weights, the norm over "none"."""
    growth_same_rate: float = 0.95
    """The same, both at the best rate of "none"."""
    weight_spread: float = 1.3
    """Change of the weights' spread, the norm over "none"."""
    complexity: float = 0.7
    """Product of the layers' spectral norms, the norm over "none"."""
    scaled: float = -10.0
    """Points of test error that retraining on scaled inputs adds, the norm minus "none"."""
    scaled_in_test: float = 30.0
    """Points that scaling the test inputs alone adds, the norm minus "none"."""
    correlation_change: float = 0.0
    """What a norm itself adds to the mean absolute correlation."""
    correlation: float = -0.01
    """Mean absolute correlation of trained layers, the norm minus "none"."""
    rank: float = 0.02
    """Effective rank as a share of the channels, the norm minus "none"."""
    small_batch: float = 10.0
    """Points of test error that the smallest norm batch adds to the largest."""
    seconds: float = 1.2
    """Seconds per step, the norm over "none"."""
    held: float = 1.5
    """Bytes held for backward, the norm over "none"."""
    none_trains: bool = True
    """Whether "none" trains at all."""
    norm_trains: bool = True
    """Whether the norm does."""
    none_lowest: float = 0.003
    norm_lowest: float = 0.003
    """How low the training loss comes on the claim about over-fitting's reduced training set, as a
    share of a guess's: one is a network that learns nothing there."""
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
    asked: dict[TrialSpec, Task] = field(default_factory=dict)
    """Every trial asked for, with all its probes: what a rehearsal counts."""
    _made: dict[TrialSpec, Record | None] = field(default_factory=dict)

    def find(self, task: Task) -> Record | NeedTrials | None:
        """See :class:`normkit.study.context.Source`."""
        # By the specification, not by its name: a hash of its text would be most of the work.
        spec = task.spec
        before = self.asked.get(spec)
        if before and set(before.probes) >= set(task.probes):
            return self._made[spec]
        probes = {*task.probes, *(before.probes if before else ())}
        self.asked[spec] = task = Task(spec, tuple(sorted(probes)))
        self._made[spec] = self._make(task)
        return self._made[spec]

    def _make(self, task: Task) -> Record | None:
        missing = self.truth.missing
        if missing and self._draw("missing", task.spec.name) < missing:
            return None
        return self._cost(task.spec) if task.spec.kind == "cost" else self._train(task)

    def _draw(self, *key: object) -> float:
        """A number between 0 and 1 that depends on the world and the key alone."""
        text = repr((self.world, key)).encode()
        drawn = int.from_bytes(hashlib.blake2b(text, digest_size=6).digest())
        return (drawn + 0.5) / 2**48

    def _noise(self, scale: float, *key: object) -> float:
        if not self.truth.noise:
            return 0.0
        return NormalDist().inv_cdf(self._draw(*key)) * scale * self.truth.noise

    def _train(self, task: Task) -> Record:
        spec, truth = task.spec, self.truth
        chance = 1 / self.classes
        trains = self._trains(spec)
        accuracy = CEILING if trains else chance
        pace = 55.0 * math.exp(self._noise(0.15, "pace", spec.norm, spec.seed, spec.rate))
        if spec.norm != "none":
            same_rate = spec.rate == self._best(spec, "none")
            pace /= truth.speed_same_rate if same_rate else truth.speed
        curve: list[Point] = []
        gap = 0.5 + (truth.gap if spec.norm != "none" else 0.0)
        gap += self._noise(0.2, "gap", spec.norm, spec.seed)
        lowest = self._lowest(spec)
        for step in _checkpoints(spec.steps, spec.test) if spec.steps else []:
            progress = 1 - math.exp(-((step / pace) ** 1.5))
            loss = math.log(self.classes) * (
                max(math.exp(-2 * step / pace), lowest) if trains else 1.0
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
            error = 10.0 + self._noise(0.8, "error", spec.norm, spec.seed)
            spread = truth.spread_none if spec.norm == "none" else truth.spread_norm
            error += spread * _PLACES.get((spec.init, spec.gain), 0.0) - self._help(spec)
            error += self._added_error(spec)
            # Tuning must find an optimum: validation is worse away from it. The accuracy in
            # training is not, or the steps to a target would tell of the rate as well.
            off = self._off(spec)
            final = curve[-1] | {
                "train_accuracy": accuracy,
                "validation_loss": 0.2 + off + (0.0 if trains else 2.0),
                "validation_error": 1
                - accuracy
                + (0.1 + 0.05 * off - self._mean_help(spec) / 100 if trains else 0.0)
                # The same of all trials of an arm, so that tuning does not see it.
                + (truth.error / 100 if spec.norm != "none" else 0.0),
                "test_loss": self._test_loss(spec) if trains else math.log(self.classes),
                "test_error": error / 100 if trains else 1 - chance,
            }
        return Record(spec, "ok", curve, final, self._probes(task, curve))

    def _added_error(self, spec: TrialSpec) -> float:
        """Points of test error that the norm, its place, the inputs and the norm batch add."""
        truth, key = self.truth, (spec.norm, spec.seed)
        norm = spec.norm != "none"
        added = truth.error if norm else 0.0
        if spec.placement != "before":
            added += _from_textbook(spec) * truth.placement_error
            added += self._noise(0.8, "placement", spec.placement, *key)
        if spec.input_scale != 1:
            added += 20.0 + (truth.scaled if norm else 0.0)
            added += self._noise(3.0, "scaled", spec.input_scale, *key)
        if spec.norm_batch == SMALLEST_NORM_BATCH:
            added += truth.small_batch + self._noise(1.0, "norm batch", *key)
        return added

    def _test_loss(self, spec: TrialSpec) -> float:
        key = (spec.norm, spec.seed)
        loss = 0.3 + (self.truth.loss if spec.norm != "none" else 0.0)
        loss += self._noise(0.1, "loss", *key)
        if spec.placement != "before":
            loss += _from_textbook(spec) * self.truth.placement_loss
            loss += self._noise(0.05, "placement", spec.placement, *key)
        return loss

    def _off(self, spec: TrialSpec) -> float:
        """Decades between the rate of a trial and the best one from where it starts."""
        off = math.log10(spec.rate / self._best(spec, spec.norm))
        return abs(off + (0.0 if spec.init in BASE_STARTS else self.truth.retuned_decades))

    def _lowest(self, spec: TrialSpec) -> float:
        """What training comes down to, as a share of a guess's loss."""
        if spec.images is None:
            return 0.003
        return self.truth.none_lowest if spec.norm == "none" else self.truth.norm_lowest

    def _best(self, spec: TrialSpec, norm: str) -> float:
        """The best rate of an arm: inside the grid that tuning starts from."""
        _, lower, upper, _ = OPTIMIZERS[spec.optimizer]
        return lower if norm == "none" else upper

    def _trains(self, spec: TrialSpec) -> bool:
        if not (self.truth.none_trains if spec.norm == "none" else self.truth.norm_trains):
            return False
        if spec.norm == "none" and spec.init == "default" and not self.truth.default_trains:
            return False
        if spec.init not in BASE_STARTS and self._hardness(spec) >= self._share(spec):
            return False
        if spec.depth and spec.depth > BASE_DEPTH:
            return spec.depth <= self._deepest(spec)
        return spec.rate <= self._largest(spec) * 1.0001

    def _hardness(self, spec: TrialSpec) -> float:
        """Between 0 and 1: the share of trials, from any start, that are easier to train.

        The same at all rates: what trains at the base rate trains at the best one too, so that
        tuning always finds it.
        """
        start = (spec.init, spec.gain)
        if not self.truth.noise and start in OTHER_STARTS:
            # All seeds equal: every start either trains or does not.
            return (OTHER_STARTS.index(start) + 0.5) / len(OTHER_STARTS)
        return self._draw("start", spec.norm, *start, spec.seed)

    def _share(self, spec: TrialSpec) -> float:
        truth, none = self.truth, spec.norm == "none"
        if truth.retuned_decades and self._off(spec) < 0.1:
            return truth.share_tuned_none if none else truth.share_tuned_norm
        return truth.share_none if none else truth.share_norm

    def _largest(self, spec: TrialSpec) -> float:
        # The grid lies anywhere with respect to the truth.
        decades = -1.0 + self._draw("grid") / 2
        # The larger of the two, so that the smaller has room above the best rate.
        decades += max(self.truth.rate_decades * (1 if spec.norm != "none" else -1), 0.0)
        # In the unit of the optimizer's rates, as a norm's best one.
        noise = self._noise(0.2, "largest", spec.norm, spec.seed)
        largest = 10 ** (decades + noise) * (self._best(spec, "batch") / 0.1)
        # Never below the best rate: where tuning found it to train, it trains.
        return max(largest, self._best(spec, spec.norm))

    def _deepest(self, spec: TrialSpec) -> float:
        # The grid lies anywhere with respect to the truth.
        octaves = self._draw("depths") / 2
        # The larger of the two, so that the smaller has room above the base depth.
        octaves += max(math.log2(self.truth.deeper) * (1 if spec.norm != "none" else -1), 0.0)
        return BASE_DEPTH * 2 ** (octaves + self._noise(0.1, "deepest", spec.norm, spec.seed))

    def _mean_help(self, spec: TrialSpec) -> float:
        """Points of error that a penalty takes away, on average over seeds."""
        if not (spec.dropout or spec.l1 or spec.l2):
            return 0.0
        return 1.0 + (self.truth.reliance if spec.norm == "none" else 0.0)

    def _help(self, spec: TrialSpec) -> float:
        if not (spec.dropout or spec.l1 or spec.l2):
            return 0.0
        penalty = ("dropout", spec.dropout, spec.l1, spec.l2)
        return self._mean_help(spec) + self._noise(6.0, *penalty, spec.norm, spec.seed)

    def _probes(self, task: Task, curve: list[Point]) -> dict[str, Any]:
        losses = {int(p["step"] or 0): p["train_loss"] or 0.0 for p in curve}
        spec, truth, best = task.spec, self.truth, self._best(task.spec, "none")
        return {
            name: SIMULATED[name](Look(spec, truth, self._noise, losses, best))
            for name in task.probes
        }

    def _cost(self, spec: TrialSpec) -> Record:
        seconds = {
            norm: 0.008
            * (1.0 if norm == "none" else self.truth.seconds)
            * math.exp(self._noise(0.03, "seconds", norm, spec.seed))
            for norm in spec.arms
        }
        held = {norm: round(1e6 * (1 if norm == "none" else self.truth.held)) for norm in spec.arms}
        return Record(
            spec,
            "ok",
            [],
            {},
            {"bytes_for_backward": held, "parameters": dict.fromkeys(spec.arms, 1000)},
            {"seconds_per_step": seconds},
        )
