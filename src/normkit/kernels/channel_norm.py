"""Layer and root mean square normalization, over the channels of each position."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from normkit.kernels.choice import Ending
from normkit.kernels.function import register_kernel, run


def register(plain: Callable[..., Tensor], centred: bool, trailing: bool) -> None:
    """Hands in a plain formula: (input, weight, bias, size, eps)."""
    register_kernel(
        _name(centred, trailing),
        "channel_norm",
        lambda input, weight, bias, size, trailing, centred, eps: plain(  # noqa: A006
            input, weight, bias, size, eps
        ),
        statistics="recomputed",
    )


def channel_norm(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    size: int,
    eps: float,
    ending: Ending,
    *,
    centred: bool,
    trailing: bool = False,
) -> Tensor:
    """Over the channels of `(N, C, *)`, or over the last `size` values together.

    Args:
        input: `(N, C, *)`, or of any shape where `trailing`.
        weight: γ, of `size` values, or None.
        bias: β, of `size` values, or None.
        size: how many values are normalised together.
        eps: ε.
        ending: act(y + residual).
        centred: whether the mean is subtracted.
        trailing: whether it is over the last values of memory.
    """
    options = (size, trailing, centred, eps)
    return run(_name(centred, trailing), input, weight, bias, ending, *options)[0]


def _name(centred: bool, trailing: bool) -> str:
    return f"{'trailing' if trailing else 'channel'}_{'layer' if centred else 'rms'}"
