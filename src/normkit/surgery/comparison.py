"""How far two outputs are apart."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from normkit.surgery.passes import Outputs
from normkit.surgery.watch import tensors_of


def largest(after: Any, before: Any) -> float:
    """The largest difference of two outputs of a model, relative to the largest value before.

    It is NaN where there is no tensor in them.

    Args:
        after: a tensor, or a tuple, list, dictionary or object with tensors in it.
        before: the same.

    Raises:
        ValueError: they do not hold tensors of the same shapes.

    >>> import torch
    >>> largest([torch.tensor([1.0, 3.0])], [torch.tensor([1.0, 2.0])])
    0.5
    """
    pairs = list(zip(tensors_of(after), tensors_of(before), strict=True))
    for one, other in pairs:
        if one.shape != other.shape:
            raise ValueError(
                f"the output had the shape {tuple(other.shape)} and now has {tuple(one.shape)}."
            )
    return max((relative(one, other) for one, other in pairs), default=float("nan"))


def relative(after: Tensor, before: Tensor) -> float:
    """The largest difference of two tensors, relative to the largest value before.

    Values that are NaN in both, or infinite alike, do not differ.

    >>> import torch
    >>> relative(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]))
    0.5
    """
    if before.numel() == 0 or not (before.is_floating_point() or before.is_complex()):
        return 0.0
    exact = torch.complex128 if before.is_complex() else torch.float64
    after, before = after.detach().to(exact), before.detach().to(exact)
    finite = before.isfinite() & after.isfinite()
    same = (after == before) | (after.isnan() & before.isnan())
    if not bool((finite | same).all()):
        return float("inf")
    distance = float((after - before)[finite].abs().max()) if bool(finite.any()) else 0.0
    scale = float(before[finite].abs().max()) if bool(finite.any()) else 0.0
    return distance / scale if scale > 0 else distance


def difference_at(module: torch.nn.Module, after: Outputs, before: Outputs) -> float | None:
    """The largest difference of what a layer returned in two passes; None where it cannot be told.

    Args:
        module: the layer.
        after: the pass after a surgery.
        before: the pass before it.
    """
    pairs = list(zip(after.of.get(module, []), before.of.get(module, []), strict=False))
    if not pairs or any(one.shape != other.shape for one, other in pairs):
        return None
    return max(relative(one, other) for one, other in pairs)


TIMES = 20
"""A surgery may change as many values by a rounding, on the way, as to differ by that often as much
as an example that is off by one."""


def check_close(
    verb: str,
    difference: float,
    like: Any,
    rounding: Callable[[], float] = lambda: 0.0,
) -> None:
    """Refuses a surgery that was to leave the output as it was, and did not.

    Args:
        verb: its name.
        difference: of the output, relative.
        like: the output before, for its precision.
        rounding: what the output differs by if the example does by a rounding, asked for where it
            matters: batch normalization of a few values multiplies roundings from layer to layer,
            and an output may be 0 but for them.

    Raises:
        ValueError: the difference is more than what rounding makes.
    """
    epsilon = max(
        (torch.finfo(t.dtype).eps for t in tensors_of(like) if t.is_floating_point()), default=0.0
    )
    if difference != difference:
        raise ValueError(
            f"{verb} compares what a model returns before and after, and finds no tensor in it: a "
            f"{type(like).__name__}. Write a module that returns what is in it."
        )
    allowed = max(1e-3, 16 * epsilon)
    if not difference <= allowed and isfinite(often := TIMES * rounding()):
        allowed = max(allowed, often)
    if not difference <= allowed:
        raise ValueError(
            f"{verb} leaves what a model computes as it is, but for rounding; here its output "
            f"would differ by {difference:.1e} of its largest value (allowed: {allowed:.0e}), so "
            "nothing was changed. A layer does something that one pass does not show; find it "
            "with where=, which chooses the sites."
        )
