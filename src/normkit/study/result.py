"""A finished study: its results document, and what can be made of it."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

import normkit
from normkit.data import Dataset, is_factory
from normkit.study import lesson
from normkit.study.advice import advise
from normkit.study.bilingual import Text, text
from normkit.study.claim import Claim, Finding
from normkit.study.claims import claims
from normkit.study.comparison import StudyComparison
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.store import Store, StoreError
from normkit.study.subject import named
from normkit.study.tuning import Recipe
from normkit.study.verdict import CONFIRMATORY_SEEDS, Verdict, holm
from normkit.user_code import is_spec, short

SCHEMA = 1


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes:
        document: the results, as plain JSON values.
        folder: the study's folder.
    """

    document: dict[str, Any]
    folder: Path

    @classmethod
    def load(cls, folder: Path | str) -> StudyResult:
        """The results of a finished study.

        Raises:
            StoreError: the folder holds no finished study.
        """
        document = Store(Path(folder)).read_json("results.json")
        if isinstance(document, dict) and document.get("schema", SCHEMA) != SCHEMA:
            raise StoreError(
                f"a report needs results of schema {SCHEMA}, got {document['schema']!r} in "
                f"{folder}: they were written by another version of normkit; use that version, or "
                "run the study again"
            )
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise StoreError(
                f"a report needs the results of a finished study; {folder} holds no readable "
                "results.json: run `normkit study --out` with this folder first"
            )
        return cls(document, Path(folder))

    def verdicts(self) -> Iterator[dict[str, Any]]:
        """Every verdict, with the claim it belongs to."""
        for claim in self.document["claims"]:
            for verdict in claim["verdicts"]:
                yield {"claim": claim["id"], **verdict}

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat row per verdict: for a data frame or a CSV file."""
        return [{k: _flat(v) for k, v in verdict.items()} for verdict in self.verdicts()]

    def report(
        self, folder: Path | str | None = None, lang: Literal["en", "zh", "both"] = "both"
    ) -> Path:
        """Write the report, the results as JSON and each figure's numbers as CSV.

        Args:
            folder: where to; the study's own folder unless given.
            lang: "en", "zh", or "both".

        Returns:
            The path of the HTML file.
        """
        from normkit import report

        return report.write(self.document, Path(folder or self.folder), lang)

    def text(self, lang: Literal["en", "zh"] = "en") -> str:
        """The whole report as plain text, as wide as the terminal."""
        from normkit import report

        return report.text(self.document, lang, full=True)

    def compare(self, *others: StudyResult) -> StudyComparison:
        """Set this study beside others: another seed, data set, model or version, say.

        Returns:
            What differs and whether the verdicts agree; its `report()` writes the page.

        Raises:
            ComparisonError: no other study is given, or one came twice.
            ResultsError: the results of one are not whole.
        """
        return StudyComparison.of([self, *others])


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return value["en"]
    return ", ".join(value) if isinstance(value, list) else value


def document(
    context: Context,
    findings: Mapping[str, Finding],
    choices: dict[str, Any],
    about: Mapping[str, Any],
    data: Dataset,
    model: Mapping[str, Any],
) -> dict[str, Any]:
    """The results document of a study whose trials have all run."""
    plan = context.plan
    judged = adjusted(plan, findings)
    on = short(data.spec) if is_factory(data.spec) else data.spec
    return {
        "schema": SCHEMA,
        "title": text(
            f"What normalization does for the {named(plan.prototype.model)} network on {on}",
            f"归一化对 {named(plan.prototype.model)} 网络的作用（数据：{on}）",
        )
        if "none" in plan.norms
        else text(
            f"The {named(plan.prototype.model)} network as it is, on {on}",
            f"{named(plan.prototype.model)} 网络的原样实验（数据：{on}）",
        ),
        "normkit": normkit.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        **about,
        **({"source": plan.prototype.source} if plan.prototype.source else {}),
        "dropped": list(plan.dropped),
        "data": {
            "spec": data.spec,
            "fingerprint": data.fingerprint,
            "augmented": data.augmented,
            "classes": list(data.classes),
            "channels": data.channels,
            "image_size": list(data.image_size),
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
            "skipped": [list(item) for item in data.skipped],
            "notes": [
                *(text(note, in_chinese(note)) for note in data.notes),
                *([AUGMENTED] if data.augmented else []),
            ],
        },
        "model": dict(model),
        "recipe": _recipe(plan, context.recipe),
        "choices": choices,
        # A network that is studied as it is leaves no choice to advise on.
        **({"advice": advise(context, judged)} if "none" in plan.norms else {}),
        "lesson": lesson.tell(context, data),
        "claims": [_claim(plan, name, judged[name], findings[name]) for name in judged],
    }


def adjusted(plan: Plan, findings: Mapping[str, Finding]) -> dict[str, list[Verdict]]:
    """All verdicts, Holm's procedure applied to the headline ones."""
    judged = {name: list(finding.verdicts) for name, finding in findings.items()}
    # One verdict of each headline claim: its first.
    family = [
        (name, index)
        for name, verdicts in judged.items()
        if claims()[name].headline
        for index in [_first(plan, verdicts)]
        if index is not None
    ]
    for (name, index), verdict in zip(
        family, holm([judged[name][index] for name, index in family]), strict=True
    ):
        judged[name][index] = verdict
    for name, verdicts in judged.items():
        judged[name] = [
            v
            if (name, i) in family and v.effect.seeds >= CONFIRMATORY_SEEDS
            # Only the three headline verdicts, on enough seeds, are confirmatory.
            else replace(v, exploratory=True)
            for i, v in enumerate(verdicts)
        ]
    return judged


