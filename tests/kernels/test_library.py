"""The operators keep what they promise to PyTorch: schemas, fakes, and no value left unset."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kernels.interpreter import not_in_interpreter
from torch import Tensor

from normkit.kernels import library

NONE, RELU, GELU = 0, 1, 5
OPS = torch.ops.normkit if library.MISSING is None else None
FORMS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def tensor(form: str = "contiguous", shape: tuple[int, ...] = (2, 6, 5, 3)) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=FORMS[form])


def vectors(count: int, size: int = 6) -> list[Tensor]:
    return [torch.rand(size) + 0.5 for _ in range(count)]


def options() -> Iterator[dict[str, Any]]:
    """Layouts, activations, with and without residual, and what is wanted."""
    for form, act, residual in product(FORMS, (NONE, RELU, GELU), (False, True)):
        yield {
            "form": form,
            "act": act,
            "residual": tensor(form) if residual else None,
            "keeps_signs": residual and act == RELU,
        }


def arguments(name: str) -> Iterator[tuple[Any, ...]]:
    """Of an operator, by its name."""
    for call in options():
        x, added, act = tensor(call["form"]), call["residual"], call["act"]
        signs = call["keeps_signs"]
        ending = (act, 0.0, signs)
        weight, bias = vectors(2)
        if name == "batch_norm":
            yield (x, added, weight, bias, 1e-5, *ending)
            yield (x, added, None, None, 1e-5, *ending)
        elif name == "group_norm":
            yield (x, added, weight, bias, 3, 1e-5, *ending)
        elif name == "apply_statistics":
            yield (x, added, weight, bias, *vectors(2), 1e-5, *ending)
        elif name == "channel_norm":
            yield (x, added, weight, bias, 6, False, True, 1e-5, *ending[:2])
            if call["form"] == "contiguous":
                yield (x, added, *vectors(2, 15), 15, True, False, 1e-5, *ending[:2])


def backward_arguments(name: str) -> Iterator[tuple[Any, ...]]:
    for given in arguments(name):
        x, residual, weight, bias, *rest = given
        made = getattr(OPS, name)(*given)
        upstream = torch.randn_like(x)
        if name == "channel_norm":
            act = rest[-2]
            kept: tuple[Any, ...] = ()
            tail = rest
            asked = residual if act != NONE else None
        else:
            act, keeps_signs = rest[-3], rest[-1]
            statistics = tuple(rest[:2]) if name == "apply_statistics" else made[1:3]
            kept = (*statistics, made[-1] if keeps_signs else None)
            tail = rest[2:-1] if name == "apply_statistics" else rest[:-1]
            asked = residual if act != NONE and not keeps_signs else None
        for wants_input in (True, False):
            wants_residual = residual is not None and act != NONE
            yield (upstream, x, asked, weight, bias, *kept, *tail, wants_input, wants_residual)


FORWARD = ["batch_norm", "group_norm", "apply_statistics", "channel_norm"]
TESTS = ("test_schema", "test_faketensor")


@pytest.mark.parametrize("name", FORWARD)
def test_an_operator_returns_what_its_schema_and_its_fake_say(name: str) -> None:
    for given in arguments(name):
        torch.library.opcheck(getattr(OPS, name).default, given, test_utils=TESTS)


@pytest.mark.parametrize("name", FORWARD)
def test_so_does_its_derivative(name: str) -> None:
    operator = getattr(OPS, f"{name}_backward").default
    for given in backward_arguments(name):
        torch.library.opcheck(operator, given, test_utils=TESTS)


def test_the_operator_that_moves_statistics_says_what_it_writes_to() -> None:
    mean, variance = (torch.rand(6, dtype=torch.float64) for _ in range(2))
    given = (*vectors(2), torch.tensor(3), mean, variance, 0.1)
    torch.library.opcheck(OPS.update_running.default, given, test_utils=TESTS)


def test_batch_norm_says_which_statistics_it_writes_to() -> None:
    running = (*vectors(2), torch.tensor(3), 0.1)
    given = (torch.randn(4, 6, 5, 3), None, *vectors(2), *running, 1e-5, 1, 0.0, False)
    torch.library.opcheck(OPS.batch_norm_moving.default, given, test_utils=TESTS)


SHAPES = [(2, 3, 5, 5), (1, 1, 16, 17), (4, 300, 3, 3), (3, 17, 40, 9), (9, 6, 1, 1), (2, 5, 64, 1)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fakes_know_how_much_room_signs_need(shape: tuple[int, ...], form: str) -> None:
    x = tensor(form, shape)
    for over_batch in (True, False):
        if over_batch:
            signs = OPS.batch_norm(x, x, None, None, 1e-5, RELU, 0.0, True)[3]
        else:
            signs = OPS.group_norm(x, x, None, None, 1, 1e-5, RELU, 0.0, True)[3]
        expected = library.empty_signs(x, True, over_batch)
        assert (signs.shape, signs.dtype) == (expected.shape, expected.dtype)


def test_vectors_of_another_size_are_refused() -> None:
    for weight in (torch.ones(5), torch.ones(12)[::2]):
        with pytest.raises(RuntimeError, match="contiguous vectors of one value per channel"):
            OPS.batch_norm(tensor(), None, weight, None, 1e-5, NONE, 0.0, False)


def test_other_numbers_are_refused() -> None:
    whole = torch.ones(2, 6, 5, 3, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="float64, float32, bfloat16 and float16"):
        OPS.batch_norm(whole, None, None, None, 1e-5, NONE, 0.0, False)


PROGRAM = """
import torch
from tests.kernels.calls import METHODS, agrees_with_float64, call
torch.manual_seed(0)
tried = 0
for method in METHODS:
    for layout in ["contiguous"] if method.is_trailing else ["contiguous", "channels-last"]:
        for shape in [(3, 6, 9, 7), (1, 6, 37, 29), (9, 6, 5, 5), (2, 519, 3, 3)]:
            for act in [None, "relu", "gelu"]:
                for residual in [False, True]:
                    for dtype in [torch.float32, torch.bfloat16]:
                        agrees_with_float64(
                            call(method, shape, dtype, layout=layout, act=act, residual=residual)
                        )
                        tried += 1
print(tried)
# Where nothing has been written it shows.
unset = torch.ops.normkit.fresh_like.default(torch.ones(2, 6, 5, 3))
print(unset.isnan().all().item())
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )


@not_in_interpreter("new memory is PyTorch's own")
def test_nothing_is_left_unset_of_what_an_operator_returns() -> None:
    """With NORMKIT_POISON=1 new memory is NaN."""
    ran = run(PROGRAM, NORMKIT_POISON="1")
    assert ran.stderr == ""
    assert ran.stdout == "768\nTrue\n"


def test_a_residual_gradient_that_is_the_upstream_one_is_not_given() -> None:
    x, vector = torch.ones(2, 6, 5, 3), torch.ones(6, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="without one it is the upstream gradient"):
        torch.ops.normkit.batch_norm_backward.default(
            x, x, None, None, None, vector, vector, None, 1e-5, 0, 0.0, False, True
        )


@pytest.mark.parametrize("switch", ["off", "0"])
def test_a_variable_of_the_environment_switches_them_off(switch: str) -> None:
    program = (
        "import torch, normkit as nk; "
        "print(nk.explain(nk.nn.BatchNorm2d(6), torch.randn(4, 6, 5, 3)))"
    )
    ran = run(program, NORMKIT_KERNELS=switch)
    assert ran.stderr == ""
    assert ran.stdout == (
        "batch_norm: the plain formula, since the kernels are switched off by "
        f"NORMKIT_KERNELS={switch}\n"
    )
