"""A norm made an identity."""

from __future__ import annotations

import torch

from normkit.nn import Activated, Identity
from normkit.surgery.journal import Journal


def become_identity(norm: torch.nn.Module, journal: Journal) -> None:
    """Makes a norm hand on what it is given, with its own activation if it has one.

    It keeps its name and its hooks, and loses its parameters, buffers and other children.
    """
    if not isinstance(norm, Activated):
        journal.set(norm, "act", None)
    journal.set(norm, "_parameters", {})
    journal.set(norm, "_buffers", {})
    children = {name: child for name, child in norm._modules.items() if name == "act"}
    journal.set(norm, "_modules", children)
    journal.set(norm, "_non_persistent_buffers_set", set())
    journal.become(norm, Identity)
