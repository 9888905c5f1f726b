"""Whether a path computes what it should: its step against the formula in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from normkit.bench.cases import DTYPES, Case
from normkit.bench.inputs import Inputs
from normkit.bench.step import STATISTICS
from normkit.functional.activation import resolve_activation
from normkit.nn.group import default_groups
from normkit.testing.methods import batch, channel_layer, group, instance, rms
from normkit.testing.problem import Reference

_UNITS = 4
"""How many units in the last place of a map's largest value its values may be off."""
_SUM_UNITS = 16
"""The same for the gradient of a parameter, which PyTorch may sum in the precision of the map."""
_MEAN_UNITS = 8
"""The same for the mean of n values, √n times as small, as where each is rounded by itself."""
_SUMS = {torch.float64: 1e-9, torch.float32: 2**-12}
"""What sums over a batch may lose, as a share of the largest value, in the precision of sums.

PyTorch's batch normalization in channels-last loses a tenth of it on the largest map of ResNet-50.
"""
MAPS = ("output", "input", "residual")
"""The output, and the gradients of what has its shape."""
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
        z = z.detach()
        near = max(_unit(case), _lost_in_sums(case)) * z.abs().max().item()
        inputs.upstream.masked_fill_(_near_a_kink(act, z, near), 0)
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


def _unit(case: Case) -> float:
    return torch.finfo(DTYPES[case.dtype]).eps


def _lost_in_sums(case: Case) -> float:
    return _SUMS[torch.promote_types(DTYPES[case.dtype], torch.float32)]


def tolerance(case: Case, name: str) -> float:
    """The largest error of a tensor in a path that is timed, as a share of its largest value.

    >>> half = Case("rms", "contiguous", "bfloat16", (2, 4, 3, 3))
    >>> [round(tolerance(half, name), 4) for name in ("output", "weight", "running_mean")]
    [0.0315, 0.1252, 0.0002]
    """
    if name in STATISTICS:
        # In float32 or better, whatever the map is in.
        return _lost_in_sums(case)
    units = _UNITS if name in MAPS else _SUM_UNITS
    return units * _unit(case) + _lost_in_sums(case)


def mean_tolerance(case: Case) -> float:
    """The largest error of a channel's mean, as a share of the root mean square of the map.

    Rounding averages out, and a wrong statistic does not: so an error that is smaller than the
    rounding of a value is seen.

    >>> one = Case("rms", "contiguous", "bfloat16", (32, 64, 56, 56))
    >>> mean_tolerance(one) < tolerance(one, "output") / 40
    True
    """
    positions = case.values // case.shape[1]
    return _MEAN_UNITS * _unit(case) / math.sqrt(positions) + _lost_in_sums(case)


def judged(
    case: Case, got: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[float, str | None]:
    """The largest error of a path, and why it is not timed; None where it is right.

    The error is a share of the largest value expected in a tensor; infinite where one is missing,
    has another shape, or is not finite.

    >>> from normkit.bench.inputs import inputs
    >>> case = Case("rms", "contiguous", "float32", (2, 4, 3, 3))
    >>> right = expected(case, inputs(case))
    >>> judged(case, right, right)
    (0.0, None)
    >>> judged(case, right | {"weight": right["weight"] * 2}, right)
    (1.0, 'weight: error 1e+00')
    """
    errors = {name: _error(got.get(name), tensor) for name, tensor in expected.items()}
    largest = max(errors.values())
    for name, off in errors.items():
        if off > tolerance(case, name):
            return largest, f"{name}: error {off:.0e}"
    for name in MAPS:
        if name in expected:
            off = _error_of_means(got[name], expected[name])
            if off > mean_tolerance(case):
                return largest, f"{name}: error {off:.0e} of a channel's mean"
    return largest, None


def _error_of_means(got: Tensor, expected: Tensor) -> float:
    size = expected.square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    return ((got.double() - expected).mean((0, 2, 3)).abs().max() / size).item()


def _error(got: Tensor | None, expected: Tensor) -> float:
    if got is None or got.shape != expected.shape:
        return math.inf
    if not expected.numel():
        return 0.0
    largest = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    found = ((got.double() - expected).abs().max() / largest).item()
    return found if math.isfinite(found) else math.inf
