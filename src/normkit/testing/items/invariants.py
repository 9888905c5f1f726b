"""What defines the method holds for inputs of every shape, or the input is refused."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem

EXAMPLES = 30


def check(problem: Problem) -> None:
    """Tries each invariant on shapes drawn by Hypothesis, 1×1 maps and single samples among them.

    Inputs that the method refuses must raise ValueError.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    if not problem.invariants:
        raise AssertionError("state what defines the method, in Problem(invariants=...)")
    positions = len(problem.shape) - 2

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        samples=st.integers(1, 4),
        channels=st.sampled_from(problem.channels),
        sizes=st.tuples(*[st.integers(1, 5)] * positions),
        training=st.booleans(),
        seed=st.integers(0, 2**31),
    )
    def every(
        samples: int, channels: int, sizes: tuple[int, ...], training: bool, seed: int
    ) -> None:
        torch.manual_seed(seed)
        shape = (samples, channels, *sizes)
        x = problem.sample(torch.float64, shape)
        layer = problem.make(channels, dtype=torch.float64).train(training)
        if problem.refuses(shape, training):
            try:
                layer(x)
            except ValueError:
                return
            raise AssertionError(f"an input of shape {shape} must be refused with a ValueError")
        y = layer(x)
        if y.shape != x.shape or not y.isfinite().all():
            raise AssertionError(f"an input of shape {shape} gives {tuple(y.shape)}: {y}")
        if training:
            for name, invariant in problem.invariants.items():
                try:
                    invariant(layer, x)
                except AssertionError as error:
                    raise AssertionError(
                        f"{name}, for an input of shape {shape}: {error}"
                    ) from error

    every()
