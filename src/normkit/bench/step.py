"""One step of one path: what is checked is what is timed."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.bench.cases import Case
from normkit.bench.contestants import Path
from normkit.bench.inputs import Inputs

STATISTICS = ("running_mean", "running_var")


class Step:
    """Forward and backward in training, forward in inference; called, it returns its tensors.

    >>> from normkit.bench.contestants import EAGER
    >>> from normkit.bench.inputs import inputs
    >>> case = Case("batch", "contiguous", "float32", (2, 4, 3, 3))
    >>> list(Step(case, inputs(case), EAGER.path(case)).named())
    ['output', 'input', 'weight', 'bias', 'running_mean', 'running_var']
    """

    def __init__(self, case: Case, inputs: Inputs, path: Path) -> None:
        self._path = path
        self._trains = case.direction == "training"
        layer = path.layer.to(case.device).train(self._trains)
        for name, value in inputs.state.items():
            # Not copied: float64 parameters take the place of those of float32.
            dtype = None if name in STATISTICS else path.dtype
            getattr(layer, name).data = value.to(dtype or value.dtype, copy=True)
        self._x = self._entered(inputs.x)
        self._residual = None if inputs.residual is None else self._entered(inputs.residual)
        self._upstream = path.enter(inputs.upstream)
        wanted = {"input": self._x, "residual": self._residual, **dict(layer.named_parameters())}
        self._wanted = {name: tensor for name, tensor in wanted.items() if tensor is not None}

    def _entered(self, tensor: Tensor) -> Tensor:
        return self._path.enter(tensor).detach().requires_grad_(self._trains)

    def __call__(self) -> tuple[Tensor, ...]:
        """Take the step."""
        if not self._trains:
            with torch.no_grad():
                return (self._path.forward(self._x, self._residual),)
        y = self._path.forward(self._x, self._residual)
        return y, *torch.autograd.grad(y, list(self._wanted.values()), self._upstream)

    def how(self) -> str:
        """What computes it, in words."""
        return self._path.how(self._x, self._residual)

    def named(self) -> dict[str, Tensor]:
        """Take it and name its output, gradients and, in training, the running statistics."""
        found = self()
        names = ["output", *self._wanted] if self._trains else ["output"]
        named = dict(zip(names, map(self._path.leave, found), strict=True))
        if self._trains:
            buffers = dict(self._path.layer.named_buffers())
            named |= {name: buffers[name].clone() for name in STATISTICS if name in buffers}
        return named
