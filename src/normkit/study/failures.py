"""What failed in a study, as its report tells it: which trials, of which arm, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable

from normkit.study.bilingual import Text, text
from normkit.study.engine import Failure
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

MOST = 8
"""So many seeds or rates are told one by one, and no more."""

CHINESE = (
    (
        r"the trial took longer than the (\S+) s that it may take, and was stopped: .*",
        "耗时超过允许的 {0} 秒，已被中止；若只是较慢，可用 --trial-seconds 放宽",
    ),
    (
        r"the trial took more memory than the (.+) that its process may use, and was stopped: .*",
        "所用内存超过进程允许的 {0}，已被中止：请检查每一步之后保留了什么，或减少进程数、减小批量",
    ),
    (
        r"the trial's process ended without an answer \((.+)\); .*",
        "进程未返回结果即已结束（{0}），通常是内存不足：请减少进程数或减小批量",
    ),
    (
        r"not run, since every trial of `(.+)` before it was stopped",
        "未运行，因为此前 `{0}` 的每次试验都被中止",
    ),
)
"""What the engine says of a trial that it ended, and the same in Chinese."""


def told(failures: Iterable[Failure], records: Iterable[Record]) -> list[Text]:
    """One line per arm and reason, the arm's trials by their seeds and rates.

    Args:
        failures: trials that gave no result.
        records: trials that did; what a probe could not measure in them is told too.
    """
    lines = [
        text(
            f"{_count(specs)} of {arms} failed ({_which(specs)}): {reason}",
            f"{arms} 的 {len(specs)} 次试验出错（{_which_in_chinese(specs)}）："
            f"{in_chinese(reason)}",
        )
        for (arms, reason), specs in _grouped(
            (failure.task.spec, failure.reason) for failure in failures
        ).items()
    ]
    unmeasured: dict[str, list[tuple[TrialSpec, str]]] = {}
    for record in records:
        for probe, reason in record.unmeasured.items():
            unmeasured.setdefault(probe, []).append((record.spec, reason))
    return lines + [
        text(
            f"What `{probe}` measures could not be measured in {_count(specs)} of {arms} "
            f"({_which(specs)}): {reason}",
            f"{arms} 的 {len(specs)} 次试验（{_which_in_chinese(specs)}）中无法测量 `{probe}`："
            f"{in_chinese(reason)}",
        )
        for probe, found in unmeasured.items()
        for (arms, reason), specs in _grouped(found).items()
    ]


def in_chinese(reason: str) -> str:
    """A reason in Chinese, if it is one of those known; else as it is: what user code raised."""
    for pattern, chinese in CHINESE:
        if found := re.fullmatch(pattern, reason):
            return chinese.format(*found.groups())
    return reason


def _grouped(
    found: Iterable[tuple[TrialSpec, str]],
) -> dict[tuple[str, str], list[TrialSpec]]:
    """Trials by arm and reason; one reason whatever the numbers in it, the last being told.

    The line of code that it came from, which stands last and in brackets, is no such number.
    """
    groups: dict[tuple[str, str], tuple[str, list[TrialSpec]]] = {}
    for spec, reason in found:
        arms = ", ".join(f"`{norm}`" for norm in spec.arms or (spec.norm,))
        key = arms, re.sub(r"\d[\d.]*(?![^(]*\)$)", "#", reason)
        _, specs = groups.get(key, (reason, []))
        groups[key] = reason, [*specs, spec]
    return {(arms, reason): specs for (arms, _), (reason, specs) in groups.items()}


def _count(specs: list[TrialSpec]) -> str:
    return "1 trial" if len(specs) == 1 else f"{len(specs)} trials"


def _which(specs: list[TrialSpec]) -> str:
    seeds, rates = _values(specs)
    some_seeds, some_rates = ("s" * (", " in values) for values in (seeds, rates))
    return f"seed{some_seeds} {seeds}; learning rate{some_rates} {rates}"


def _which_in_chinese(specs: list[TrialSpec]) -> str:
    seeds, rates = (values.replace(", ", "、") for values in _values(specs))
    return f"随机种子 {seeds}；学习率 {rates}"


def _values(specs: list[TrialSpec]) -> tuple[str, str]:
    seeds, rates = ({s.seed for s in specs}, {s.rate for s in specs})
    return _listed([str(seed) for seed in sorted(seeds)]), _listed(
        [f"{rate:g}" for rate in sorted(rates)]
    )


def _listed(values: list[str]) -> str:
    """All of a few, or the first and the last of many."""
    return ", ".join(values) if len(values) <= MOST else f"{values[0]}, …, {values[-1]}"
