"""What every path of a case is given: the same maps, parameters and upstream gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from normkit.bench.cases import DTYPES, LAYOUTS, Case
from normkit.nn.catalogue import make

SEED = 0


@dataclass(frozen=True)
class Inputs:
    """The tensors of a case.

    Args:
        x: the input, in the layout and dtype of the case.
        residual: what is added, or None.
        upstream: the gradient of the output, random.
        state: the layer's parameters and running statistics before the step.
    """

    x: Tensor
    residual: Tensor | None
    upstream: Tensor
    state: dict[str, Tensor]


def inputs(case: Case) -> Inputs:
    """Random inputs on the device, the same for the same case, from a generator of their own.

    Channels are neither centred nor of unit variance, as in a network, nor are they together: a
    mean that is wrong shows.

    >>> inputs(Case("rms", "contiguous", "float32", (2, 4, 3, 3))).x.shape
    torch.Size([2, 4, 3, 3])
    """
    generator = torch.Generator(case.device).manual_seed(SEED)
    channels = case.shape[1]

    def maps() -> Tensor:
        drawn = torch.randn(case.shape, generator=generator, device=case.device)
        return drawn.to(dtype=DTYPES[case.dtype], memory_format=LAYOUTS[case.layout])

    def vector() -> Tensor:
        return torch.randn(channels, generator=generator, device=case.device)

    x = maps()
    x *= (vector().abs() + 0.5).reshape(-1, 1, 1).to(x.dtype)
    x += (vector() + 1).reshape(-1, 1, 1).to(x.dtype)
    drawn = {
        "weight": vector().abs() + 0.5,
        "bias": vector(),
        "running_mean": vector(),
        "running_var": vector().square() + 0.5,
    }
    # Parameters stay in float32 beside maps of half precision, as in mixed precision training.
    kept = DTYPES[case.dtype] if case.dtype == "float64" else torch.float32
    names = make(case.method, channels).state_dict()
    # Values that the map's precision has too: where PyTorch takes parameters in it alone, they are
    # not rounded.
    rounded = {name: drawn[name].to(DTYPES[case.dtype]) for name in ("weight", "bias")}
    state = {name: value.to(kept) for name, value in (drawn | rounded).items() if name in names}
    return Inputs(x, maps() if case.residual else None, maps(), state)
