"""A study's signs of life: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from normkit.study.events import Event

LINES = 10
"""How many lines a study prints where there is no terminal."""


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(42), duration(185)
    ('42 s', '3 min 05 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Watcher:
    """Shows events as they come; a context manager, so that the bar is always taken down."""

    def __init__(self, console: Console) -> None:
        self._console = console
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

    def __enter__(self) -> Watcher:
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

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "plan" and event.seconds_left is not None:
            self._console.print(
                f"About {event.total} trials, about {duration(event.seconds_left)}."
            )
        if event.kind in ("data", "trial") and event.total:
            what = "reading images" if event.kind == "data" else "training"
            left = "" if event.seconds_left is None else f"{duration(event.seconds_left)} left"
            if self._bar:
                self._advance(what, event, left)
            else:
                self._line(what, event, left)

    def _advance(self, what: str, event: Event, left: str) -> None:
        assert self._bar is not None
        if self._row is None:
            self._row = self._bar.add_task(what, left=left)
        self._bar.update(
            self._row, description=what, completed=event.done, total=event.total, left=left
        )

    def _line(self, what: str, event: Event, left: str) -> None:
        tenth = LINES * event.done // event.total
        if event.kind == "trial" and tenth > self._told:
            self._told = tenth
            self._console.print(f"{what}: {event.done} of {event.total} trials, {left}")
