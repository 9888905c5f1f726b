"""Whoever reads a report finds out which trials failed, and why."""

from __future__ import annotations

from collections.abc import Callable

from normkit.study.engine import Failure, Task
from normkit.study.failures import told
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]
TIME = (
    "the trial took longer than the {} s that it may take, and was stopped: if it is only slow, "
    "give it more with --trial-seconds"
)


def test_trials_of_an_arm_that_fail_for_one_reason_are_told_together(trial: Trial) -> None:
    failures = [
        Failure(Task(trial(norm=norm, seed=seed, rate=0.1)), f"no luck at {seed}")
        for norm in ("batch", "group")
        for seed in (0, 1)
    ]
    batch, group = told(failures, [])
    assert batch["en"] == (
        "2 trials of `batch` failed (seeds 0, 1; learning rate 0.1): no luck at 1"
    )
    assert batch["zh"] == "`batch` 的 2 次试验出错（随机种子 0、1；学习率 0.1）：no luck at 1"
    assert "`group`" in group["en"]


def test_what_the_engine_says_is_told_in_chinese_too(trial: Trial) -> None:
    [line] = told([Failure(Task(trial()), TIME.format("7.5"), stopped=True)], [])
    assert line["en"].startswith("1 trial of ")
    assert "超过允许的 7.5 秒" in line["zh"]


def test_one_reason_with_other_numbers_is_one(trial: Trial) -> None:
    failures = [Failure(Task(trial(seed=s)), TIME.format(s)) for s in range(9)]
    [line] = told(failures, [])
    assert line["en"].startswith("9 trials of ")
    assert "seeds 0, …, 8;" in line["en"]


def test_errors_of_other_lines_are_told_apart(trial: Trial) -> None:
    failures = [Failure(Task(trial(seed=s)), f"IndexError: {s} (nets.py:{s})") for s in (1, 2)]
    assert len(told(failures, [])) == 2


def test_a_trial_of_several_arms_names_them(trial: Trial) -> None:
    [line] = told([Failure(Task(trial(kind="cost", arms=("none", "batch"))), "no")], [])
    assert "of `none`, `batch` failed" in line["en"]


def test_what_a_probe_could_not_measure_is_told_though_its_trial_is_kept(trial: Trial) -> None:
    record = Record(trial(norm="batch"), "ok", [], {}, {}, unmeasured={"lesson": "IndexError: 4"})
    [line] = told([], [record])
    assert "What `lesson` measures could not be measured in 1 trial of `batch`" in line["en"]
    assert line["en"].endswith(": IndexError: 4")
    assert "无法测量 `lesson`" in line["zh"]
