"""A pickle gives back the same layer."""

from __future__ import annotations

import pickle

import torch

from normkit.testing.items.copies import compare
from normkit.testing.problem import Problem


def check(problem: Problem) -> None:
    """In training and in evaluation; nothing is shared with the original."""
    compare(problem, _pickled)


def _pickled(layer: torch.nn.Module, fresh: torch.nn.Module) -> dict[str, torch.nn.Module]:
    return {"pickle": pickle.loads(pickle.dumps(layer))}
