"""Channels-last in, channels-last out, forwards and backwards, and the same values."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem, close, state_of


def check(problem: Problem) -> None:
    """Compares with contiguous memory."""
    layer = problem.layer_in_use(act="relu")
    twin = problem.make(act="relu")
    twin.load_state_dict(layer.state_dict())
    x = problem.sample(torch.float32).requires_grad_()
    last = x.detach().movedim(1, -1).contiguous().movedim(-1, 1).requires_grad_()
    upstream = torch.randn_like(x)
    expected, y = layer(x, x.detach()), twin(last, last.detach())
    close(y, expected, 1e-5, 1e-5, "output")
    close(state_of(twin), state_of(layer), 1e-5, 1e-5, "state")
    (gradient,) = torch.autograd.grad(expected, x, upstream)
    upstream_last = upstream.movedim(1, -1).contiguous().movedim(-1, 1)
    (gradient_last,) = torch.autograd.grad(y, last, upstream_last)
    close(gradient_last, gradient, 1e-4, 1e-4, "gradient")
    for name, got in (("output", y), ("gradient", gradient_last)):
        if got.stride() != last.stride():
            raise AssertionError(
                f"the {name} has strides {got.stride()}; the input has {last.stride()}"
            )


def reason(problem: Problem) -> str | None:
    """Without positions there is one layout."""
    return "has no positions" if len(problem.shape) == 2 else None