AUGMENTED = text(
    "Training images go through the augmentation of the data factory, the same draws for every "
    "norm; validation and test images do not.",
    "训练图像经过数据工厂函数给出的数据增强，各方法的随机抽取相同；验证与测试图像不经过。",
)

DATA_NOTES = (
    (r"In (\d+) of (\d+) images transparency is dropped\.", "{1} 张图像中有 {0} 张丢弃了透明度。"),
    (
        r"In (\d+) of (\d+) images only the first frame is used\.",
        "{1} 张图像中有 {0} 张只取第一帧。",
    ),
    (
        r"(\d+) of (\d+) images are grey; all were converted to RGB\.",
        "{1} 张图像中有 {0} 张为灰度图；全部转换为 RGB。",
    ),
    (
        r"Channel ([\d, ]+) is constant over the training images\.",
        "通道 {0} 在全部训练图像上为常数。",
    ),
)
"""What data are told to have been changed for a study, and the same in Chinese."""


def in_chinese(note: str) -> str:
    """A note on the data in Chinese; as it is, if it is not one of those known."""
    for pattern, chinese in DATA_NOTES:
        if found := re.fullmatch(pattern, note):
            return chinese.format(*found.groups())
    return note


def _first(plan: Plan, verdicts: Sequence[Verdict]) -> int | None:
    """Index of the verdict that answers a claim: its first primary one, for the headline norm."""
    return next((i for i, v in enumerate(verdicts) if v.primary and v.norm == plan.headline), None)


def _claim(plan: Plan, name: str, verdicts: Sequence[Verdict], finding: Finding) -> dict[str, Any]:
    claim = claims()[name]
    index = _first(plan, verdicts)
    first = None if index is None else verdicts[index]
    return {
        "id": claim.id,
        "headline": claim.headline,
        "title": claim.title,
        "textbook": claim.textbook,
        "measured": claim.measured,
        "contested": claim.contested,
        "advice": _to_do(claim, first),
        "verdicts": [verdict.to_dict() for verdict in verdicts],
        "figures": finding.figures,
    }


def _to_do(claim: Claim, first: Verdict | None) -> Text:
    """What to do, by the verdict that answers the claim; or why nothing can be said."""
    if first is None or first.undecided is not None or not math.isfinite(first.effect.value):
        why = (first and first.undecided) or text("it gave no numbers", "没有测得数值")
        return text(
            f"Nothing can be concluded here: {why['en']}.", f"这里无法得出结论：{why['zh']}。"
        )
    small = first.effect.value <= first.delta
    if first.outcome == "inconclusive" and first.lower_bound and small and first.note:
        return text(
            f"This study cannot refute it: {first.note['en']}, so that the effect may be larger "
            "than it could see.",
            f"本实验无法推翻它：{first.note['zh']}，因此真实效应可能大于所能看到的。",
        )
    return claim.advice[first.outcome]


def _recipe(plan: Plan, recipe: Recipe) -> dict[str, Any]:
    prototype = plan.prototype
    return {
        "init": recipe.init,
        "depth": recipe.depth,
        "steps": prototype.steps,
        "batch": prototype.batch,
        "optimizer": prototype.optimizer,
        "schedule": prototype.schedule,
        "momentum": prototype.momentum if prototype.optimizer == "sgd" else None,
        "rates": recipe.rates,
        "seeds": list(plan.seeds),
        "exploratory_seeds": list(plan.exploratory_seeds),
        "tuning_seeds": list(plan.tuning_seeds),
        "gap_seeds": list(plan.gap_seeds),
        "reduced_tuning_seeds": list(plan.reduced_tuning_seeds),
        "seeds_told": plan.seeds_told,
        "threshold": recipe.threshold,
        "target": recipe.target,
        "found": recipe.found,
        "why": _why(plan, recipe),
    }


def _why(plan: Plan, recipe: Recipe) -> Text:
    if "none" not in plan.norms:
        return _why_as_it_is(recipe)
    if not recipe.found:
        return text(
            "In none of the initialisations and depths tried did the network without norm train, "
            "so comparisons with it prove nothing and stay inconclusive.",
            "在尝试过的所有初始化与深度下，无归一化的网络都未能训练成功；与它比较不能说明问题，"
            "因此相关结论为证据不足。",
        )
    own = is_spec(plan.prototype.model)
    default = "the initialisation of its own" if own else "PyTorch's default initialisation"
    chinese = "自身的初始化" if own else " PyTorch 默认初始化"
    if recipe.init == "default":
        return text(
            f"The network without norm trains with {default}, so that is the base recipe.",
            f"无归一化的网络用{chinese}即可训练，因此以它为基准方案。",
        )
    layers = f" and {recipe.depth} layers" if recipe.depth else ""
    layers_chinese = f"、{recipe.depth} 层" if recipe.depth else ""
    return text(
        f"With {default} the network without norm does not train at any rate tried; with "
        f"“{recipe.init}”{layers} it does, so that is the base recipe: a comparator that never "
        "trains proves nothing.",
        f"用{chinese}时，无归一化的网络在所有学习率下都未能训练成功；改用 "
        f"“{recipe.init}”{layers_chinese}后能够训练，因此以它为基准方案："
        "从未训练成功的对照组说明不了任何问题。",
    )


def _why_as_it_is(recipe: Recipe) -> Text:
    if recipe.learned:
        return text(
            "The network is studied as it is, with its own initialisation; its learning rate is "
            "tuned.",
            "模型按原样研究，使用自身的初始化；只调优学习率。",
        )
    return text(
        "The network is studied as it is, with its own initialisation; at none of the learning "
        "rates tried did it train.",
        "模型按原样研究，使用自身的初始化；在尝试过的学习率下均未能训练成功。",
    )
