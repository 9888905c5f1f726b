"""What a running bench tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from normkit.bench.cases import Case


@dataclass(frozen=True)
class Event:
    """A sign of life: how many cases are done, and how long the others still need."""

    kind: Literal["plan", "case"]
    """"plan" once, before the first case, then "case" after each of them."""
    done: int
    total: int
    seconds_left: float
    case: Case | None = None
