"""Is the verdict on over-fitting right on real trials, and the same again?

    python benchmarks/resampling.py FOLDER [--studies 1000] [--workers 2] [--write]

Each arm is trained on the reduced set of digits at every rate, on 64 seeds that no study uses; the
trials are kept in FOLDER, and not run again. From these, drawn with replacement, as many studies as
asked are put together: tuning on the reduced set draws from 24 of the seeds, what is judged from
the others, and where the search for a rate begins is drawn from what studies find on all images.
The claim's own judge decides each study. Batch norm is compared with "none", where all studies
should say the same; and each arm with itself, where "supported" is wrong, since the true difference
is nothing. Beside the design as it is stand those that small budgets leave, and others that were
tried: fewer tuning seeds, and rates chosen by validation error.

The design was settled on the seeds from 900000; these are others, trained when it stood.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from normkit.data import Dataset
from normkit.study import Study
from normkit.study.claims import claims
from normkit.study.claims.overfitting import reduced
from normkit.study.context import Context
from normkit.study.engine import Engine, Failure, Task
from normkit.study.ladder import ladder
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.store import Store
from normkit.study.tuning import Recipe, by_error

RESULTS = Path(__file__).parent / "results" / "resampling.json"

SEED, TRIALS = 905, 64
"""Of the studies that are never run, and how many trials of each arm at each rate."""
TUNING = 24
"""How many of the trials tuning draws from; judged are the others only."""

RATES = {
    "none": (0.001, 0.003, 0.01, 0.03, 0.1),
    "batch": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
BASE_RATES = {"none": (0.01, 0.03), "batch": (0.03, 0.1)}
"""Where the search begins: what studies find on all images, one or the other."""

BASE = "base rate"

WORLDS = {
    "batch against none": ("none", "batch"),
    "none against itself": ("none", "none"),
    "batch against itself": ("batch", "batch"),
}


@dataclass(frozen=True)
class Design:
    """How a study measures the gap."""

    pairs: int
    tuning_seeds: int
    by: str = "loss"
    """What is lowest in validation at the best rate: the loss, or the error; or the base rate."""

    def plan(self, full: Plan) -> Plan:
        if self.pairs > len(full.gap_seeds) or self.tuning_seeds > len(full.reduced_tuning_seeds):
            raise ValueError(f"a study has fewer seeds than {self}")
        return replace(
            full,
            gap_seeds=full.gap_seeds[: self.pairs],
            reduced_tuning_seeds=full.reduced_tuning_seeds[: self.tuning_seeds],
            penalties=(),
            rate_for_reduced_images=self.by != BASE,
        )

    @contextmanager
    def score(self) -> Iterator[None]:
        """Tune by the error within the block, if the design does."""
        if self.by == "error":
            with mock.patch.object(reduced, "by_loss", by_error):
                yield
        else:
            yield


TRIED = (Design(32, 8, "error"), Design(16, 4), Design(16, 4, "error"))
"""What no study does."""


def designs(full: Plan) -> list[Design]:
    """What a study does, and what smaller budgets leave of it; then what was tried.

    Those with fewer steps are left out: the trials have been made with all.
    """
    left = [
        Design(
            len(plan.gap_seeds),
            len(plan.reduced_tuning_seeds),
            "loss" if plan.rate_for_reduced_images else BASE,
        )
        for plan in ladder(full)
        if plan.reduced_steps == full.reduced_steps
    ]
    return [*dict.fromkeys(left), *TRIED]


Trials = dict[tuple[str, float], list[Record]]
"""Of each arm at each rate, one for each seed."""


@dataclass(frozen=True)
class Resampled:
    """A source of trials that hands out real ones, drawn anew for every study."""

    trials: Trials
    arms: Mapping[str, str]
    """The arm that stands for each norm."""
    study: int
    tuning_seeds: frozenset[int]

    def base_rate(self, norm: str) -> float:
        """Where the search for the norm's rate begins."""
        return Random(f"{self.study} {norm}").choice(BASE_RATES[self.arms[norm]])

    def find(self, task: Task) -> Record | None:
        """A trial of the same arm and rate; None at a rate that was not run."""
        spec = task.spec
        arm = self.arms[spec.norm]
        # A seed has its own trial at every rate, and in both arms: except against itself, where
        # the arms would be one.
        alone = spec.norm if self.arms["none"] == self.arms["batch"] else ""
        tuning = spec.seed in self.tuning_seeds
        drawn = Random(f"{self.study} {spec.seed} {alone}").choice(
            range(TUNING) if tuning else range(TUNING, TRIALS)
        )
        found = self.trials.get((arm, spec.rate))
        return found[drawn] if found else None


