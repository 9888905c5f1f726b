"""Every kernel for GPUs compiles for one, which takes no GPU; none adds up by float atomics."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.kernels.interpreter import not_in_interpreter

triton = pytest.importorskip("triton")

import triton.language as tl  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from normkit.kernels.cuda import gradients, moments, normalise, positions, running  # noqa: E402

pytestmark = [
    not_in_interpreter("what is interpreted is not compiled"),
    pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION"),
]

HOPPER = GPUTarget("cuda", 90, 32)
MAPS = {"x", "residual", "output", "upstream", "of_input", "of_residual"}
DOUBLES = {"mean", "variance", "mean_of_parts"}
OTHERS = {"signs": "*u8", "count": "*i64"}
FLOATS = {
    *("weight", "bias", "of_weight", "of_bias", "tilt", "offset", "square", "square_of_parts"),
    *("plain", "product", "running_mean", "running_var", "parts"),
}
MATRIX = {"COMPUTED": tl.float32, "ROWS": 32, "COLUMNS": 64}
GROUPS = {"UNITS": 32, "GROUPS": 32}
POSITIONS = {"KIND": 1, "CENTRED": True, "COMPUTED": tl.float32, "POSITIONS": 16, "VALUES": 128}

KERNELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "moments of columns": (moments.moments, {**MATRIX, "PLANES": False}),
    "moments of planes": (moments.moments, {**MATRIX, "PLANES": True}),
    "statistics": (moments.statistics, GROUPS),
    "normalise columns": (normalise.normalise, {**MATRIX, "PLANES": False, "KIND": 1}),
    "normalise planes": (normalise.normalise, {**MATRIX, "PLANES": True, "KIND": 5}),
    "sums of columns": (normalise.sums, {**MATRIX, "PLANES": False, "KIND": 1}),
    "sums of planes": (normalise.sums, {**MATRIX, "PLANES": True, "KIND": 4}),
    "gradient of columns": (normalise.gradient, {**MATRIX, "PLANES": False, "KIND": 1}),
    "gradient of planes": (normalise.gradient, {**MATRIX, "PLANES": True, "KIND": 6}),
    "of channels": (
        gradients.of_channels,
        {"COMPUTED": tl.float32, "UNITS": 32, "CHANNELS": 32},
    ),
    "of groups": (gradients.of_groups, {"COMPUTED": tl.float32, **GROUPS}),
    "running statistics": (running._move, {"SIZE": 1024}),
    "normalise positions": (positions.normalise_positions, POSITIONS),
    "differentiate positions": (positions.differentiate_positions, {**POSITIONS, "WHOLE": True}),
    "differentiate long ones": (positions.differentiate_positions, {**POSITIONS, "WHOLE": False}),
    "together": (positions.together, {"PROGRAMS": 32, "VALUES": 32}),
}


def kind_of(parameter: Any, options: dict[str, Any]) -> str:
    """What a kernel is compiled for that is given tensors of bfloat16."""
    name = parameter.name
    if name in options:
        return "constexpr"
    if name == "output" and "PROGRAMS" in options:
        return "*fp32"
    if name in OTHERS:
        return OTHERS[name]
    if name == "parts" and "PROGRAMS" not in options:
        return "i32"
    for names, kind in ((MAPS, "*bf16"), (DOUBLES, "*fp64"), (FLOATS, "*fp32")):
        if name in names:
            return kind
    return parameter.annotation_type or "i32"


@pytest.mark.parametrize("name", KERNELS)
def test_it_compiles_for_hopper(name: str) -> None:
    kernel, options = KERNELS[name]
    kinds = {parameter.name: kind_of(parameter, options) for parameter in kernel.params}
    aligned = {
        (at,): [["tt.divisibility", 16]]
        for at, kind in enumerate(kinds.values())
        if kind.startswith("*")
    }
    made = triton.compile(ASTSource(kernel, kinds, options, aligned), target=HOPPER)
    assert not re.findall(r"\b(?:atom|red)\.global\S*", made.asm["ptx"])
