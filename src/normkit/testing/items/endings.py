"""The residual is added, then the activation applied."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from normkit.testing.problem import Problem, close, state_of


def check(problem: Problem) -> None:
    """An activation by name and one with parameters, with a residual and without."""
    plain = problem.layer_in_use()
    layer = problem.make(act="leaky_relu")
    layer.load_state_dict(plain.state_dict())
    x, residual = problem.sample(torch.float32), problem.sample(torch.float32)
    close(layer(x, residual), F.leaky_relu(plain(x) + residual), 1e-6, 1e-6, "with a residual")
    layer.load_state_dict(plain.state_dict())
    close(layer(x), F.leaky_relu(plain(x)), 1e-6, 1e-6, "without a residual")
    if "act='leaky_relu'" not in repr(layer) or "act=" in repr(plain):
        raise AssertionError(f"the activation is not shown: {layer!r}, {plain!r}")

    trained = problem.make(act=torch.nn.PReLU())
    if "act.weight" not in trained.state_dict():
        raise AssertionError(f"no act.weight in the state_dict: {list(trained.state_dict())}")
    y = trained(x, residual)
    y.backward(torch.randn_like(y))
    slope = dict(trained.named_parameters())["act.weight"]
    if slope.grad is None or not slope.grad.abs() > 0:
        raise AssertionError("the activation's own parameter has no gradient")

    before = state_of(layer)
    try:
        layer(x, x[:1])
    except ValueError:
        close(state_of(layer), before, told="state after a residual that was refused")
    else:
        raise AssertionError("a residual of another shape was taken")
