"""Every layer under the transforms of `torch.func`, run over all problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from tests.nn.conftest import Problem


def pure(problem: Problem) -> torch.nn.Module:
    """The layer without running statistics, which the transforms do not let it update."""
    layer = problem.ours(dtype=torch.float64, act="tanh")
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None
        layer.track_running_stats = False
    return layer


def test_func_grad_equals_autograd(problem: Problem) -> None:
    layer = pure(problem)
    x = problem.sample().requires_grad_()
    upstream = torch.randn_like(x)
    (expected,) = torch.autograd.grad(layer(x), x, upstream)
    got = torch.func.grad(lambda x: (layer(x) * upstream).sum())(x.detach())
    torch.testing.assert_close(got, expected)


def test_func_vmap_equals_a_loop(problem: Problem) -> None:
    layer = pure(problem)
    batches = torch.stack([problem.sample() for _ in range(3)])
    expected = torch.stack([layer(batch) for batch in batches])
    torch.testing.assert_close(torch.func.vmap(layer)(batches), expected)


# PyTorch's own warning, when it first loads its forward-mode formulas.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_func_jvp_and_jacrev_equal_finite_differences(problem: Problem) -> None:
    layer = pure(problem)
    x = torch.randn(3, *problem.shape[1:], dtype=torch.float64)
    direction = torch.randn_like(x)
    step = 1e-6
    with torch.no_grad():
        expected = (layer(x + step * direction) - layer(x - step * direction)) / (2 * step)
    value, tangent = torch.func.jvp(layer, (x,), (direction,))
    torch.testing.assert_close(value, layer(x))
    torch.testing.assert_close(tangent, expected, rtol=1e-5, atol=1e-7)
    jacobian = torch.func.jacrev(layer)(x)
    product = (jacobian * direction).flatten(x.ndim).sum(-1)
    torch.testing.assert_close(product, expected, rtol=1e-5, atol=1e-7)
