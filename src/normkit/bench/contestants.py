"""The paths that a case can take: PyTorch's, compiled or not, oneDNN's and normkit's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normkit.bench.cases import DTYPES, Case
from normkit.bench.pytorch import layer as pytorch_layer
from normkit.functional.activation import resolve_activation
from normkit.nn.catalogue import make
from normkit.nn.explain import explain

Change = Callable[[Tensor], Tensor]

IN_PLACE: Mapping[str, Change] = MappingProxyType(
    {
        "relu": F.relu_,
        "relu6": partial(F.relu6, inplace=True),
        "leaky_relu": F.leaky_relu_,
        "elu": F.elu_,
        "selu": F.selu_,
        "celu": F.celu_,
        "silu": partial(F.silu, inplace=True),
        "mish": partial(F.mish, inplace=True),
        "hardswish": partial(F.hardswish, inplace=True),
        "hardtanh": F.hardtanh_,
        "sigmoid": torch.sigmoid_,
        "tanh": torch.tanh_,
    }
)
"""The activations that PyTorch has in place."""


@dataclass(frozen=True)
class Path:
    """One way to compute a case, with a layer of its own.

    Args:
        layer: what holds the parameters and running statistics.
        forward: the input and the residual → the output.
        how: the input and the residual → what computes them, in words.
        dtype: of the parameters, where they cannot be in the precision that is asked for.
        enter: brings a tensor into the format that the path works in; not timed.
        leave: brings one back.
    """

    layer: nn.Module
    forward: Callable[[Tensor, Tensor | None], Tensor]
    how: Callable[[Tensor, Tensor | None], str]
    dtype: torch.dtype | None = None
    enter: Change = field(default=lambda tensor: tensor)
    leave: Change = field(default=lambda tensor: tensor)


@dataclass(frozen=True)
class Contestant:
    """A path by name.

    Args:
        name: in the results.
        label: in tables and charts.
        path: makes the path of a case.
        applies: whether it has one.
    """

    name: str
    label: str
    path: Callable[[Case], Path]
    applies: Callable[[Case], bool] = field(default=lambda case: True)


def contestants(case: Case, compiled: bool = False) -> list[Contestant]:
    """The paths of a case, normkit's last.

    >>> [each.name for each in contestants(Case("rms", "contiguous", "float32", (2, 4, 3, 3)))]
    ['eager', 'eager_in_place', 'normkit']
    """
    left_out = () if compiled else (COMPILED, AUTOTUNED)
    return [each for each in ALL if each.applies(case) and each not in left_out]


def _eager(case: Case) -> Path:
    """The norm, then the sum, then the activation, each into an output of its own."""
    layer, act = pytorch_layer(case), resolve_activation(case.act)

    def forward(x: Tensor, residual: Tensor | None) -> Tensor:
        y = layer(x)
        if residual is not None:
            y = y + residual
        return y if act is None else act(y)

    return Path(layer, forward, _told(_described(case, layer)), _parameters(case))


def _eager_in_place(case: Case) -> Path:
    """The norm into an output, the sum and the activation in it."""
    layer = pytorch_layer(case)
    act = None if case.act is None else IN_PLACE.get(case.act, resolve_activation(case.act))

    def forward(x: Tensor, residual: Tensor | None) -> Tensor:
        y: Tensor = layer(x)
        if residual is not None:
            y += residual
        return y if act is None else act(y)

    told = _told(f"{_described(case, layer)}, in place")
    return Path(layer, forward, told, _parameters(case))


def _parameters(case: Case) -> torch.dtype | None:
    """On a GPU PyTorch's group and layer norm refuse a map of half precision beside float32."""
    if case.device == "cpu" or case.method in ("batch", "instance"):
        return None
    return DTYPES[case.dtype]


def _has_in_place(case: Case) -> bool:
    return case.residual or case.act in IN_PLACE


def _compiled(case: Case, mode: str | None = None) -> Path:
    """What PyTorch's compiler makes of the eager path, for this shape alone."""
    eager = _eager(case)
    how = _told(f"compiled{f', {mode}' if mode else ''}: {_described(case, eager.layer)}")
    forward = torch.compile(eager.forward, dynamic=False, mode=mode)
    return Path(eager.layer, forward, how, eager.dtype)


def _on_gpu(case: Case) -> bool:
    return case.device == "cuda"


def _onednn(case: Case) -> Path:
    """The eager path on tensors in oneDNN's own format, brought into it beforehand."""
    eager = _eager(case)
    how = _told(f"oneDNN: {_described(case, eager.layer)}")
    return Path(eager.layer, eager.forward, how, enter=_to_onednn, leave=_from_onednn)


def _to_onednn(tensor: Tensor) -> Tensor:
    return tensor.to_mkldnn()


def _from_onednn(tensor: Tensor) -> Tensor:
    return tensor.to_dense() if tensor.is_mkldnn else tensor


def _has_onednn(case: Case) -> bool:
    # The format is neither of the layouts, so it takes part once.
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and (case.device, case.method) == ("cpu", "batch")
        and (case.layout, case.dtype) == ("contiguous", "float32")
        and case.act in (None, "relu")
    )


def _normkit(case: Case) -> Path:
    """normkit's layer, the residual and the activation in the same call."""
    layer = make(case.method, case.shape[1], act=case.act)
    return Path(layer, layer, lambda x, residual: explained(layer, x, residual))


def explained(layer: nn.Module, x: Tensor, residual: Tensor | None) -> str:
    """How a layer of normkit computes these: by a kernel, or by the formula and why."""
    return f"normkit {type(layer).__name__}, {explain(layer, x, residual=residual)}"


def _told(words: str) -> Callable[[Tensor, Tensor | None], str]:
    return lambda x, residual: words


def _described(case: Case, layer: nn.Module) -> str:
    steps = [f"torch {type(layer).__name__}"]
    steps += ["sum"] if case.residual else []
    return ", ".join(steps if case.act is None else [*steps, case.act])


EAGER = Contestant("eager", "eager", _eager)
IN_PLACE_EAGER = Contestant("eager_in_place", "in place", _eager_in_place, _has_in_place)
COMPILED = Contestant("compile", "compile", _compiled)
AUTOTUNED = Contestant(
    "compile_max_autotune",
    "max-autotune",
    # Without graphs of its own: it would copy every input into them, as no network has it do.
    partial(_compiled, mode="max-autotune-no-cudagraphs"),
    _on_gpu,
)
ONEDNN = Contestant("onednn", "oneDNN", _onednn, _has_onednn)
NORMKIT = Contestant("normkit", "normkit", _normkit)
ALL = (EAGER, IN_PLACE_EAGER, COMPILED, AUTOTUNED, ONEDNN, NORMKIT)
