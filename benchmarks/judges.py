"""Judge the judges: how often does each claim's verdict contradict a truth that is known?

Every claim is judged on simulated studies in which its effect is real, just too small to matter,
absent, or the opposite; in which the comparator never trains; in which all seeds agree; and in
which trials are missing. A verdict is wrong if it says "supported" where the true effect does not
exceed the smallest one that matters, "refuted" where it does, or anything but "inconclusive"
where the comparator never trained and the claim compares with it. Primary verdicts are judged on
two and three seeds too, as those of exploratory norms are.

    python benchmarks/judges.py [--studies 400] [--write]

With --write the table is kept in benchmarks/results/judges.json.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from normkit.study.claims import claims
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials, Truth
from normkit.study.spec import TrialSpec
from normkit.study.verdict import Verdict

RESULTS = Path(__file__).parent / "results" / "judges.json"
ALLOWED = 0.05


@dataclass(frozen=True)
class Scenario:
    """A world with known truth, and the verdicts that would contradict it."""

    name: str
    truth: Truth
    wrong: frozenset[str]
    seeds: int = 8


@dataclass(frozen=True)
class Effect:
    """How a claim's truth is set: the field, and its value in each kind of world."""

    verdict: str
    field: str
    real: float
    at_delta: float
    """Exactly the smallest effect that matters: not beyond it."""
    absent: float
    opposite: float
    compares: bool = True
    """Whether the claim needs a comparator that trains."""
    primary: bool = True
    """Whether it is also judged on two and three seeds, as exploratory norms are."""
    without: frozenset[str] = frozenset()
    """Worlds that say nothing about it."""


NEVER_TRAINS = frozenset({"norm never trains"})
"""Left out where networks need not train to be measured."""

NO_SPREAD = frozenset({"effect, all seeds equal", "no effect, all seeds equal"})
"""Left out where a spread is what is judged."""

EFFECTS: dict[str, list[Effect]] = {
    "standardise": [
        Effect("identity", "deviation", 1e-4, 0.02, 0.1, 1.0, False, without=NEVER_TRAINS)
    ],
    "convergence": [
        Effect("steps", "speed", 2.0, 1.25, 1.0, 0.6),
        # A step with the norm takes 1.2 times as long, so seconds are steps over 1.2.
        Effect("seconds", "speed", 2.4, 1.5, 1.2, 0.72, primary=False),
        Effect("steps_same_rate", "speed", 2.0, 1.25, 1.0, 0.6, primary=False),
        Effect("seconds_same_rate", "speed", 2.4, 1.5, 1.2, 0.72, primary=False),
    ],
    "learning_rate": [Effect("largest", "rate_decades", 1.5, 0.301, 0.0, -1.0, False)],
    "overfitting": [
        Effect("gap", "gap", -0.35, -0.05, 0.0, 0.2),
        Effect("reliance", "reliance", 3.0, 0.5, 0.0, -2.0),
    ],
    "initialisation": [
        # Seven of nine starts can fail, so that p − 0.5 of them is 7/9 of the difference.
        Effect("share_base", "share_norm", 1.0, 0.5 + 0.1 * 9 / 7, 0.5, 0.2, False),
        Effect("share_tuned", "share_norm", 1.0, 0.5 + 0.1 * 9 / 7, 0.5, 0.2, False, False),
        Effect("spread", "error_spread", 2.0, 0.5, 0.0, -0.5, False, False, NO_SPREAD),
    ],
    "gradients": [
        Effect(f"slope_{moment}", "steepness", 0.3, 0.05, 0.0, -0.04, False, first, NEVER_TRAINS)
        for moment, first in (("default", True), ("he", False), ("trained", False))
    ],
    "cost": [
        Effect("seconds", "seconds", 0.7, 0.95, 1.0, 1.5, False, without=NEVER_TRAINS),
        Effect("bytes", "held", 0.7, 0.95, 1.0, 1.5, False, False, NEVER_TRAINS),
    ],
}


