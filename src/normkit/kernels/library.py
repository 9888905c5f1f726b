"""The operators of `torch.ops.normkit`: defined here, in C++ for the CPU, in Triton for GPUs."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normkit.kernels.schemas import ON_CPU_ALONE, SCHEMAS

_SWITCH = "NORMKIT_KERNELS"
_INTERPRETER = "interpreter"
"""What the switch is set to where Triton's kernels run on the CPU, to be tested without a GPU."""

Shape = tuple[int, ...]
Normalised = tuple[Tensor, Tensor, Tensor, Tensor]
Gradients = tuple[Tensor, Tensor, Tensor, Tensor]

_LIBRARY = torch.library.Library("normkit", "FRAGMENT")  # type: ignore[no-untyped-call]


def _switch() -> str:
    return os.environ.get(_SWITCH, "").lower()


def _switched_off() -> str | None:
    if _switch() not in {"0", "off"}:
        return None
    return f"the kernels are switched off by {_SWITCH}={os.environ[_SWITCH]}"


def _load() -> str | None:
    """Loads the operators for the CPU; returns why there are none, or None."""
    if (off := _switched_off()) is not None:
        return off
    if _switch() == _INTERPRETER:
        os.environ.setdefault("TRITON_INTERPRET", "1")
        _register_triton("CPU")
        return _no_triton()
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


def _register_triton(key: str) -> None:
    """Hands in the operators of `normkit.kernels.cuda`, which is imported with the first call."""
    for name in SCHEMAS:
        if name not in ON_CPU_ALONE:
            _LIBRARY.impl(name, _in_triton(name), key)  # type: ignore[no-untyped-call]


def _in_triton(name: str) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        return import_module("normkit.kernels.cuda").operator(name)(*arguments)

    return run


def _no_triton() -> str | None:
    """Why there are no operators in Triton; None where there are."""
    if find_spec("triton") is None:
        return "the kernels for GPUs are in Triton, which is not installed: pip install triton"
    return None


_CAPABILITY = (8, 0)
_MISSING_ON_GPU: dict[int, str | None] = {}


def _missing_on_gpu(index: int) -> str | None:
    """Why there are none for a GPU; asked once of each."""
    if index not in _MISSING_ON_GPU:
        _MISSING_ON_GPU[index] = _switched_off() or _refused(index) or _no_triton()
    return _MISSING_ON_GPU[index]


# The compiler takes the answer as a constant. This is what torch.compiler.assume_constant_result
# sets, which would load the compiler.
_missing_on_gpu._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _refused(index: int) -> str | None:
    if torch.version.hip is not None:
        return "the kernels are for GPUs of NVIDIA; this PyTorch is for those of AMD"
    if torch.cuda.get_device_capability(index) < _CAPABILITY:
        name = torch.cuda.get_device_name(index)
        return f"Triton's kernels need compute capability 8.0 or later, which {name} has not"
    return None


def missing(x: Tensor) -> str | None:
    """Why there are no operators for the device of a tensor; None where there are."""
    if x.is_cpu:
        return MISSING
    if x.is_cuda:
        return _missing_on_gpu(x.device.index)
    return f"the kernels run on CPUs and CUDA GPUs; the input is on {x.device}"


def missing_on(device: str) -> str | None:
    """The same of `cpu` or `cuda`, as far as it can be told where there is no such device."""
    return MISSING if device == "cpu" else _switched_off() or _no_triton()


def triton_version() -> str | None:
    """Triton's own, whatever its package is called; None where there is none."""
    return str(import_module("triton").__version__) if find_spec("triton") else None


for _name, _schema in SCHEMAS.items():
    _LIBRARY.define(_name + _schema)  # type: ignore[no-untyped-call]
_register_triton("CUDA")
MISSING = _load()
"""Why there are no operators for the CPU; None where there are."""


def is_in_triton(x: Tensor) -> bool:
    """Whether the operators for the device of a tensor are in Triton."""
    return not x.is_cpu or _switch() == _INTERPRETER


def sign_bytes(input: Tensor) -> int:  # noqa: A002
    """How many bytes hold a bit for each value; as `kernels/cuda/signs.py` has it."""
    samples, channels, *rest = input.shape
    positions = 1
    for size in rest:
        positions = positions * size
    if input.is_contiguous() and positions > 1:
        return samples * channels * ((positions + 7) // 8)
    return samples * positions * ((channels + 7) // 8)


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
    return torch.empty_like(input), mean, variance, empty_signs(input, keeps_signs, over_batch)


def empty_signs(input: Tensor, keeps_signs: bool, over_batch: bool = True) -> Tensor:  # noqa: A002
    """Room for the signs of every value, or for none."""
    if is_in_triton(input):
        return input.new_empty((sign_bytes(input) if keeps_signs else 0,), dtype=torch.uint8)
    size = sign_words(input, over_batch) if keeps_signs else 0
    return input.new_empty((size,), dtype=torch.int32)


def empty_gradients(
    input: Tensor,  # noqa: A002
    weight: Tensor | None,
    bias: Tensor | None,
    wants_input: bool,
    wants_residual: bool,
) -> Gradients:
    """Room for the gradients, or for none where one is not wanted."""
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
        return torch.empty_like(input), empty_signs(input, keeps_signs)

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
        return empty_gradients(input, weight, bias, wants_input, wants_residual)

    @_fake("batch_moments")
    def _(input):  # type: ignore[no-untyped-def]  # noqa: A002
        return tuple(input.new_empty((input.shape[1],), dtype=torch.float64) for _ in range(2))

    @_fake("sync_batch_norm_backward")
    def _(upstream, input, *options):  # type: ignore[no-untyped-def]  # noqa: A002
        of_input, *_, of_residual = empty_gradients(input, None, None, True, options[-1])
        return of_input, of_residual

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


_register_fakes()
