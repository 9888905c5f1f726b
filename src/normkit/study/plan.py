"""What a study will run: seeds, arms and grids, cut to fit a budget."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from normkit.study.bilingual import Text, joined, text
from normkit.study.spec import TrialSpec

BUDGETS = {"quick": 1.0, "standard": 6.0}
"""Minutes of training that each named budget allows. Start-up, the report, and grids of rates that
widen come on top: a study of 5.8 estimated minutes was seen to take 7.6."""

HALF_DECADES = (0.01, 0.03, 0.1, 0.3)
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
PENALTIES: dict[str, tuple[float, ...]] = {
    "dropout": (0.2, 0.5),
    "l1": (1e-4, 1e-3),
    "l2": (1e-3, 1e-2),
}


@dataclass(frozen=True)
class Plan:
    """A study's trials are determined by this and by what the tuning phase finds."""

    prototype: TrialSpec
    classes: int
    chance: float
    """Accuracy of always guessing the commonest class."""
    norms: tuple[str, ...]
    """Arms, "none" first: every verdict compares with it."""
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
    depths: tuple[int, ...] = (8, 16, 32)
    rate_for_reduced_images: bool = True
    """Whether the claim about over-fitting tunes rates of its own, on its reduced set."""
    penalties: tuple[str, ...] = ("dropout", "l1", "l2")
    exploratory_left_out_of: frozenset[str] = frozenset()
    dropped: tuple[Text, ...] = ()

    def arms(self, claim: str) -> tuple[str, ...]:
        """The norms that take part in a claim, "none" first."""
        if claim in self.exploratory_left_out_of:
            return tuple(norm for norm in self.norms if norm in ("none", self.headline))
        return self.norms

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

    def trial(self, norm: str, seed: int, rate: float) -> TrialSpec:
        """A trial of this study."""
        return self.prototype.but(norm=norm, seed=seed, rate=rate)


@dataclass(frozen=True)
class _Cut:
    """One way to make a plan cheaper, and the sentence that tells it in the report."""

    make: Callable[[Plan], Plan]
    told: Text
    claim: str | None = None
    """The claim it concerns; None for all."""
    topic: str | None = None
    """What several cuts are about, one after the other."""
    final: bool = False
    """Whether it makes what was told of earlier cuts on its topic moot."""


def _leave_out(claim: str) -> Callable[[Plan], Plan]:
    def make(plan: Plan) -> Plan:
        if len(plan.norms) <= 2:
            return plan
        return replace(plan, exploratory_left_out_of=plan.exploratory_left_out_of | {claim})

    return make


def _few_seeds(count: int) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan,
        seeds=plan.seeds[:count],
        exploratory_seeds=plan.exploratory_seeds[:count],
        gap_seeds=plan.gap_seeds[:count],
    )


def _only_headline(plan: Plan) -> Plan:
    return replace(plan, norms=tuple(n for n in plan.norms if n in ("none", plan.headline)))


