"""The study: what each normalization does for a network, claim by claim, on real images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normkit.study.comparison import StudyComparison
    from normkit.study.engine import WorkerError
    from normkit.study.result import StudyResult
    from normkit.study.run import Study
    from normkit.study.store import StoreError

__all__ = ["StoreError", "Study", "StudyComparison", "StudyResult", "WorkerError"]

# Loaded on first use: a worker process needs none of them, and starts in half the time.
_HOMES = {
    "StoreError": "store",
    "Study": "run",
    "StudyComparison": "comparison",
    "StudyResult": "result",
    "WorkerError": "engine",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOMES)}"
    )


def __dir__() -> list[str]:
    return list(__all__)
