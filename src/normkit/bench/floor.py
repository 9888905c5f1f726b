"""The floor: the bytes that must move, at the speed of a copy.

A pass reads or writes one map once; a copy is two. As many copies as there are outputs go into new
memory, as a kernel's outputs do, the others into memory that was written to before. What is counted
is the fewest passes of an algorithm that takes its statistics in one reading and normalises in
another:

* a forward pass with statistics over a batch, a sample or a map reads the input for them, reads it
  again and writes the output: 3; in evaluation batch norm reads and writes: 2;
* its backward pass reads the input and the upstream gradient for two sums, reads both again and
  writes the input's gradient: 5;
* statistics over the channels of one position stay in the cache, so that each is read once: 2
  forwards, 3 backwards;
* a residual is read in the forward pass, and its gradient written in the backward pass: 1 more
  each. The activation adds none: it is applied to what is about to be written, and its sign fits
  in a bit.

Where the values behind a statistic are few enough to stay in the cache between the two readings
(instance and group norm on small maps, batch norm in small batches), a kernel can be faster than
this floor, and its ratio below 1 says so.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from normkit import kernels
from normkit.bench.cases import Case

_COPY_PASSES = 2
_BY_POSITION = ("channel_layer", "rms")


def passes(case: Case) -> int:
    """How many times a map must be read or written.

    >>> passes(Case("batch", "contiguous", "float32", (2, 4, 3, 3)))
    8
    >>> passes(Case("rms", "contiguous", "float32", (2, 4, 3, 3), residual=True))
    7
    """
    trains = case.direction == "training"
    once = case.method in _BY_POSITION or (case.method == "batch" and not trains)
    forward = (2 if once else 3) + case.residual
    if not trains:
        return forward
    return forward + (3 if case.method in _BY_POSITION else 5) + case.residual


def outputs(case: Case) -> int:
    """How many of the passes write a new map: the output, and the gradients of the two inputs.

    >>> outputs(Case("batch", "contiguous", "float32", (2, 4, 3, 3), residual=True))
    3
    """
    return 2 + case.residual if case.direction == "training" else 1


def new_output(x: Tensor) -> Tensor:
    """An output as a kernel allocates it; the one place that says how."""
    return kernels.fresh_like(x)


def mover(case: Case, x: Tensor) -> Callable[[], None]:
    """What moves as many bytes as a case must, by copies of `x`.

    >>> mover(Case("rms", "contiguous", "float32", (2, 4, 3, 3)), torch.randn(2, 4, 3, 3))()
    """
    written = torch.zeros_like(x)
    rest = passes(case) - _COPY_PASSES * outputs(case)
    half = (written.flatten()[: x.numel() // 2], x.detach().clone().flatten()[: x.numel() // 2])

    def move() -> None:
        # All at once, as an output and a gradient are.
        kept = [new_output(x) for _ in range(outputs(case))]
        for new in kept:
            new.copy_(x)
        for _ in range(rest // _COPY_PASSES):
            written.copy_(x)
        if rest % _COPY_PASSES:
            half[0].copy_(half[1])

    return move
