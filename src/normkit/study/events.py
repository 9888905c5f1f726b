"""What a running study tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A sign of life: what the study is doing, how far it is, and how long it still needs."""

    kind: str
    """"data" (images read), "plan", "trial" (one more has run) or "done", in this order."""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


Watch = Callable[[Event], None]


def unwatched(_: Event) -> None:
    """The watcher of a study that nobody watches."""
