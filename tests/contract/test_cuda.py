"""Every layer computes on a GPU what it computes on the CPU."""

from __future__ import annotations

import copy

import pytest
import torch

from normkit.testing import Problem, problems
from normkit.testing.problem import close, gradients, state_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("problem", problems(), ids=str)
def test_output_gradients_and_statistics_are_those_of_the_cpu(
    problem: Problem, training: bool
) -> None:
    torch.manual_seed(0)
    layer = problem.layer_in_use(torch.float64).train(training)
    twin = copy.deepcopy(layer).cuda()
    x = problem.sample(torch.float64).requires_grad_()
    leaf = x.detach().cuda().requires_grad_()
    expected, y = layer(x), twin(leaf)
    upstream = torch.randn_like(expected)
    close(y.cpu(), expected, 1e-9, 1e-9, "output")
    found = [gradient.cpu() for gradient in gradients(y, upstream.cuda(), leaf, twin)]
    close(found, gradients(expected, upstream, x, layer), 1e-8, 1e-8, "gradients")
    close({k: v.cpu() for k, v in state_of(twin).items()}, state_of(layer), 1e-9, 1e-9, "state")
