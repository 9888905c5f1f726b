"""Where the mean is large against the spread, the error is that of the input's own rounding."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem, in_float64, state_of

MEAN = 1000.0
SIZE = 2**15
"""How many values a channel has, over eight samples, about."""
FACTOR = 10
"""How many times the input's own rounding the error may be: ten, since it adds up over steps."""


def check(problem: Problem) -> None:
    """N(1000, 1) in float32, contiguous and channels-last, against the reference in float64."""
    positions = len(problem.shape) - 2
    side = max(2, round((SIZE // 8) ** (1 / positions))) if positions else 1
    exact = torch.randn(8, problem.shape[1], *(side,) * positions, dtype=torch.float64) + MEAN
    contiguous = exact.float()
    rounding = (contiguous.double() - exact).abs().max().item()
    last = contiguous.movedim(1, -1).contiguous().movedim(-1, 1)
    for name, x in (("contiguous", contiguous), ("channels-last", last)):
        layer = problem.make()
        expected = problem.reference(x.double(), state_of(in_float64(layer)), True)
        error = (layer(x).double() - expected).abs().max().item()
        # Where nothing is centred the output is as large as the input, and rounded as it is.
        allowed = FACTOR * max(rounding, 2**-24 * expected.abs().max().item())
        if not error <= allowed:
            raise AssertionError(f"{name}: the error is {error:.1e}, at most {allowed:.1e} may be")


def reason(problem: Problem) -> str | None:
    """The error of a convolution is its own."""
    return "takes no statistic of its input" if problem.on == "weights" else None
