"""The main job: from a question to a folder of trials, verdicts and a report."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from normkit import models
from normkit.data import Dataset, prepare
from normkit.machine import processor, processors
from normkit.study import arguments, result
from normkit.study.arms import is_headline
from normkit.study.bilingual import text
from normkit.study.claims import choose
from normkit.study.claims.batch_size import sgd_batch
from normkit.study.code import code_digest
from normkit.study.context import Context
from normkit.study.engine import Engine
from normkit.study.events import Event, Watch, unwatched
from normkit.study.ladder import BUDGETS, fit, ladder
from normkit.study.loading import source_of
from normkit.study.optimizer import OPTIMIZERS
from normkit.study.plan import Plan
from normkit.study.plan import to_dict as plan_to_dict
from normkit.study.progress import Outline, Progress
from normkit.study.rehearsal import estimate, measure_pace, rehearse
from normkit.study.result import StudyResult
from normkit.study.spec import TrialSpec, code_version
from normkit.study.store import STUDY, Store
from normkit.study.subject import Subject, described, examine, suited
from normkit.study.train import training_indices
from normkit.user_code import is_spec, refuse_while_loading

SEEDS, EXPLORATORY_SEEDS, TUNING_SEEDS = 8, 3, 4
GAP_SEEDS, REDUCED_TUNING_SEEDS = 32, 8
"""More where over-fitting is judged, since the gap varies more between seeds than anything else:
with these, nine of ten studies resampled from real trials on digits see that batch norm's is
smaller (`benchmarks/resampling.py`)."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Measures what each normalization does for a CNN on real images, claim by claim.

    Args:
        data: "digits" (nothing is downloaded), "folder:PATH", "npz:PATH", or a function of yours
            that returns `(x, y)`, or `((x, y), (x, y))` for training and test, and after them,
            where wanted, `augment(images)`: itself, or as "package.module:name" or
            "file.py:name".
        model: a built-in model's name, or a function or class of yours that makes the network,
            given in the same ways. It is called with as many of `num_classes, in_channels, norm`
            as it accepts; `norm(channels, dims=2)` returns a layer.
        norms: catalogue names to compare with "none", and names of rivals without norm; "batch",
            or the first norm if it is not among them, is the headline norm.
        claims: names of claims; all of them unless given.
        budget: "quick", "standard", or minutes. What does not fit is dropped, and told.
        steps: training steps of a trial.
        batch: images per step.
        optimizer: "sgd" (momentum 0.9) or "adamw"; no weight decay with either.
        schedule: "constant", or "cosine": the rate falls to zero at the last step.
        depth: layers of a built-in model; its own default unless given.
        width: channels of a built-in model; its own default unless given.
        seed: repetitions with another seed train other networks on other batches; the split of the
            data is the same.
        image_size: side to which all images are resized.
        limit: use a stratified subset of this many images.
        skip_bad: leave out files that are no images, instead of stopping.
        workers: processes, one thread each; one per processor unless given.
        trial_seconds: after so long a trial is stopped, and counts as failed; twenty times its
            estimated time, and at least a minute, unless given.
        device: "cpu" or "cuda".

    Raises:
        ValueError: a name is unknown, a number is out of range, or a function cannot be found again
            by name.

    Example:
        >>> study = Study(norms=["batch"], claims=["standardise"], budget="quick")
        >>> study.headline
        'batch'
    """

    data: str | Callable[[], Any] = "digits"
    model: str | Callable[..., nn.Module] = "plain"
    norms: Sequence[str] = ("batch", "layer", "instance", "group")
    claims: Sequence[str] | None = None
    budget: Literal["quick", "standard"] | float = "standard"
    steps: int = 200
    batch: int = 32
    optimizer: str = "sgd"
    schedule: str = "constant"
    depth: int | None = None
    width: int | None = None
    seed: int = 0
    image_size: int | None = None
    limit: int | None = None
    skip_bad: bool = False
    workers: int | None = None
    trial_seconds: float | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        # What is given as a function is kept as its name: by that a worker finds it again.
        for name in ("data", "model"):
            object.__setattr__(self, name, arguments.named(getattr(self, name)))
        arguments.check(self)

    @property
    def data_spec(self) -> str:
        """What the data are, in words that another process understands."""
        return arguments.named(self.data)

    @property
    def model_spec(self) -> str:
        """What the network is, in words that another process understands."""
        return arguments.named(self.model)

    @property
    def headline(self) -> str:
        """The norm whose verdicts are confirmatory."""
        norms = [norm for norm in self.norms if is_headline(norm)]
        return "batch" if "batch" in norms else norms[0]

    @property
    def budget_seconds(self) -> float:
        """Seconds of training that the budget allows."""
        minutes = BUDGETS[self.budget] if isinstance(self.budget, str) else self.budget
        return 60.0 * minutes

    @property
    def worker_count(self) -> int:
        """Processes that train at the same time."""
        return self.workers or processors()

    def prepare(self, watch: Watch = unwatched) -> Dataset:
        """Decode the data, or open them from the cache."""

        def tell(done: int, total: int) -> None:
            watch(Event("data", done, total))

        refuse_while_loading("a study")
        return prepare(
            self.data_spec,
            image_size=self.image_size,
            limit=self.limit,
            skip_bad=self.skip_bad,
            progress=tell,
        )

    def outline(self, data: Dataset, level: int | None = None) -> Outline:
        """Cost the plan and fit it to the budget; or take the given level of the ladder.

        Raises:
            ValueError: the model cannot be built for these data, or they hold too few images.
            WorkerError: no worker process can be started.
        """
        with Engine(data.folder, self.worker_count) as engine:
            plans, _ = self._plans(data, engine)
            return self._outline(plans, data, engine, level)

    def _outline(
        self, plans: Sequence[Plan], data: Dataset, engine: Engine, level: int | None
    ) -> Outline:
        workers = self.worker_count
        least = arguments.least_seconds(self, data)
        pace = measure_pace(plans[0], engine, workers, least)

        def cost(plan: Plan) -> float:
            return estimate(plan, pace, data, workers)

        if level is None:
            level = fit(plans, cost, self.budget_seconds)
        return Outline(
            plan=plans[level],
            level=level,
            trials=len(rehearse(plans[level])),
            seconds=cost(plans[level]),
            budget_seconds=self.budget_seconds,
            workers=workers,
            pace=pace,
            trial_seconds=self.trial_seconds,
            least_seconds=least,
        )

    def run(self, out: Path | str, watch: Watch = unwatched) -> StudyResult:
        """Run the study, or go on with it where it stopped.

        Args:
            out: the study's folder. Trials that are there and still valid do not run again.
            watch: called with every :class:`~normkit.study.events.Event`.

        Returns:
            The results, which are also written to the folder.

        Raises:
            DataError: the data cannot be used.
            ValueError: the model cannot be built for these data, or they hold too few images.
            StoreError: the folder cannot be used, or the disk is full; finished trials are kept.
            WorkerError: no worker process can be started.
        """
        refuse_while_loading("a study")
        started, clock = datetime.now(UTC), time.perf_counter()
        code = code_digest()  # Before it can be changed under a study that runs.
        store = Store(Path(out))
        with store.locked():
            data = self.prepare(watch)
            with Engine(data.folder, self.worker_count) as engine:
                plans, subject = self._plans(data, engine)
                outline = self._outline_in(store, plans, data, engine)
                watch(Event("plan", 0, outline.trials, outline.seconds))
                progress = Progress(store, data, outline, watch)
                findings, table = progress.complete(engine)
            document = result.document(
                progress.context,
                findings,
                table,
                {
                    "machine": {
                        "cpu": processor(),
                        "cores": processors(),
                        "workers": outline.workers,
                        "device": self.device,
                    },
                    "started": started.isoformat(timespec="seconds"),
                    "seconds": time.perf_counter() - clock,
                    "complete": not progress.failures,
                    "trials": progress.counts(),
                    "budget": str(self.budget),
                    "failures": progress.told_failures(),
                    "command": self.command(),
                    "code": code,
                },
                data,
                self._model(progress.context, subject),
            )
            store.write_json("results.json", document)
        watch(Event("done", progress.done, progress.done, 0.0))
        return StudyResult(document, store.folder)

    def command(self) -> str:
        """The command that repeats this study."""
        words = ["normkit study"]
        for name, value in self.chosen().items():
            shown = shlex.quote(",".join(value) if isinstance(value, list) else str(value))
            flag = "--" + name.replace("_", "-")
            words.append(flag if value is True else f"{flag} {shown}")
        return " ".join(words)

    def chosen(self) -> dict[str, Any]:
        """The arguments that are not the defaults, as plain JSON values."""
        defaults = _plain({name: f.default for name, f in type(self).__dataclass_fields__.items()})
        return {name: v for name, v in self.settings().items() if v != defaults[name]}

    def settings(self) -> dict[str, Any]:
        """All arguments, as plain JSON values."""
        return _plain({name: getattr(self, name) for name in type(self).__dataclass_fields__})

    def _plans(self, data: Dataset, engine: Engine) -> tuple[list[Plan], Subject]:
        """The full plan and what each cut leaves of it, and what was found of the network."""
        prototype = self._prototype(data)
        training_indices(prototype, data)  # Raises if there are too few images.
        norms = tuple(dict.fromkeys(norm for norm in self.norms if norm != "none"))
        seconds = arguments.least_seconds(self, data)
        subject = examine(prototype, norms, self.headline, data, engine, seconds)
        return ladder(self._full_plan(data, prototype, subject)), subject

    def _prototype(self, data: Dataset) -> TrialSpec:
        builtin = not is_spec(self.model_spec)
        defaults = models.defaults(self.model_spec) if builtin else {}
        augment = data.spec if data.augmented else ""
        return TrialSpec(
            data=data.fingerprint,
            model=self.model_spec,
            norm="none",
            seed=1000 * self.seed,
            rate=0.0,
            steps=self.steps,
            batch=self.batch,
            optimizer=self.optimizer,
            schedule=self.schedule,
            depth=self.depth or defaults.get("depth"),
            width=self.width or defaults.get("width"),
            augment=augment,
            source=source_of(self.model_spec, augment),
            device=self.device,
        )

    def _full_plan(self, data: Dataset, prototype: TrialSpec, subject: Subject) -> Plan:
        first = prototype.seed
        _, labels = data.tensors()
        depth = prototype.depth or 8
        plan = Plan(
            prototype=prototype,
            classes=len(data.classes),
            chance=float(torch.bincount(labels[data.train]).max()) / len(data.train),
            norms=subject.norms,
            headline=self.headline,
            dropped=subject.left_out,
            claims=choose(tuple(self.claims) if self.claims else None),
            seeds=tuple(range(first, first + SEEDS)),
            exploratory_seeds=tuple(range(first, first + EXPLORATORY_SEEDS)),
            tuning_seeds=tuple(range(first + 500, first + 500 + TUNING_SEEDS)),
            exploratory_tuning_seeds=tuple(range(first + 500, first + 500 + TUNING_SEEDS)),
            gap_seeds=tuple(range(first, first + GAP_SEEDS)),
            reduced_tuning_seeds=tuple(range(first + 500, first + 500 + REDUCED_TUNING_SEEDS)),
            reduced_images=_reduced(self.batch, 2 * self.steps, len(data.train)),
            reduced_steps=2 * self.steps,
            rates=OPTIMIZERS[self.optimizer],
            placements=("after", "before_and_linear") if self.model_spec == "vgg" else ("after",),
            depths=(depth, 2 * depth, 4 * depth),
        )
        return suited(_with_images_enough(plan, len(data.train)), subject)

    def _outline_in(
        self, store: Store, plans: Sequence[Plan], data: Dataset, engine: Engine
    ) -> Outline:
        """The outline of a study in its folder: the one it was started with, if it goes on."""
        identity = {
            "settings": {
                name: value
                for name, value in self.settings().items()
                if name not in ("workers", "trial_seconds")
            },
            "code": code_version(self.device),
            "data": data.fingerprint,
        }
        before = store.read_json(STUDY)
        level = None
        if isinstance(before, dict) and before.get("identity") == identity:
            level = before.get("level")
            if level not in range(len(plans)):
                level = None
        outline = self._outline(plans, data, engine, level)
        store.write_json(
            STUDY,
            {
                "schema": result.SCHEMA,
                "identity": identity,
                "level": outline.level,
                "plan": plan_to_dict(outline.plan),
            },
        )
        return outline

    def _model(self, context: Context, subject: Subject) -> dict[str, Any]:
        return {
            "name": self.model_spec,
            "depth": context.recipe.depth,
            "width": context.plan.prototype.width,
            "parameters": subject.parameters,
            "description": described(self.model_spec, subject),
        }


def _with_images_enough(plan: Plan, images: int) -> Plan:
    """A plan without the claim whose batches are larger than the training images are many."""
    if "batch_size" not in plan.claims or images >= sgd_batch(plan):
        return plan
    told = text(
        f"`batch_size` needs {sgd_batch(plan)} training images, twice a batch; there are {images}.",
        f"“小批量时性能下降”一项需要 {sgd_batch(plan)} 张训练图像（批量的两倍），"
        f"这里只有 {images} 张。",
    )
    claims = tuple(name for name in plan.claims if name != "batch_size")
    return replace(plan, claims=claims, dropped=(*plan.dropped, told))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in values.items()}


def _reduced(batch: int, steps: int, images: int) -> int:
    """Images few enough to be fitted: a ninth of all, and each seen a hundred times in training."""
    return max(batch, min(images // 9, steps * batch // 100))
