"""The bits of a result depend on the call alone: not on how often, nor on how many threads."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.calls import LAYOUTS, METHODS, Method, call, close, lies, taken
from tests.kernels.interpreter import not_in_interpreter
from torch import Tensor

import normkit as nk

pytestmark = not_in_interpreter("Triton's interpreter has no threads")

SHAPES = {
    "many samples": (16, 6, 19, 17),
    "one sample": (1, 6, 97, 89),
    "few regions, each large": (3, 6, 200, 240),
    "features": (700, 30),
    "several bundles of channels at a time": (8, 132, 7, 7),
    "more of them than a thread takes at a time": (16, 402, 7, 7),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_results_are_the_same_bits_on_any_number_of_threads(
    method: Method, layout: str, shape: str
) -> None:
    sizes = SHAPES[shape]
    if layout != "contiguous" and (method.is_trailing or len(sizes) == 2):
        return
    if method.needs_positions and len(sizes) == 2:
        return
    one = call(method, sizes, layout=layout, act="relu", residual=True)
    torch.set_num_threads(1)
    with taken():
        alone = one.results()
    close(one.results(), alone, told="again")
    for threads in (2, 3):
        torch.set_num_threads(threads)
        close(one.results(), alone, told=f"{threads} threads")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_backward_may_run_on_another_number_of_threads_than_its_forward(layout: str) -> None:
    def gradients(forward: int, backward: int) -> tuple[Tensor, ...]:
        torch.set_num_threads(forward)
        with taken():
            y = layer(x, residual=residual)  # Which keeps the signs of what ReLU was given.
        torch.set_num_threads(backward)
        return torch.autograd.grad(y, (x, residual, *layer.parameters()), upstream)

    layer = nk.nn.BatchNorm2d(132, act="relu")
    x, residual, upstream = (
        lies(torch.randn(8, 132, 7, 7), layout).requires_grad_() for _ in range(3)
    )
    alone = gradients(1, 1)
    for forward, backward in ((3, 1), (1, 3), (2, 3)):
        close(gradients(forward, backward), alone, told=f"{forward} threads, then {backward}")
