"""The transforms of `torch.func` give the right numbers, and respect the statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from normkit.testing.problem import Problem, close, state_of, without_pytorchs_warnings

STEP = 1e-6


def check(problem: Problem) -> None:
    """`grad`, `vmap`, `jacrev` and `jvp` against autograd, a loop and finite differences."""
    for training in (True, False):
        layer = problem.layer_in_use(torch.float64, act="tanh").train(training)
        before = state_of(layer)

        def alone(x: Tensor, layer: torch.nn.Module = layer) -> Tensor:
            y: Tensor = copy.deepcopy(layer)(x)
            return y

        x = problem.sample(torch.float64, (problem.fewest + 1, *problem.shape[1:]))
        with without_pytorchs_warnings():
            _differentiate(layer, alone, x)
            batches = torch.stack([problem.sample(torch.float64, x.shape) for _ in range(3)])
            expected = torch.stack([alone(batch) for batch in batches])
            close(torch.func.vmap(layer)(batches), expected, 1e-9, 1e-9, "vmap")
            close(state_of(layer), before, told="statistics that were captured")
            _give(layer, x, batches)


def _differentiate(layer: torch.nn.Module, alone: Callable[[Tensor], Tensor], x: Tensor) -> None:
    leaf = x.clone().requires_grad_()
    upstream = torch.randn_like(x)
    (expected,) = torch.autograd.grad(alone(leaf), leaf, upstream)
    got = torch.func.grad(lambda x: (layer(x) * upstream).sum())(x)
    close(got, expected, 1e-9, 1e-9, "grad")
    direction = torch.randn_like(x)
    with torch.no_grad():
        slope = (alone(x + STEP * direction) - alone(x - STEP * direction)) / (2 * STEP)
    value, tangent = torch.func.jvp(layer, (x,), (direction,))[:2]
    close(value, alone(x), 1e-9, 1e-9, "jvp, value")
    close(tangent, slope, 1e-5, 1e-6, "jvp, tangent")
    jacobian = torch.func.jacrev(layer)(x)
    product = (jacobian * direction).flatten(x.ndim).sum(-1)
    close(product, slope, 1e-5, 1e-6, "jacrev")


def _give(layer: torch.nn.Module, x: Tensor, batches: Tensor) -> None:
    """Statistics given through `functional_call` are updated as in a plain call."""
    parameters = dict(layer.named_parameters())
    names = [name for name, _ in layer.named_buffers()]
    if not names:
        return

    def loss(buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, {**parameters, **buffers}, (x,))
        return y.square().sum()

    plain = copy.deepcopy(layer)
    plain(x)
    given = {name: state_of(layer)[name] for name in names}
    torch.func.grad(loss, argnums=1)(given, x)
    close(given, {name: state_of(plain)[name] for name in names}, 1e-9, 1e-9, "given, grad")

    several = {name: torch.stack([state_of(layer)[name]] * len(batches)) for name in names}
    torch.func.vmap(loss)(several, batches)
    for index, batch in enumerate(batches):
        plain = copy.deepcopy(layer)
        plain(batch)
        got = {name: several[name][index] for name in names}
        close(got, {name: state_of(plain)[name] for name in names}, 1e-9, 1e-9, "given, vmap")

    # One set of statistics for all members: no member may change it.
    shared = {name: state_of(layer)[name] for name in names}
    torch.func.vmap(torch.func.grad(loss, argnums=1), in_dims=(None, 0))(shared, batches)
    close(shared, {name: state_of(layer)[name] for name in names}, told="shared by a vmap")
