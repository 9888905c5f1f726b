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
    from normkit.surgery import (
        Surgery,
        flow,
        fold_,
        freeze_,
        fuse_,
        insert_,
        lsuv_,
        recalibrate_,
        remove_,
        swap_,
        sync_,
        unfreeze_,
        unsync_,
    )
    from normkit.surgery.param_groups import param_groups

__all__ = [
    "Study",
    "StudyResult",
    "Surgery",
    "__version__",
    "accumulate",
    "catalogue",
    "explain",
    "flow",
    "fold_",
    "freeze_",
    "functional",
    "fuse_",
    "insert_",
    "kernels",
    "lean",
    "lsuv_",
    "make",
    "nn",
    "param_groups",
    "recalibrate_",
    "remove_",
    "swap_",
    "sync_",
    "unfreeze_",
    "unsync_",
]

# Public name → the module that holds it. Loaded on first use, so that `import normkit` stays light.
_HOMES = {
    "Study": "normkit.study",
    "StudyResult": "normkit.study",
    "Surgery": "normkit.surgery",
    "accumulate": "normkit.nn.running",
    "catalogue": "normkit.nn.catalogue",
    "explain": "normkit.nn.explain",
    "flow": "normkit.surgery",
    "fold_": "normkit.surgery",
    "freeze_": "normkit.surgery",
    "fuse_": "normkit.surgery",
    "insert_": "normkit.surgery",
    "lean": "normkit.kernels.lean",
    "lsuv_": "normkit.surgery",
    "make": "normkit.nn.catalogue",
    "param_groups": "normkit.surgery.param_groups",
    "recalibrate_": "normkit.surgery",
    "remove_": "normkit.surgery",
    "swap_": "normkit.surgery",
    "sync_": "normkit.surgery",
    "unfreeze_": "normkit.surgery",
    "unsync_": "normkit.surgery",
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
