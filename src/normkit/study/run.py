"""The main job: from a question to a folder of trials, verdicts and a report."""

from __future__ import annotations

import math
import os
import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

from normkit import models
from normkit.data import Dataset, prepare
from normkit.functional.names import unknown_name
from normkit.nn.catalogue import catalogue
from normkit.study import result
from normkit.study.bilingual import Text, text
from normkit.study.claims import choose
from normkit.study.context import Context
from normkit.study.engine import Engine
from normkit.study.events import Event, Watch, unwatched
from normkit.study.ladder import BUDGETS, fit, ladder
from normkit.study.plan import Plan
from normkit.study.plan import to_dict as plan_to_dict
from normkit.study.progress import Outline, Progress
from normkit.study.rehearsal import estimate, measure_pace, rehearse
from normkit.study.result import StudyResult
from normkit.study.spec import TrialSpec, code_version
from normkit.study.store import STUDY, Store
from normkit.study.train import build, training_indices

SEEDS, EXPLORATORY_SEEDS, TUNING_SEEDS = 8, 3, 4
GAP_SEEDS, REDUCED_TUNING_SEEDS = 32, 8
"""More where over-fitting is judged, since the gap varies more between seeds than anything else:
with these, nine of ten studies resampled from real trials on digits see that batch norm's is
smaller (`benchmarks/resampling.py`)."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Measures what each normalization does for a CNN on real images, claim by claim.

    Args:
        data: "digits" (nothing is downloaded), "folder:PATH" or "npz:PATH".
        model: a built-in model's name.
        norms: catalogue names to compare with "none"; "batch", or the first if it is not among
            them, is the headline norm.
        claims: names of claims; all of them unless given.
        budget: "quick", "standard", or minutes. What does not fit is dropped, and told.
        steps: training steps of a trial.
        batch: images per step.
        depth: layers of the model; its own default unless given.
        width: channels of the model; its own default unless given.
        seed: repetitions with another seed train other networks on other batches; the split of the
            data is the same.
        image_size: side to which all images are resized.
        limit: use a stratified subset of this many images.
        skip_bad: leave out files that are no images, instead of stopping.
        workers: processes, one thread each; one per processor unless given.
        device: "cpu" or "cuda".

    Raises:
        ValueError: a name is unknown, or a number is out of range.

    Example:
        >>> study = Study(norms=["batch"], claims=["standardise"], budget="quick")
        >>> study.headline
        'batch'
    """

    data: str = "digits"
    model: str = "plain"
    norms: Sequence[str] = ("batch", "layer", "instance", "group")
    claims: Sequence[str] | None = None
    budget: Literal["quick", "standard"] | float = "standard"
    steps: int = 200
    batch: int = 32
    depth: int | None = None
    width: int | None = None
    seed: int = 0
    image_size: int | None = None
    limit: int | None = None
    skip_bad: bool = False
    workers: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, names in (("norms", self.norms), ("claims", self.claims)):
            if isinstance(names, str):
                raise ValueError(f"{name} is a list of names; got {names!r}: write [{names!r}]")
        for norm in self.norms:
            if norm not in catalogue():
                raise ValueError(unknown_name("norm", norm, catalogue()))
        if not [norm for norm in self.norms if norm != "none"]:
            raise ValueError("a study compares norms with none; give at least one, such as batch")
        if self.model not in models.MODELS:
            raise ValueError(unknown_name("model", self.model, models.MODELS))
        choose(tuple(self.claims) if self.claims else None)
        if isinstance(self.budget, str) and self.budget not in BUDGETS:
            raise ValueError(
                f"a budget is {', '.join(BUDGETS)}, or a number of minutes; got {self.budget!r}"
            )
        for name, value, least in (
            ("budget", self.budget_seconds, 1e-9),
            ("steps", self.steps, 10),
            ("batch", self.batch, 2),
            ("seed", self.seed, 0),
            ("depth", self.depth, 1),
            ("width", self.width, 1),
            ("workers", self.workers, 1),
        ):
            if value is None:
                continue
            if not math.isfinite(value) or (name != "budget" and value != int(value)):
                kind = "number of minutes" if name == "budget" else "whole number"
                raise ValueError(f"{name} must be a {kind}; got {value!r}")
            if value < least:
                rule = "more than 0" if name == "budget" else f"at least {least:g}"
                raise ValueError(f"{name} must be {rule}; got {getattr(self, name)!r}")
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"device must be cpu or cuda; got {self.device!r}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is cuda, but PyTorch sees no GPU here: use device cpu")

    @property
    def headline(self) -> str:
        """The norm whose verdicts are confirmatory."""
        return next(n for n in ("batch", *self.norms) if n in self.norms and n != "none")

    @property
    def budget_seconds(self) -> float:
        """Seconds of training that the budget allows."""
        minutes = BUDGETS[self.budget] if isinstance(self.budget, str) else self.budget
        return 60.0 * minutes

    @property
    def worker_count(self) -> int:
        """Processes that train at the same time."""
        return self.workers or _processors()

    def prepare(self, watch: Watch = unwatched) -> Dataset:
        """Decode the data, or open them from the cache."""

        def tell(done: int, total: int) -> None:
            watch(Event("data", done, total))

        return prepare(
            self.data,
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
        plans = ladder(self._full_plan(data))
        with Engine(data.folder, self.worker_count) as engine:
            return self._outline(plans, data, engine, level)

    def _outline(
        self, plans: Sequence[Plan], data: Dataset, engine: Engine, level: int | None
    ) -> Outline:
        workers = self.worker_count
        pace = measure_pace(plans[0], engine, workers)

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
        started, clock = datetime.now(UTC), time.perf_counter()
        store = Store(Path(out))
        with store.locked():
            data = self.prepare(watch)
            plans = ladder(self._full_plan(data))
            with Engine(data.folder, self.worker_count) as engine:
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
                        "cpu": _processor(),
                        "cores": _processors(),
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
                },
                data,
                self._model(progress.context, data),
            )
            store.write_json("results.json", document)
        watch(Event("done", progress.done, progress.done, 0.0))
        return StudyResult(document, store.folder)

    def command(self) -> str:
        """The command that repeats this study."""
        words = ["normkit study"]
        for name, value in self.settings().items():
            default = type(self).__dataclass_fields__[name].default
            if value != (list(default) if isinstance(default, tuple) else default):
                shown = shlex.quote(",".join(value) if isinstance(value, list) else str(value))
                flag = "--" + name.replace("_", "-")
                words.append(flag if value is True else f"{flag} {shown}")
        return " ".join(words)

    def settings(self) -> dict[str, Any]:
        """All arguments, as plain JSON values."""
        values = {name: getattr(self, name) for name in type(self).__dataclass_fields__}
        return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in values.items()}

    def _full_plan(self, data: Dataset) -> Plan:
        defaults = models.defaults(self.model)
        first = 1000 * self.seed
        _, labels = data.tensors()
        prototype = TrialSpec(
            data=data.fingerprint,
            model=self.model,
            norm="none",
            seed=first,
            rate=0.0,
            steps=self.steps,
            batch=self.batch,
            depth=self.depth or defaults.get("depth"),
            width=self.width or defaults.get("width"),
            device=self.device,
        )
        training_indices(prototype, data)  # Raises if there are too few images.
        depth = prototype.depth or 8
        norms, left_out = self._buildable(prototype, data)
        return Plan(
            prototype=prototype,
            classes=len(data.classes),
            chance=float(torch.bincount(labels[data.train]).max()) / len(data.train),
            norms=("none", *norms),
            headline=self.headline,
            dropped=tuple(left_out),
            claims=choose(tuple(self.claims) if self.claims else None),
            seeds=tuple(range(first, first + SEEDS)),
            exploratory_seeds=tuple(range(first, first + EXPLORATORY_SEEDS)),
            tuning_seeds=tuple(range(first + 500, first + 500 + TUNING_SEEDS)),
            exploratory_tuning_seeds=tuple(range(first + 500, first + 500 + TUNING_SEEDS)),
            gap_seeds=tuple(range(first, first + GAP_SEEDS)),
            reduced_tuning_seeds=tuple(range(first + 500, first + 500 + REDUCED_TUNING_SEEDS)),
            reduced_images=_reduced(self.batch, 2 * self.steps, len(data.train)),
            reduced_steps=2 * self.steps,
            placements=("after", "before_and_linear") if self.model == "vgg" else ("after",),
            depths=(depth, 2 * depth, 4 * depth),
        )

    def _buildable(self, prototype: TrialSpec, data: Dataset) -> tuple[list[str], list[Text]]:
        """The norms that the model can be built with, and why the others are left out."""
        norms: list[str] = []
        left_out: list[Text] = []
        for norm in dict.fromkeys(n for n in self.norms if n != "none"):
            try:
                with torch.random.fork_rng(devices=[]):
                    build(prototype.but(norm=norm, device="cpu"), data)
            except ValueError as error:
                if norm == self.headline:
                    raise
                left_out.append(
                    text(
                        f"`{norm}` was left out: {error}",
                        f"`{norm}` 未参加，因为模型无法使用它：{error}",
                    )
                )
            else:
                norms.append(norm)
        return norms, left_out

    def _outline_in(
        self, store: Store, plans: Sequence[Plan], data: Dataset, engine: Engine
    ) -> Outline:
        """The outline of a study in its folder: the one it was started with, if it goes on."""
        identity = {
            "settings": {k: v for k, v in self.settings().items() if k != "workers"},
            "code": code_version(),
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

    def _model(self, context: Context, data: Dataset) -> dict[str, Any]:
        prototype = context.plan.prototype
        with torch.random.fork_rng(devices=[]):
            network = build(prototype.but(device="cpu"), data)
        return {
            "name": self.model,
            "depth": context.recipe.depth,
            "width": prototype.width,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "description": models_described(self.model),
        }


def _reduced(batch: int, steps: int, images: int) -> int:
    """Images few enough to be fitted: a ninth of all, and each seen a hundred times in training."""
    return max(batch, min(images // 9, steps * batch // 100))


def models_described(name: str) -> Text:
    """One line on a built-in model."""
    chinese = {
        "plain": "普通深层网络：等宽的 3×3 卷积，没有捷径连接",
        "vgg": "仿 VGG：逐级加宽的 3×3 卷积与最大池化，一个全连接隐藏层",
        "residual": "仿 ResNet：两个 3×3 卷积为一单元，外加捷径连接",
        "mlp": "多层感知机：等宽的全连接层，没有卷积",
    }
    return text(models.MODELS[name], chinese[name])


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
