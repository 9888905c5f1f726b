"""Signs of life: at most ten lines without a terminal, a bar on one."""

from __future__ import annotations

import io

from rich.console import Console

from normkit.cli.progress import LINES, Watcher
from normkit.study.events import Event


def watch(events: list[Event], terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, highlight=False)
    with Watcher(console) as watcher:
        for event in events:
            watcher(event)
    return file.getvalue()


TRIALS = [Event("trial", done, 500, 500.0 - done) for done in range(1, 501)]


def test_prints_ten_lines_of_many_trials() -> None:
    lines = watch(TRIALS, terminal=False).splitlines()
    assert len(lines) == LINES
    assert lines[0] == "training: 50 of 500 trials, 7 min 30 s left"
    assert lines[-1] == "training: 500 of 500 trials, 0 s left"


def test_tells_the_plan() -> None:
    printed = watch([Event("plan", 0, 12, 62.0)], terminal=False)
    assert printed == "About 12 trials, about 1 min 02 s.\n"


def test_shows_a_bar_on_a_terminal() -> None:
    printed = watch(TRIALS[:100], terminal=True)
    assert "100/500" in printed
    assert "━" in printed or "╸" in printed


def test_events_without_a_total_show_nothing() -> None:
    assert watch([Event("data", 0, 0), Event("done", 0, 0, 0.0)], terminal=False) == ""


def test_the_bar_is_taken_down_if_the_study_raises() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    try:
        with Watcher(console) as watcher:
            watcher(TRIALS[0])
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    # A bar that still ran would hold the console's only live display.
    with Watcher(console):
        pass
