"""Names and positional arguments are PyTorch's; what is added is by keyword."""

from __future__ import annotations

import inspect

import pytest
import torch

from normkit import functional

NAMES = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_pytorch(name: str) -> None:
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters.values()
    ours = list(inspect.signature(getattr(functional, name)).parameters.values())
    pairs = [(p.name, p.default) for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert pairs == [(p.name, p.default) for p in theirs]


NORMS = [
    name
    for name in functional.__all__
    if inspect.isfunction(found := getattr(functional, name))
    and "residual" in inspect.signature(found).parameters
    and name != "finish"
]


@pytest.mark.parametrize("name", NORMS)
def test_act_residual_and_mask_are_added_by_keyword_at_the_end(name: str) -> None:
    parameters = inspect.signature(getattr(functional, name)).parameters.values()
    assert next(iter(parameters)).name == "input"
    added = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert "act" in added
    assert added[added.index("act") :] in (["act", "residual"], ["act", "residual", "mask"])
