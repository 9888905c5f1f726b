"""The output and its gradients are the paper's, in float32 and float64."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem, close, gradients, in_float64, state_of

TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9}


def check(problem: Problem) -> None:
    """Compares with the reference in float64, for a random upstream gradient."""
    for dtype, tolerance in TOLERANCE.items():
        for training in (True, False):
            layer = problem.layer_in_use(dtype).train(training)
            exact = in_float64(layer)
            x = problem.sample(dtype).requires_grad_()
            x64 = x.detach().double().requires_grad_()
            expected = problem.reference(x64, state_of(exact), training)
            upstream = torch.randn_like(expected)
            y = layer(x)
            told = f"{dtype}, {'training' if training else 'evaluation'}"
            if y.dtype is not dtype:
                raise AssertionError(f"{told}: the output is {y.dtype}")
            close(y.double(), expected, tolerance, tolerance, f"output, {told}")
            got = gradients(y, upstream.to(dtype), x, layer)
            names = ["input", *(name for name, _ in layer.named_parameters())]
            for name, gradient, right in zip(
                names, got, gradients(expected, upstream, x64, exact), strict=True
            ):
                # A gradient that sums over a map is as large as the map: its scale is its own.
                scale = max(1.0, right.abs().max().item()) if right.numel() else 1.0
                close(gradient.double(), right, tolerance, tolerance * scale, f"d/d {name}, {told}")
