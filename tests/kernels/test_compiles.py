"""Every kernel for GPUs compiles for one, which takes no GPU; none adds up by float atomics.

Those that hold most at once find room in the registers, and spill nothing to memory.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kernels.interpreter import not_in_interpreter

triton = pytest.importorskip("triton")

import triton.language as tl  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from normkit.kernels import activation  # noqa: E402
from normkit.kernels.cuda import (  # noqa: E402
    gradients,
    moments,
    normalise,
    operators,
    positions,
    running,
    values,
)

pytestmark = [
    not_in_interpreter("what is interpreted is not compiled"),
    pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION"),
]

HOPPER = GPUTarget("cuda", 90, 32)
MAPS = {"x", "residual", "output", "upstream", "of_input", "of_residual"}
DOUBLES = {"mean", "variance", "mean_of_parts"}
OTHERS = {"signs": "*u8", "count": "*i64", "batches": "*i64"}
FLOATS = {
    *("weight", "bias", "of_weight", "of_bias", "tilt", "offset", "square", "square_of_parts"),
    *("plain", "product", "running_mean", "running_var", "parts", "standards"),
}
MATRIX = {"COMPUTED": tl.float32, "ROWS": 32, "COLUMNS": 64, "ALIGNED": 4}
GROUPS = {"UNITS": 32, "GROUPS": 32}
POSITIONS = {
    **{"KIND": 1, "CENTRED": True, "COMPUTED": tl.float32, "POSITIONS": 16, "VALUES": 128},
    **{"ADJACENT": True, "ALIGNED": 16},
}

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
        {"COMPUTED": tl.float32, "UNITS": 256, "CHANNELS": 8, "OF_SAMPLES": False},
    ),
    "of channels of samples": (
        gradients.of_channels,
        {"COMPUTED": tl.float32, "UNITS": 32, "CHANNELS": 32, "OF_SAMPLES": True},
    ),
    "of groups": (gradients.of_groups, {"COMPUTED": tl.float32, **GROUPS}),
    "running statistics": (running.move, {"SIZE": 1024}),
    "normalise positions": (positions.normalise_positions, POSITIONS),
    "differentiate positions": (positions.differentiate_positions, {**POSITIONS, "WHOLE": True}),
    "differentiate long ones": (positions.differentiate_positions, {**POSITIONS, "WHOLE": False}),
    "differentiate distant ones": (
        positions.differentiate_positions,
        {**POSITIONS, "ADJACENT": False, "WHOLE": True},
    ),
    "sums of values": (
        values.sums_of_values,
        {"KIND": 1, "COMPUTED": tl.float32, "ALIGNED": 16, "ROWS": 32, "COLUMNS": 64},
    ),
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


@pytest.mark.parametrize("counts", ["many of each", "one of each"])
@pytest.mark.parametrize("name", KERNELS)
def test_it_compiles_for_hopper(name: str, counts: str) -> None:
    kernel, options = KERNELS[name]
    kinds = {parameter.name: kind_of(parameter, options) for parameter in kernel.params}
    if counts == "one of each":
        # Triton compiles a kernel anew where a whole number is 1, which is a constant then.
        of_one = {name: 1 for name, kind in kinds.items() if kind == "i32"}
        kinds, options = kinds | dict.fromkeys(of_one, "constexpr"), options | of_one
    aligned = {
        (at,): [["tt.divisibility", 16]]
        for at, kind in enumerate(kinds.values())
        if kind.startswith("*")
    }
    made = triton.compile(ASTSource(kernel, kinds, options, aligned), target=HOPPER)
    assert not re.findall(r"\b(?:atom|red)\.global\S*", made.asm["ptx"])


MAPS_OF_A_NETWORK = {
    "planes of 7 × 7": ((64, 512, 7, 7), torch.contiguous_format),
    "planes of 14 × 14": ((64, 256, 14, 14), torch.contiguous_format),
    "channels-last": ((64, 256, 14, 14), torch.channels_last),
}
KINDS = {torch.bfloat16: "*bf16", torch.float32: "*fp32", torch.float64: "*fp64"}


@pytest.mark.parametrize("where", MAPS_OF_A_NETWORK)
def test_a_backward_spills_nothing(
    where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launched: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {}

    def launch(kernel: Any, *values: Any, grid: Any, warmup: bool, **named: Any) -> None:
        names = [parameter.name for parameter in kernel.params]
        given = dict(zip(names, values, strict=False))
        given |= {name: named.pop(name) for name in names if name in named}
        launched[kernel.fn.__name__] = kernel, given, named

    monkeypatch.setattr(triton.JITFunction, "run", launch)
    shape, layout = MAPS_OF_A_NETWORK[where]
    x = torch.empty(shape, dtype=torch.bfloat16, device="meta").contiguous(memory_format=layout)
    weight = torch.empty(shape[1], device="meta")
    statistic = torch.empty(shape[1], dtype=torch.float64, device="meta")
    maps, vectors, asked = (x, x, x), (weight, weight), (1e-5, activation.SILU, 0.0, True, True)
    operators.batch_norm_backward(*maps, *vectors, statistic, statistic, None, *asked)
    operators.channel_norm_backward(*maps, *vectors, shape[1], False, True, *asked)
    for name in ("sums", "gradient", "differentiate_positions"):
        assert stack_of(*launched[name], tmp_path / "cubin") == 0, name
    if layout is torch.contiguous_format:
        size = x[0].numel()
        vectors = (torch.empty(size, device="meta"),) * 2
        operators.channel_norm_backward(*maps, *vectors, size, True, True, *asked)
        for name in ("sums_of_values", "differentiate_positions"):
            assert stack_of(*launched[name], tmp_path / "cubin") == 0, f"{name}, long"


def stack_of(kernel: Any, given: dict[str, Any], options: dict[str, Any], file: Path) -> int:
    """Bytes of memory that each thread of a kernel takes, compiled as it would be launched."""
    kinds, constants, aligned = {}, {}, {}
    for at, parameter in enumerate(kernel.params):
        name, value = parameter.name, given[parameter.name]
        is_tensor, is_count = isinstance(value, torch.Tensor), isinstance(value, int)
        if parameter.is_constexpr or value is None or (is_count and value == 1):
            kinds[name], constants[name] = "constexpr", value
            continue
        kinds[name] = KINDS[value.dtype] if is_tensor else parameter.annotation_type or "i32"
        if is_tensor or (is_count and value % 16 == 0):
            aligned[(at,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, kinds, constants, aligned)
    file.write_bytes(triton.compile(source, target=HOPPER, options=options).asm["cubin"])
    told = subprocess.run(
        [triton.knobs.nvidia.cuobjdump.path, "-res-usage", file],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(re.findall(r"STACK:(\d+)", told)[0])
