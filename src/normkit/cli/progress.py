"""Signs of life: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from normkit.study.events import Event

LINES = 10
"""How many lines are printed where there is no terminal."""


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(42), duration(185)
    ('42 s', '3 min 05 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Signs:
    """A bar on a terminal, lines elsewhere; a context manager, so that it is always taken down.

    Args:
        console: where they are shown.
        units: what is counted, in the lines.
    """

    def __init__(self, console: Console, units: str) -> None:
        self._console, self._units = console, units
        self._bar: Progress | None = None
        self._row: TaskID | None = None
        self._told = 0
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                refresh_per_second=4,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(
        self, what: str, done: int, total: int, seconds_left: float | None, lines: bool = True
    ) -> None:
        """Show how far it is.

        Args:
            what: what is going on.
            done: how many are done.
            total: of how many.
            seconds_left: until all are.
            lines: whether it is told where there is no terminal.
        """
        left = "" if seconds_left is None else f"{duration(seconds_left)} left"
        if self._bar:
            if self._row is None:
                self._row = self._bar.add_task(what, left=left)
            self._bar.update(self._row, description=what, completed=done, total=total, left=left)
            return
        tenth = LINES * done // total
        if lines and tenth > self._told:
            self._told = tenth
            self._console.print(f"{what}: {done} of {total} {self._units}, {left}")


class Watcher(Signs):
    """Shows a study's events as they come."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "trials")

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "plan" and event.seconds_left is not None:
            self._console.print(
                f"About {event.total} trials, about {duration(event.seconds_left)}."
            )
        if event.kind in ("data", "trial") and event.total:
            what = "reading images" if event.kind == "data" else "training"
            trains = event.kind == "trial"
            self.advance(what, event.done, event.total, event.seconds_left, lines=trains)
