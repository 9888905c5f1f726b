"""The bits of a result depend on the call alone: not on how often, nor on how many threads."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.calls import LAYOUTS, METHODS, Method, call, close, taken

SHAPES = {
    "many samples": (16, 6, 19, 17),
    "one sample": (1, 6, 97, 89),
    "few regions, each large": (3, 6, 200, 240),
    "features": (700, 30),
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
