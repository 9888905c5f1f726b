"""Running statistics count every batch once, and none that would spoil them."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from normkit.nn.running import accumulate
from normkit.testing.problem import Problem, close, state_of, without_pytorchs_warnings

WRONG = (float("nan"), float("inf"), -float("inf"))


def check(problem: Problem) -> None:
    """Non-finite batches, activation checkpointing, accumulated gradients, `requires_grad`."""
    _non_finite(problem)
    with without_pytorchs_warnings():
        _checkpointed(problem)
    _accumulated(problem)
    layer = problem.layer_in_use()
    x = problem.sample(torch.float32).requires_grad_()
    layer(x)
    if any(buffer.requires_grad for buffer in layer.buffers()):
        raise AssertionError("a statistic carries a gradient")


def _non_finite(problem: Problem) -> None:
    for value, layer in itertools.product(WRONG, (problem.layer_in_use(), problem.make())):
        before = state_of(layer)
        x = problem.sample(torch.float32)
        x.view(-1)[7] = value
        layer(x)
        close(state_of(layer), before, told=f"state after a batch with {value} in it")


def _checkpointed(problem: Problem) -> None:
    layer = problem.layer_in_use()
    plain = copy.deepcopy(layer)
    x = problem.sample(torch.float32).requires_grad_()
    expected = plain(x)
    upstream = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, upstream)
    for reentrant in (True, False):
        for compiled in (False, True):
            torch._dynamo.reset()
            twin = copy.deepcopy(layer)
            call = torch.compile(twin, backend="aot_eager") if compiled else twin
            leaf = x.detach().clone().requires_grad_()
            y: Tensor = checkpoint(call, leaf, use_reentrant=reentrant)
            torch.autograd.backward(y, upstream)
            told = f"use_reentrant={reentrant}{', compiled' * compiled}"
            close(leaf.grad, gradient, 1e-5, 1e-5, f"gradient, {told}")
            close(state_of(twin), state_of(plain), 1e-6, 1e-6, f"state, {told}")

    # And with the checkpoint inside of what is compiled.
    twin = copy.deepcopy(layer)

    def inside(x: Tensor) -> Tensor:
        y: Tensor = checkpoint(twin, x, use_reentrant=False)
        return y

    leaf = x.detach().clone().requires_grad_()
    partitioned = "statistics" not in problem.partly
    backend = "aot_eager_decomp_partition" if partitioned else "aot_eager"
    y = torch.compile(inside, backend=backend, fullgraph=True)(leaf)
    torch.autograd.backward(y, upstream)
    close(leaf.grad, gradient, 1e-5, 1e-5, "gradient, checkpoint inside")
    close(state_of(twin), state_of(plain), 1e-6, 1e-6, "state, checkpoint inside")


def _accumulated(problem: Problem) -> None:
    layer = problem.layer_in_use()
    before = state_of(layer)
    sizes = [problem.fewest + more for more in (2, 0, 1)]
    parts = [problem.sample(torch.float32, (n, *problem.shape[1:])) for n in sizes]
    whole = copy.deepcopy(layer)
    whole(problem.together(parts))
    spoilt = torch.full_like(parts[0], float("nan"))
    with accumulate(layer):
        for part in (parts[0], spoilt, *parts[1:]):
            layer(part)
            close(state_of(layer), before, told="state before the step is done")
    close(state_of(layer), state_of(whole), 1e-5, 1e-5, "state of three micro-batches")

    try:
        with accumulate(layer):
            layer(parts[0])
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        close(state_of(layer), state_of(whole), 1e-5, 1e-5, "state after an exception")
    layer(parts[0])
    whole(parts[0])
    close(state_of(layer), state_of(whole), 1e-5, 1e-5, "state of a batch afterwards")


def reason(problem: Problem) -> str | None:
    """Only layers that keep statistics are concerned."""
    return "keeps no running statistics" if problem.statistics is None else None
