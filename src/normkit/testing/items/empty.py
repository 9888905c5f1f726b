"""An empty batch gives an empty output, gradients of zero, and leaves no trace."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem, close, gradients, state_of


def check(problem: Problem) -> None:
    """In training and in evaluation."""
    for training in (True, False):
        layer = problem.layer_in_use().train(training)
        before = state_of(layer)
        x = torch.empty(0, *problem.shape[1:], requires_grad=True)
        y = layer(x)
        if y.shape != x.shape:
            raise AssertionError(f"{tuple(x.shape)} gives {tuple(y.shape)}")
        for gradient in gradients(y, torch.empty_like(y), x, layer):
            close(gradient, torch.zeros_like(gradient), told="gradient")
        close(state_of(layer), before, told="state")