# In this order, the least missed first, until the plan fits.
CUTS = (
    _Cut(
        _leave_out("overfitting"),
        text(
            "`overfitting` compares `none` with the headline norm only.",
            "“防止过拟合”一项只比较无归一化与主要归一化方法。",
        ),
        "overfitting",
        topic="other norms",
    ),
    _Cut(
        lambda plan: (
            replace(plan, exploratory_tuning_seeds=plan.tuning_seeds[:2])
            if len(plan.norms) > 2
            else plan
        ),
        text(
            "Exploratory norms are tuned on two seeds instead of four.",
            "探索性的归一化方法只用两个随机种子调优，而不是四个。",
        ),
        topic="other norms",
    ),
    _Cut(
        lambda plan: replace(plan, rate_per_initialisation=False),
        text(
            "`initialisation` is measured at the base rate only, not with the rate tuned per "
            "initialisation.",
            "“对初始权重不敏感”一项只在基准学习率下测量，没有为每种初始化单独调学习率。",
        ),
        "initialisation",
    ),
    _Cut(
        _leave_out("initialisation"),
        text(
            "`initialisation` compares `none` with the headline norm only.",
            "“对初始权重不敏感”一项只比较无归一化与主要归一化方法。",
        ),
        "initialisation",
        topic="other norms",
    ),
    _Cut(
        _leave_out("learning_rate"),
        text(
            "`learning_rate` compares `none` with the headline norm only.",
            "“允许更大的学习率”一项只比较无归一化与主要归一化方法。",
        ),
        "learning_rate",
        topic="other norms",
    ),
    _Cut(
        lambda plan: replace(plan, penalties=plan.penalties[:1]),
        text(
            "Of dropout, L1 and L2 only dropout is tried in `overfitting`.",
            "“防止过拟合”一项只尝试了 Dropout，没有尝试 L1 和 L2。",
        ),
        "overfitting",
        topic="penalties",
    ),
    _Cut(
        lambda plan: replace(
            plan,
            initialisations=tuple(
                i
                for i in plan.initialisations
                if i
                in (
                    ("default", 1.0),
                    ("he", 1.0),
                    ("xavier", 1.0),
                    ("gaussian", 0.1),
                    ("gaussian", 10.0),
                )
            ),
        ),
        text(
            "Five initialisations instead of nine in `initialisation`.",
            "“对初始权重不敏感”一项只用了五种初始化，而不是九种。",
        ),
        "initialisation",
        topic="initialisations",
    ),
    _Cut(
        lambda plan: replace(plan, gap_seeds=plan.gap_seeds[: 2 * len(plan.seeds)]),
        text(
            "The gap of test over training loss is judged on twice as many seeds as the rest, not "
            "four times as many.",
            "测试与训练损失之差所用的随机种子数为其他各项的两倍，而不是四倍。",
        ),
        "overfitting",
        topic="gap seeds",
    ),
    _Cut(
        lambda plan: replace(plan, gap_seeds=plan.seeds, reduced_tuning_seeds=plan.tuning_seeds),
        text(
            "The gap of test over training loss is tuned and judged on as many seeds as the rest.",
            "测试与训练损失之差在调优和评判时所用的随机种子数与其他各项相同。",
        ),
        "overfitting",
        topic="gap seeds",
        final=True,
    ),
    _Cut(
        _only_headline,
        text(
            "Norms other than the headline norm were left out.",
            "除主要归一化方法外，其他归一化方法均未参加。",
        ),
        topic="other norms",
        final=True,
    ),
    _Cut(
        _few_seeds(5),
        text(
            "Five seeds instead of eight: every verdict is exploratory.",
            "随机种子由八个减为五个：所有结论都只是探索性的。",
        ),
        topic="seeds",
    ),
    _Cut(
        lambda plan: replace(
            plan,
            tuning_seeds=plan.tuning_seeds[:1],
            reduced_tuning_seeds=plan.tuning_seeds[:1],
            exploratory_tuning_seeds=plan.tuning_seeds[:1],
        ),
        text(
            "Rates are tuned on one seed.",
            "学习率只用一个随机种子调优。",
        ),
    ),
    _Cut(
        _few_seeds(3),
        text(
            "Three seeds: many verdicts will be inconclusive.",
            "随机种子减为三个：许多结论会是证据不足。",
        ),
        topic="seeds",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, penalties=()),
        text(
            "`overfitting` measures the gap only, not the reliance on dropout, L1 and L2.",
            "“防止过拟合”一项只测量损失之差，没有测量对 Dropout、L1、L2 的依赖。",
        ),
        "overfitting",
        topic="penalties",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, rate_for_reduced_images=False),
        text(
            "`overfitting` uses the base rates, not rates tuned on its reduced set, and judges the "
            "gap on as many seeds as the rest.",
            "“防止过拟合”一项使用基准学习率，没有在缩减的训练集上另行调优；"
            "其中的差距所用的随机种子数与其他各项相同。",
        ),
        "overfitting",
        topic="gap seeds",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, depths=plan.depths[:2]),
        text(
            "Gradients are measured at two depths instead of three.",
            "梯度只在两种深度下测量，而不是三种。",
        ),
        "gradients",
    ),
    _Cut(
        lambda plan: replace(
            plan, initialisations=plan.initialisations[:1] + plan.initialisations[3:]
        ),
        text(
            "Three initialisations in `initialisation`.",
            "“对初始权重不敏感”一项只用了三种初始化。",
        ),
        "initialisation",
        topic="initialisations",
        final=True,
    ),
    _Cut(
        lambda plan: replace(plan, reduced_steps=plan.prototype.steps),
        text(
            "`overfitting` trains as long as the other claims, not twice as long.",
            "“防止过拟合”一项的训练步数与其他各项相同，而不是两倍。",
        ),
        "overfitting",
    ),
    _Cut(
        _few_seeds(2),
        text(
            "Two seeds: most verdicts will be inconclusive.",
            "随机种子减为两个：多数结论会是证据不足。",
        ),
        topic="seeds",
        final=True,
    ),
)


def ladder(plan: Plan) -> list[Plan]:
    """The plan, and what is left of it after one cut, two cuts, and so on."""
    plans, made = [plan], list[_Cut]()
    for cut in CUTS:
        if cut.claim not in (None, *plan.claims):
            continue
        smaller = cut.make(plans[-1])
        if smaller != plans[-1]:
            if cut.final:
                made = [earlier for earlier in made if earlier.topic != cut.topic]
            made.append(cut)
            plans.append(replace(smaller, dropped=tuple(cut.told for cut in made)))
    return plans


def fit(plans: Sequence[Plan], cost: Callable[[Plan], float], seconds: float) -> int:
    """Index of the first plan of a ladder whose cost is at most `seconds`; the last if none is."""
    fitting = bisect_left(range(len(plans)), True, key=lambda i: cost(plans[i]) <= seconds)
    return min(fitting, len(plans) - 1)


def to_dict(plan: Plan) -> dict[str, Any]:
    """As `study.json` keeps it."""
    values = {f.name: getattr(plan, f.name) for f in fields(plan) if f.name != "prototype"}
    values["exploratory_left_out_of"] = sorted(plan.exploratory_left_out_of)
    return values