def scenarios(effect: Effect) -> list[Scenario]:
    """The worlds in which a claim is judged."""

    def world(value: float, **changes: float | bool) -> Truth:
        values = {"default_trains": True, effect.field: value, **changes}
        return Truth(**values)  # type: ignore[arg-type]

    found = [
        Scenario("effect", world(effect.real), frozenset({"refuted"})),
        Scenario("effect at δ", world(effect.at_delta), frozenset({"supported"})),
        Scenario("no effect", world(effect.absent), frozenset({"supported"})),
        Scenario("opposite effect", world(effect.opposite), frozenset({"supported"})),
        Scenario("effect, noise ×3", world(effect.real, noise=3.0), frozenset({"refuted"})),
        Scenario("no effect, noise ×3", world(effect.absent, noise=3.0), frozenset({"supported"})),
        Scenario("effect, all seeds equal", world(effect.real, noise=0.0), frozenset({"refuted"})),
        Scenario(
            "no effect, all seeds equal", world(effect.absent, noise=0.0), frozenset({"supported"})
        ),
        Scenario("effect, trials missing", world(effect.real, missing=0.1), frozenset({"refuted"})),
        Scenario(
            "no effect, trials missing",
            world(effect.absent, missing=0.1),
            frozenset({"supported"}),
        ),
    ]
    found.append(
        Scenario(
            "norm never trains", world(effect.real, norm_trains=False), frozenset({"supported"})
        )
    )
    for seeds in (2, 3) if effect.primary else ():
        found += [
            Scenario(f"effect, {seeds} seeds", world(effect.real), frozenset({"refuted"}), seeds),
            Scenario(
                f"no effect, {seeds} seeds", world(effect.absent), frozenset({"supported"}), seeds
            ),
        ]
    if effect.verdict == "gap":
        found.append(
            Scenario(
                "comparator never fits",
                world(effect.real, none_fits=False),
                frozenset({"supported", "refuted"}),
            )
        )
    if effect.compares:
        found.append(
            Scenario(
                "comparator never trains",
                world(effect.real, none_trains=False),
                frozenset({"supported", "refuted"}),
            )
        )
    return [scenario for scenario in found if scenario.name not in effect.without]


def plan(claim: str, seeds: int = 8) -> Plan:
    """A study of one claim, as it is by default."""
    prototype = TrialSpec(
        data="simulated",
        model="plain",
        norm="none",
        seed=0,
        rate=0.0,
        steps=200,
        batch=32,
        depth=8,
        code="simulated",
    )
    return Plan(
        prototype=prototype,
        classes=10,
        chance=0.1,
        norms=("none", "batch"),
        headline="batch",
        claims=(claim,),
        seeds=tuple(range(seeds)),
        exploratory_seeds=(0, 1, 2)[:seeds],
        tuning_seeds=(500, 501, 502, 503),
        exploratory_tuning_seeds=(500, 501, 502, 503),
        gap_seeds=tuple(range(2 * seeds)),
        reduced_images=128,
        reduced_steps=400,
        rate_per_initialisation=False,
    )


def judged(claim: str, verdict: str, truth: Truth, world: int, seeds: int = 8) -> Verdict:
    """The verdict that a claim's judge gives in one simulated study."""
    asked = replace(plan(claim, seeds), rate_per_initialisation=verdict == "share_tuned")
    context = Context(asked, SimulatedTrials(truth, world))
    finding = claims()[claim].judge(context)
    return next(v for v in finding.verdicts if v.id == verdict)


def rates(claim: str, effect: Effect, scenario: Scenario, studies: int) -> dict[str, Any]:
    """How often each outcome came, and how often it was wrong."""
    counts = {"supported": 0, "refuted": 0, "inconclusive": 0}
    for world in range(studies):
        counts[judged(claim, effect.verdict, scenario.truth, world, scenario.seeds).outcome] += 1
    return {
        "claim": claim,
        "verdict": effect.verdict,
        "scenario": scenario.name,
        "studies": studies,
        **{name: count / studies for name, count in counts.items()},
        "wrong": sum(counts[name] for name in scenario.wrong) / studies,
    }


def main() -> None:
    """Run all claims in all worlds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400, help="simulated studies of each row")
    parser.add_argument("--claims", nargs="*", default=list(EFFECTS))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cases = [
        (claim, effect, scenario, options.studies)
        for claim in options.claims
        for effect in EFFECTS[claim]
        for scenario in scenarios(effect)
    ]
    rows = []
    print(f"{'claim':15}{'verdict':15}{'world':29}{'supp.':>7}{'ref.':>7}{'inc.':>7}{'wrong':>7}")
    with ProcessPoolExecutor() as pool:
        for row in pool.map(rates, *zip(*cases, strict=True)):
            rows.append(row)
            shares = "".join(
                f"{row[name]:7.1%}" for name in ("supported", "refuted", "inconclusive", "wrong")
            )
            mark = "  ← above 5 %" if row["wrong"] > ALLOWED else ""
            told = f"{row['claim']:15}{row['verdict']:15}{row['scenario']:29}"
            print(f"{told}{shares}{mark}", flush=True)
    worst = max(row["wrong"] for row in rows)
    print(f"highest rate of wrong verdicts: {worst:.1%}")
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