@dataclass
class OnDigits(Context):
    """A study whose tuning on all images found what it finds on digits."""

    source: Resampled

    @cached_property
    def recipe(self) -> Recipe:
        return Recipe(
            found=True,
            learned=True,
            init="he",
            depth=self.plan.prototype.depth,
            rates={norm: self.source.base_rate(norm) for norm in self.source.arms},
            at_edge=(),
            threshold=0.5,
            target=0.9,
        )


def full_plan(workers: int | None) -> tuple[Plan, Dataset]:
    """The default study's plan for this claim, nothing cut."""
    study = Study(
        norms=["batch"], claims=["overfitting"], seed=SEED, budget=24 * 60, workers=workers
    )
    data = study.prepare()
    return study.outline(data).plan, data


def specs(plan: Plan) -> Iterator[TrialSpec]:
    """All trials to resample from."""
    for seed in range(1000 * SEED, 1000 * SEED + TRIALS):
        for norm, rates in RATES.items():
            for rate in rates:
                yield plan.trial(norm, seed, rate).but(
                    init="he", images=plan.reduced_images, steps=plan.reduced_steps, test="curve"
                )


def train(store: Store, plan: Plan, data: Dataset, workers: int | None) -> None:
    """Run the trials that are not in the folder yet."""
    missing = [Task(spec) for spec in specs(plan) if store.load(spec) is None]
    with store.locked(), Engine(data.folder, workers or 1) as engine:
        for done, (task, answer) in enumerate(engine.run(missing), 1):
            if isinstance(answer, Failure):
                raise RuntimeError(f"a trial failed: {task.spec}: {answer.reason}")
            store.save(answer, ())
            if done % 50 == 0 or done == len(missing):
                print(f"{done} of {len(missing)} trials", flush=True)


@cache
def loaded(folder: Path, plan: Plan) -> Trials:
    """The trials in the folder; once in every process."""
    trials: Trials = defaultdict(list)
    store = Store(folder)
    for spec in specs(plan):
        found = store.load(spec)
        if found is None:
            raise RuntimeError(f"{folder} lacks a trial: {spec}")
        trials[spec.norm, spec.rate].append(found[0])
    return dict(trials)


def rates(folder: Path, plan: Plan, world: str, design: Design, studies: range) -> Counter[str]:
    """How often each outcome came in these studies."""
    none, batch = WORLDS[world]
    arms = {"none": none, "batch": batch}
    judged = design.plan(plan)
    outcomes: Counter[str] = Counter()
    with design.score():
        for study in studies:
            source = Resampled(
                loaded(folder, plan), arms, study, frozenset(plan.reduced_tuning_seeds)
            )
            context = OnDigits(judged, source)
            [verdict] = claims()["overfitting"].judge(context).verdicts
            outcomes[verdict.outcome] += 1
    return outcomes


def main() -> None:
    """Train what is missing, resample, print the table and, if asked, keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    plan, data = full_plan(options.workers)
    train(Store(options.folder), plan, data, options.workers)
    chunks = [range(first, options.studies, 10) for first in range(10)]
    rows: list[dict[str, Any]] = []
    print(f"{'rate by':9}{'pairs':>6}{'tuning':>8}  {'world':22}{'supp.':>7}{'ref.':>7}{'inc.':>7}")
    with ProcessPoolExecutor(options.workers) as pool:
        for design in designs(plan):
            for world in WORLDS:
                asked = [(options.folder, plan, world, design, chunk) for chunk in chunks]
                counts = sum(pool.map(rates, *zip(*asked, strict=True)), Counter[str]())
                row = {
                    "rate_by": design.by,
                    "pairs": design.pairs,
                    "tuning_seeds": design.tuning_seeds,
                    "world": world,
                    "studies": options.studies,
                    **{
                        outcome: counts[outcome] / options.studies
                        for outcome in ("supported", "refuted", "inconclusive")
                    },
                }
                rows.append(row)
                print(
                    f"{design.by:9}{design.pairs:6}{design.tuning_seeds:8}  {world:22}"
                    f"{row['supported']:7.1%}{row['refuted']:7.1%}{row['inconclusive']:7.1%}",
                    flush=True,
                )
    if options.write:
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
