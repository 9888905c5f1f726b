"""Which modules are norms, and which layer of normkit's computes the same."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from normkit import nn
from normkit.nn.catalogue import catalogue
from normkit.nn.method import Method
from normkit.surgery.derived import own_class

METHODS: dict[type, Method] = {
    layer: method
    for method in catalogue().values()
    for layer in method.layers.values()
    if isinstance(layer, type)
}
"""The classes of the catalogue, and the method of each."""

NORMS: tuple[type, ...] = (
    _BatchNorm,
    _InstanceNorm,
    torch.nn.GroupNorm,
    torch.nn.LayerNorm,
    torch.nn.RMSNorm,
    torch.nn.LocalResponseNorm,
    *(layer for layer in METHODS if layer is not nn.Identity),
)
"""All classes of norms, PyTorch's and normkit's."""

_OURS: dict[type, type] = {
    torch.nn.BatchNorm1d: nn.BatchNorm1d,
    torch.nn.BatchNorm2d: nn.BatchNorm2d,
    torch.nn.BatchNorm3d: nn.BatchNorm3d,
    torch.nn.SyncBatchNorm: nn.SyncBatchNorm,
    torch.nn.InstanceNorm1d: nn.InstanceNorm1d,
    torch.nn.InstanceNorm2d: nn.InstanceNorm2d,
    torch.nn.InstanceNorm3d: nn.InstanceNorm3d,
    torch.nn.GroupNorm: nn.GroupNorm,
    torch.nn.LayerNorm: nn.LayerNorm,
    torch.nn.RMSNorm: nn.RMSNorm,
    torch.nn.LocalResponseNorm: nn.LocalResponseNorm,
}
"""PyTorch's class → normkit's, which takes the same and has the same attributes."""


def is_norm(module: torch.nn.Module) -> bool:
    """Whether a module is a norm, or of a class made from one.

    >>> is_norm(torch.nn.GroupNorm(2, 8)), is_norm(torch.nn.ReLU())
    (True, False)
    """
    return isinstance(module, NORMS)


def layer_class(module: torch.nn.Module) -> type | None:
    """The class of normkit's that computes what a norm does; None where there is none.

    A subclass of one of PyTorch's counts as that one unless it has a `forward` of its own, which
    may do anything.

    >>> layer_class(torch.nn.BatchNorm2d(4)).__name__, layer_class(nn.GroupNorm(2, 4)).__name__
    ('BatchNorm2d', 'GroupNorm')
    """
    cls = own_class(module)
    if "forward" in vars(module):
        return None
    for known in (*METHODS, *_OURS.values()):
        if issubclass(cls, known):
            return known if cls.forward is known.forward else None  # type: ignore[attr-defined]
    for theirs, ours in _OURS.items():
        if issubclass(cls, theirs):
            return ours if cls.forward is theirs.forward else None  # type: ignore[attr-defined]
    return None
