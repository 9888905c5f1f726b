"""Whether a path computes what it should: its step against the formula in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from normkit.bench.cases import Case
from normkit.bench.inputs import Inputs
from normkit.bench.step import STATISTICS
from normkit.functional.activation import resolve_activation
from normkit.nn.group import default_groups
from normkit.testing.methods import batch, channel_layer, group, instance, rms
from normkit.testing.problem import Reference

TOLERANCE = {"float64": 1e-9, "float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}
"""The largest error of a path that is timed, as a share of the largest value of a tensor.

It tells a wrong result from rounding, no more: sums over a batch in float32 may lose four digits,
and PyTorch's layer norm of bfloat16 was seen to be off by a thirtieth. The rows have the error.
"""
_KINK = 0.05
"""How much the slope changes at what counts as a kink."""


def formula(case: Case) -> Reference:
    """The formula of the method's paper."""
    formulas: dict[str, Reference] = {
        "batch": batch.reference,
        "layer": partial(group.reference, groups=1),
        "instance": instance.reference,
        "group": partial(group.reference, groups=default_groups(case.shape[1])),
        "channel_layer": channel_layer.reference,
        "rms": rms.reference,
    }
    return formulas[case.method]


def expected(case: Case, inputs: Inputs) -> dict[str, Tensor]:
    """What a step must give, in float64.

    Where the activation has a kink so near that rounding decides which side a value lies on, the
    upstream gradient is set to 0, for all paths: neither side is wrong there.

    Returns:
        What `Step.named` returns, by the same names.

    >>> from normkit.bench.inputs import inputs
    >>> case = Case("rms", "contiguous", "float32", (2, 4, 3, 3))
    >>> list(expected(case, inputs(case)))
    ['output', 'input', 'weight']
    """
    trains = case.direction == "training"
    state = {name: value.double() for name, value in inputs.state.items()}
    given = {"input": inputs.x.double()}
    if inputs.residual is not None:
        given["residual"] = inputs.residual.double()
    parameters = {name: value for name, value in state.items() if name not in STATISTICS}
    wanted = given | parameters
    for tensor in wanted.values():
        tensor.requires_grad_(trains)
    z = formula(case)(given["input"], state, trains)
    if "residual" in given:
        z = z + given["residual"]
    act = resolve_activation(case.act)
    y = z if act is None else act(z)
    found = {"output": y.detach()}
    if not trains:
        return found
    if act is not None:
        inputs.upstream.masked_fill_(_near_a_kink(act, z.detach(), TOLERANCE[case.dtype]), 0)
    gradients = torch.autograd.grad(y, list(wanted.values()), inputs.upstream.double())
    found |= dict(zip(wanted, gradients, strict=True))
    if case.method == "batch":
        counted = state | {"num_batches_tracked": torch.zeros(())}
        moved = batch.statistics(given["input"].detach(), counted)
        found |= {name: moved[name] for name in STATISTICS}
    return found


def _near_a_kink(act: Callable[[Tensor], Tensor], z: Tensor, distance: float) -> Tensor:
    return (_slope(act, z + distance) - _slope(act, z - distance)).abs() > _KINK


def _slope(act: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    z.requires_grad_()
    (slope,) = torch.autograd.grad(act(z).sum(), z)
    return slope


def error(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest error of any tensor, as a share of the largest value expected in it.

    Infinite where a tensor is missing, has another shape, or is not finite.

    >>> one, two = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5])
    >>> error({"output": two}, {"output": one}), error({}, {"output": one})
    (0.25, inf)
    """
    return max(_error(got.get(name), tensor) for name, tensor in expected.items())


def _error(got: Tensor | None, expected: Tensor) -> float:
    if got is None or got.shape != expected.shape:
        return math.inf
    if not expected.numel():
        return 0.0
    largest = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    found = ((got.double() - expected).abs().max() / largest).item()
    return found if math.isfinite(found) else math.inf
