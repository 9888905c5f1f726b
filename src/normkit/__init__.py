"""Normalization for convolutional networks: the layers, the surgery, the evidence.

>>> import normkit as nk
>>> layer = nk.make("group", 64, act="relu")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from normkit._version import __version__

if TYPE_CHECKING:
    from normkit import functional, kernels, nn
    from normkit.kernels.lean import lean
    from normkit.nn.catalogue import catalogue, make
    from normkit.nn.explain import explain
    from normkit.nn.running import accumulate
    from normkit.study import Study, StudyResult

__all__ = [
    "Study",
    "StudyResult",
    "__version__",
    "accumulate",
    "catalogue",
    "explain",
    "functional",
    "kernels",
    "lean",
    "make",
    "nn",
]

# Public name → the module that holds it. Loaded on first use, so that `import normkit` stays light.
_HOMES = {
    "Study": "normkit.study",
    "StudyResult": "normkit.study",
    "accumulate": "normkit.nn.running",
    "catalogue": "normkit.nn.catalogue",
    "explain": "normkit.nn.explain",
    "lean": "normkit.kernels.lean",
    "make": "normkit.nn.catalogue",
}
_ROOMS = {"functional", "kernels", "nn"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"normkit.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'normkit' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return list(__all__)
