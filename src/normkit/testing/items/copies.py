"""A `state_dict`, a deep copy and a pickle give back the same layer."""

from __future__ import annotations

import copy
import pickle

import torch

from normkit.testing.problem import Problem, close, state_of


def check(problem: Problem) -> None:
    """In training and in evaluation; nothing is shared with the original."""
    for training in (True, False):
        layer = problem.layer_in_use(act="gelu").train(training)
        loaded = problem.make(act="gelu").train(training)
        loaded.load_state_dict(copy.deepcopy(layer.state_dict()), strict=True)
        twins = {
            "state_dict": loaded,
            "deepcopy": copy.deepcopy(layer),
            "pickle": pickle.loads(pickle.dumps(layer)),
        }
        before = state_of(layer)
        x = problem.sample(torch.float32)
        expected = layer(x)
        after = state_of(layer)
        for name, twin in twins.items():
            close(state_of(twin), before, told=f"state, {name}")
            close(twin(x), expected, told=f"output, {name}")
            close(state_of(twin), after, told=f"statistics, {name}")
            if set(map(id, twin.parameters())) & set(map(id, layer.parameters())):
                raise AssertionError(f"{name} shares parameters")
