"""The operators of `csrc`, as `torch.ops.normkit` has them, where they were built."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

_SWITCH = "NORMKIT_KERNELS"

Shape = tuple[int, ...]
Normalised = tuple[Tensor, Tensor, Tensor, Tensor]


def _load() -> str | None:
    """Loads the operators; returns why there are none, or None."""
    switch = os.environ.get(_SWITCH, "")
    if switch.lower() in {"0", "off"}:
        return f"the kernels are switched off by {_SWITCH}={switch}"
    built = sorted(Path(__file__).parent.glob("_cpu*.so"))
    if not built:
        return (
            "normkit was installed without its kernels for the CPU; see that there is a C++20 "
            "compiler, such as g++ 12, and install it anew: "
            "pip install --force-reinstall --no-deps --no-cache-dir normkit"
        )
    try:
        torch.ops.load_library(str(built[0]))  # type: ignore[no-untyped-call]
    except OSError as error:
        return f"the kernels for the CPU do not load beside this PyTorch: {error}"
    return None


MISSING = _load()
"""Why there are no operators; None where there are."""


def sign_words(input: Tensor, over_batch: bool) -> int:  # noqa: A002
    """How many words hold a bit for each value of `(N, C, *)`; as csrc/loops has it."""
    samples, channels, *rest = input.shape
    positions = 1
    for size in rest:
        positions = positions * size

    def words(count: int) -> int:
        return (count + 255) // 256 * 8

    if input.is_contiguous():
        return samples * channels * words(positions)
    if over_batch:
        samples, positions = 1, samples * positions
    fold = max(min((256 + channels - 1) // channels, positions // 16), 1)
    return samples * ((positions + fold - 1) // fold) * words(fold * channels)


def _normalised(input: Tensor, statistics: int, keeps_signs: bool, over_batch: bool) -> Normalised:  # noqa: A002
    """The output, so many means and variances, and the signs."""
    mean, variance = (input.new_empty((statistics,), dtype=torch.float64) for _ in range(2))
    return torch.empty_like(input), mean, variance, _signs(input, keeps_signs, over_batch)


def _signs(input: Tensor, keeps_signs: bool, over_batch: bool = True) -> Tensor:  # noqa: A002
    size = sign_words(input, over_batch) if keeps_signs else 0
    return input.new_empty((size,), dtype=torch.int32)


def _gradients(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    wants_input: bool,
    wants_residual: bool,
) -> Normalised:
    wanted = (input if wants_input else None, weight, bias, input if wants_residual else None)
    of_input, of_weight, of_bias, of_residual = (
        # Each its own, since an operator's results share no memory.
        input.new_empty((0,), dtype=torch.int32) if like is None else torch.empty_like(like)
        for like in wanted
    )
    return of_input, of_weight, of_bias, of_residual


def _fake(*names: str) -> Callable[[Callable[..., object]], None]:
    """Registers the function below for the operators of these names."""

    def register(shapes: Callable[..., object]) -> None:
        for name in names:
            torch.library.register_fake(f"normkit::{name}", shapes)

    return register


def _register_fakes() -> None:
    """Tells the compiler the shapes of what the operators return."""

    @_fake("batch_norm")
    def _(input, residual, weight, bias, eps, act, slope, keeps_signs):  # type: ignore[no-untyped-def]  # noqa: A002
        return _normalised(input, input.shape[1], keeps_signs, over_batch=True)

    @_fake("batch_norm_moving")
    def _(input, *options):  # type: ignore[no-untyped-def]  # noqa: A002
        return _normalised(input, input.shape[1], options[-1], over_batch=True)

    @_fake("group_norm")
    def _(input, residual, weight, bias, groups, eps, act, slope, keeps_signs):  # type: ignore[no-untyped-def]  # noqa: A002
        return _normalised(input, input.shape[0] * groups, keeps_signs, over_batch=False)

    @_fake("apply_statistics")
    def _(input, residual, weight, bias, mean, variance, eps, act, slope, keeps_signs):  # type: ignore[no-untyped-def]  # noqa: A002
        return torch.empty_like(input), _signs(input, keeps_signs)

    @_fake("channel_norm", "fresh_like")
    def _(input, *_):  # type: ignore[no-untyped-def]  # noqa: A002
        return torch.empty_like(input)

    @_fake(
        "batch_norm_backward",
        "group_norm_backward",
        "apply_statistics_backward",
        "channel_norm_backward",
    )
    def _(upstream, input, residual, weight, bias, *options):  # type: ignore[no-untyped-def]  # noqa: A002
        *_, wants_input, wants_residual = options
        return _gradients(input, weight, bias, wants_input, wants_residual)

    @_fake("update_running")
    def _(*_):  # type: ignore[no-untyped-def]
        return None


def fresh_like(input: Tensor) -> Tensor:  # noqa: A002
    """A new tensor like another, as the kernels allocate their outputs; its values are not set.

    >>> fresh_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    if MISSING is not None or input.device.type != "cpu":
        return torch.empty_like(input)
    new: Tensor = torch.ops.normkit.fresh_like.default(input)
    return new


if MISSING is None:
    _register_fakes()
