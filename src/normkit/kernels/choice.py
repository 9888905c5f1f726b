"""Which way a call goes: a kernel, or the plain formula, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from normkit.kernels import lean
from normkit.kernels.activation import NONE, Act, fused
from normkit.kernels.library import is_in_triton, missing

_transforms = torch._C._functorch.get_dynamic_layer_stack_depth

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class Choice(NamedTuple):
    """How one call was computed.

    Attributes:
        function: the name of the formula.
        refusal: why no kernel took it; None where one did.
        how: which kernel, and what it does in its pass.
        kept: what `normkit.lean` does with the output; empty outside.
    """

    function: str
    refusal: str | None
    how: str
    kept: str = ""


class Ending(NamedTuple):
    """act(y + residual), as a kernel takes it.

    Attributes:
        kind: of the activation.
        slope: of the activation.
        residual: in the layout of the input.
        act: what is left to be applied to the kernel's output, where it has no such activation.
    """

    kind: int
    slope: float
    residual: Tensor | None
    act: Act


_disabled = 0
_observer: list[Choice] | None = None


@contextmanager
def disabled() -> Iterator[None]:
    """Runs the plain formula of every layer inside.

    >>> import normkit as nk
    >>> with nk.kernels.disabled():
    ...     print(nk.explain(nk.nn.BatchNorm2d(8), torch.randn(4, 8, 5, 5)))
    batch_norm: the plain formula, since the kernels are switched off here
    """
    global _disabled
    _disabled += 1
    try:
        yield
    finally:
        _disabled -= 1


def is_disabled() -> bool:
    """Whether this is inside `disabled`."""
    return _disabled > 0


@contextmanager
def observed() -> Iterator[list[Choice]]:
    """Collects the choices that are made inside."""
    global _observer
    before, _observer = _observer, []
    try:
        yield _observer
    finally:
        _observer = before


def choose(
    function: str,
    input: Tensor,  # noqa: A002
    act: Act,
    residual: Tensor | None,
    *affine: Tensor | None,
    given: tuple[Tensor, ...] = (),
    mask: Tensor | None = None,
    trailing: bool = False,
    over_processes: bool = False,
) -> Ending | None:
    """What a kernel is to end with, where one takes the call; otherwise None.

    Args:
        function: the name of the formula.
        input: `(N, C, *)`.
        act: the activation.
        residual: of the shape of `input`, or None.
        affine: γ and β, one value per channel each, or None.
        given: statistics that do not come of the input, one value per channel each.
        mask: what is left out; None where all counts.
        trailing: whether it is over the last values of memory, whatever the axes mean.
        over_processes: whether the statistics are over the batches of several processes.
    """
    refusal = _refusal_over_processes(input) if over_processes else None
    if refusal is None:
        refusal = _refusal(input, residual, affine + given if given else affine, mask)
    if refusal is None and given and any(statistic.requires_grad for statistic in given):
        refusal = "the statistics ask for a gradient"
    if refusal is None and trailing and not input.is_contiguous():
        refusal = "the input is not contiguous"
    if _observer is not None:
        how = "" if refusal else _how(input, act, residual)
        # A formula that sends messages is not run again.
        is_rebuilt = refusal is None or not over_processes
        _observer.append(Choice(function, refusal, how, lean.told() if is_rebuilt else ""))
    if refusal is not None:
        return None
    if residual is not None and residual.stride() != input.stride():
        residual = _in_layout_of(input, residual)
    known = fused(act)
    if known is None:
        return Ending(NONE, 0.0, residual, act)
    return Ending(*known, residual, None)


def _in_layout_of(input: Tensor, other: Tensor) -> Tensor:  # noqa: A002
    if input.is_contiguous():
        return other.contiguous()
    return other.movedim(1, -1).contiguous().movedim(-1, 1)


def is_channels_last(input: Tensor) -> bool:  # noqa: A002
    """Whether the channels of a position are adjacent, and the positions in order.

    >>> is_channels_last(torch.zeros(2, 5, 3).transpose(1, 2))
    True
    """
    memory_format = _CHANNELS_LAST.get(input.ndim)
    if memory_format is not None:
        return input.is_contiguous(memory_format=memory_format)
    return input.ndim > 2 and input.movedim(1, -1).is_contiguous()


def _refusal(
    x: Tensor,
    residual: Tensor | None,
    vectors: tuple[Tensor | None, ...],
    mask: Tensor | None,
) -> str | None:
    """Why no kernel takes a call; None where one does.

    One function for all reasons, since on small maps the calls of several would be felt.
    """
    if _disabled:
        return "the kernels are switched off here"
    if mask is not None:
        return "no kernel leaves values out by a mask"
    if (context := refused_context()) is not None:
        return context
    if type(x) is not Tensor and type(x) is not Parameter:
        return f"the input is a {type(x).__name__}"
    device = x.device
    if (none := missing(x)) is not None:
        return none
    if x.dtype not in DTYPES:
        return f"the kernels take float64, float32, bfloat16 and float16; the input is {x.dtype}"
    if x.layout is not torch.strided:
        return f"the input is not strided but {x.layout}"
    if x.numel() == 0:
        return "the input is empty"
    if not x.is_contiguous() and not is_channels_last(x):
        return "the input is neither contiguous nor channels-last"
    if residual is not None:
        if residual.shape != x.shape or residual.dtype != x.dtype or residual.device != device:
            return "the residual has another shape, dtype or device than the input"
        if type(residual) is not Tensor and type(residual) is not Parameter:
            return f"the residual is a {type(residual).__name__}"
    for vector in vectors:
        if vector is None:
            continue
        if vector.dtype not in DTYPES or vector.device != device or not vector.is_contiguous():
            return "weight, bias and statistics are to be contiguous vectors beside the input"
        if type(vector) is not Parameter and type(vector) is not Tensor:
            return f"weight, bias or statistics are a {type(vector).__name__}"
    return None


def _refusal_over_processes(x: Tensor) -> str | None:
    if torch.compiler.is_compiling():
        return "a compiled graph sends messages by the formula"
    if not is_in_triton(x):
        return "no kernel for the CPU has statistics over several processes"
    return None


def refused_context() -> str | None:
    """Why only a formula that PyTorch can look into is right here; None where it need not."""
    if _transforms() > 0:
        return "a transform of torch.func needs the formula itself"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation needs the formula itself"
    compiles = torch.compiler.is_compiling()
    if torch.compiler.is_exporting() if compiles else torch._C._is_tracing():
        return "an exported graph holds the formula itself"
    return None


def _how(x: Tensor, act: Act, residual: Tensor | None) -> str:
    layout = "contiguous" if x.is_contiguous() else "channels-last"
    dtype = str(x.dtype).removeprefix("torch.")
    parts = ["norm"]
    if residual is not None:
        parts.append("residual")
    last = ""
    if act is not None:
        name = act if isinstance(act, str) else getattr(act, "__name__", type(act).__name__)
        if fused(act) is None:
            last = f", then {name}, which no kernel has"
        else:
            parts.append(name)
    device = "GPU" if x.is_cuda else "CPU"
    return f"a kernel for the {device}, {' + '.join(parts)} in one pass over {layout} {dtype}{last}"
