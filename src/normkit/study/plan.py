"""What a study will run: seeds, arms and grids."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from normkit.study.arms import takes_part
from normkit.study.bilingual import Text, joined, text
from normkit.study.optimizer import OPTIMIZERS
from normkit.study.spec import TrialSpec

HALF_DECADES = OPTIMIZERS["sgd"]
ADJUSTABLE = frozenset({"depth", "placement", "dropout"})
"""What a study can set in normkit's own networks, and not in the user's."""
INITIALISATIONS: tuple[tuple[str, float], ...] = (
    ("default", 1.0),
    ("he", 1.0),
    ("xavier", 1.0),
    ("lecun", 1.0),
    ("orthogonal", 1.0),
    ("gaussian", 0.01),
    ("gaussian", 0.1),
    ("gaussian", 10.0),
    ("gaussian", 100.0),
)


@dataclass(frozen=True)
class Plan:
    """A study's trials are determined by this and by what the tuning phase finds."""

    prototype: TrialSpec
    classes: int
    chance: float
    """Accuracy of always guessing the commonest class."""
    norms: tuple[str, ...]
    """Arms, "none" first, which every verdict compares with; or "given" alone, as it is."""
    headline: str
    """The norm whose verdicts are confirmatory; the others are exploratory."""
    claims: tuple[str, ...]
    seeds: tuple[int, ...]
    exploratory_seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    exploratory_tuning_seeds: tuple[int, ...]
    gap_seeds: tuple[int, ...]
    """Those of the gap in the claim about over-fitting, which varies more between seeds."""
    reduced_tuning_seeds: tuple[int, ...]
    """Those on which that claim tunes its own rates, for the same reason."""
    reduced_images: int
    """Training images left in the claim about over-fitting."""
    reduced_steps: int
    """Training steps of its trials: enough for every arm to fit so few images."""
    rates: tuple[float, ...] = HALF_DECADES
    initialisations: tuple[tuple[str, float], ...] = INITIALISATIONS
    rate_per_initialisation: bool = True
    depths: tuple[int | None, ...] = (8, 16, 32)  # None for a network whose depth is its own
    rate_for_reduced_images: bool = True
    """Whether the claim about over-fitting tunes rates of its own, on its reduced set."""
    penalties: tuple[str, ...] = ("dropout", "l1", "l2")
    placements: tuple[str, ...] = ("after",)
    """Places of the norm, other than before the activation, that the network has."""
    deepening: float = 4.0
    """How many times as deep as the model the deepest network tried is."""
    deepening_seeds: int = 8
    """The most seeds on which it is sought."""
    input_scales: tuple[float, ...] = (0.01, 100.0)
    """What the inputs are multiplied by where a network is trained anew on them."""
    norm_batches: tuple[int, ...] = (2, 8, 32)
    """Images that statistics over the batch are taken over, where that is varied."""
    exploratory_left_out_of: frozenset[str] = frozenset()
    dropped: tuple[Text, ...] = ()
    adjustable: frozenset[str] = ADJUSTABLE
    """What the network lets a study set: of `ADJUSTABLE`."""

    def arms(self, claim: str) -> tuple[str, ...]:
        """The norms, and their rivals, that take part in a claim, "none" first."""
        norms = tuple(norm for norm in self.norms if takes_part(norm, claim))
        if claim in self.exploratory_left_out_of:
            return tuple(norm for norm in norms if norm in ("none", self.headline))
        return norms

    def seeds_of(self, norm: str) -> tuple[int, ...]:
        """The judged seeds of an arm: a part of those of "none", so that every one has a pair."""
        return self.seeds if norm in ("none", self.headline) else self.exploratory_seeds

    def gap_seeds_of(self, norm: str) -> tuple[int, ...]:
        """The judged seeds of an arm where the gap of test over training loss is read."""
        return self.gap_seeds if norm in ("none", self.headline) else self.exploratory_seeds

    def tuning_seeds_of(self, norm: str) -> tuple[int, ...]:
        """The seeds on which an arm's base rate is tuned."""
        return (
            self.tuning_seeds if norm in ("none", self.headline) else self.exploratory_tuning_seeds
        )

    def reduced_tuning_seeds_of(self, norm: str) -> tuple[int, ...]:
        """The seeds on which an arm's rate on the reduced set is tuned."""
        if norm in ("none", self.headline):
            return self.reduced_tuning_seeds
        return self.exploratory_tuning_seeds

    def retuning_seeds_of(self, norm: str) -> tuple[int, ...]:
        """The seeds, fewer, on which a claim tunes anew for conditions of its own."""
        return self.tuning_seeds_of(norm)[:2]

    def deepening_seeds_of(self, norm: str) -> tuple[int, ...]:
        """The judged seeds of an arm where the deepest network is sought."""
        return self.seeds_of(norm)[: self.deepening_seeds]

    def is_exploratory(self, norm: str) -> bool:
        """Whether a norm's verdicts are marked exploratory: other norms, or too few seeds."""
        return norm != self.headline or len(self.seeds) < 8

    @property
    def seeds_told(self) -> Text:
        """How many seeds the study has, in words."""
        judged, few, tuning = map(len, (self.seeds, self.exploratory_seeds, self.tuning_seeds))
        others = len(self.norms) > 2
        base = text(
            f"{judged} judged{f' ({few} for exploratory norms)' * others}, {tuning} for tuning",
            f"评判 {judged} 个{f'（探索性方法 {few} 个）' * others}，调优 {tuning} 个",
        )
        if "overfitting" not in self.claims:
            return base
        judged, tuning = len(self.gap_seeds), len(self.reduced_tuning_seeds)
        tuned = self.rate_for_reduced_images
        return joined(
            base,
            text(
                f"; for the gap of overfitting {judged} judged{f', {tuning} for tuning' * tuned}",
                f"；“防止过拟合”中的差距：评判 {judged} 个{f'，调优 {tuning} 个' * tuned}",
            ),
        )

    @property
    def no_gradient_steps(self) -> Text | None:
        """Told where training does not step along the gradient, by as much as its rate says."""
        if self.prototype.optimizer == "sgd":
            return None
        return text(
            f"`{self.prototype.optimizer}` does not step along the gradient, as this measure does",
            f"`{self.prototype.optimizer}` 并不沿梯度方向更新，而这一测量沿梯度方向",
        )

    def trial(self, norm: str, seed: int, rate: float) -> TrialSpec:
        """A trial of this study."""
        return self.prototype.but(norm=norm, seed=seed, rate=rate)


def to_dict(plan: Plan) -> dict[str, Any]:
    """As `study.json` keeps it."""
    values = {f.name: getattr(plan, f.name) for f in fields(plan) if f.name != "prototype"}
    values["exploratory_left_out_of"] = sorted(plan.exploratory_left_out_of)
    values["adjustable"] = sorted(plan.adjustable)
    return values
