"""`torch.compile(fullgraph=True)` computes what eager does, statistics included."""

from __future__ import annotations

import copy

import torch

from normkit.testing.problem import Problem, close, gradients, state_of, without_pytorchs_warnings

TOLERANCE = 1e-4


def check(problem: Problem) -> None:
    """In training, forwards and backwards, and in evaluation; another batch size too."""
    with without_pytorchs_warnings():
        _check(problem)


def _check(problem: Problem) -> None:
    # With the partition, which decides what a graph's backward keeps and what it computes anew.
    tried = [("aot_eager_decomp_partition", True), ("aot_eager", False)]
    if problem.inductor:
        tried += [("inductor", True), ("inductor", False)]
    for backend, training in tried:
        torch._dynamo.reset()
        eager = problem.layer_in_use(act="relu").train(training)
        layer = copy.deepcopy(eager)
        compiled = torch.compile(layer, backend=backend, fullgraph=True)
        told = f"{backend}, {'training' if training else 'evaluation'}"
        for samples in (problem.shape[0], problem.shape[0] + 3):
            x = problem.sample(torch.float32, (samples, *problem.shape[1:])).requires_grad_()
            twin = x.detach().clone().requires_grad_()
            residual = torch.randn_like(x)
            expected, y = eager(x, residual), compiled(twin, residual)
            upstream = torch.randn_like(y)
            close(y, expected, TOLERANCE, TOLERANCE, f"output, {told}")
            close(
                gradients(y, upstream, twin, layer),
                gradients(expected, upstream, x, eager),
                TOLERANCE,
                TOLERANCE,
                f"gradients, {told}",
            )
            close(state_of(layer), state_of(eager), TOLERANCE, TOLERANCE, f"state, {told}")
