"""What feeds what."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.dataflow import Flow, function_name


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.scale = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, x: Tensor) -> Any:
        y = self.norm(self.conv(x))
        y += x
        return F.relu(y) * self.scale, y


@pytest.fixture
def seen() -> Flow:
    return nk.flow(Block(), torch.randn(2, 3, 5, 4))


def test_it_is_printed_as_a_table(seen: Flow) -> None:
    assert str(seen).splitlines() == [
        "#  call             in the model  takes        gives         read by",
        "-  ---------------  ------------  -----------  ------------  ---------",
        "0  Conv2d           conv          input        (2, 3, 5, 4)  1",
        "1  BatchNorm2d      norm          0            (2, 3, 5, 4)  2",
        "2  add_ (in place)  –             1, input     (2, 3, 5, 4)  3, output",
        "3  relu             –             2            (2, 3, 5, 4)  4",
        "4  mul              –             3, constant  (2, 3, 5, 4)  output",
    ]


def test_readers_and_sources_are_each_others_opposite(seen: Flow) -> None:
    for call in seen:
        for reader in seen.readers(call):
            assert call in seen.sources(reader)
        for source in seen.sources(call):
            assert source is None or call in seen.readers(source)


def test_the_input_and_constants_are_made_by_no_call(seen: Flow) -> None:
    assert seen.sources(seen.calls[0]) == [None]
    assert seen.sources(seen.calls[4]) == [seen.calls[3], None]


def test_it_is_a_sequence_of_calls(seen: Flow) -> None:
    assert len(seen) == len(list(seen)) == 5
    assert [call.index for call in seen] == [0, 1, 2, 3, 4]
    assert seen.calls_of(nn.ReLU()) == []


def test_calls_are_told_by_name_and_kind(seen: Flow) -> None:
    assert [str(call) for call in seen] == ["conv: Conv2d", "norm: BatchNorm2d", "add_", "relu",
                                            "mul"]  # fmt: skip


def test_a_model_that_does_nothing_has_an_empty_table() -> None:
    lines = str(nk.flow(nn.Identity(), torch.zeros(1))).splitlines()
    assert [line.split() for line in lines[:1]] == [
        ["#", "call", "in", "the", "model", "takes", "gives", "read", "by"]
    ]
    assert len(lines) == 2


def test_functions_are_told_as_they_are_written() -> None:
    names = [Tensor.add_, torch.Tensor.__getitem__, Tensor.shape.__get__, torch.cat, F.relu]
    assert [function_name(each) for each in names] == ["add_", "getitem", "shape", "cat", "relu"]
    assert function_name(torch.ops.aten.relu.default) == "relu.default"
