"""Training keeps the paper's statistics; evaluation leaves them, and sees each sample alone."""

from __future__ import annotations

import torch

from normkit.testing.problem import Problem, close, in_float64, state_of


def check(problem: Problem) -> None:
    """Three batches of training against the paper's rule, then evaluation."""
    layer = problem.layer_in_use(torch.float32)
    expected = dict(in_float64(layer).state_dict())
    for _ in range(3):
        x = problem.sample(torch.float32)
        layer(x)
        if problem.statistics is not None:
            expected.update(problem.statistics(x.double(), expected))
    found = {name: value.to(expected[name].dtype) for name, value in state_of(layer).items()}
    close(found, expected, 1e-5, 1e-5, "state after training")

    layer.eval()
    x = problem.sample(torch.float32)
    before, generator = state_of(layer), torch.get_rng_state()
    y = layer(x)
    close(layer(x), y, told="evaluated twice")
    close(state_of(layer), before, told="state after evaluation")
    if not torch.equal(torch.get_rng_state(), generator):
        raise AssertionError("evaluation draws random numbers")
    # To the last bits only: sums over other shapes are taken in another order.
    close(layer(x[:1]), y[:1], 1e-5, 1e-5, "one sample alone")
    if problem.statistics is None:
        close(layer.train()(x), y, told="training against evaluation")
