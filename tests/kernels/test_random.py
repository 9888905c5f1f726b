"""Kernels compared with float64 on calls drawn at random: methods, shapes, layouts, endings."""

from __future__ import annotations

import math
import random

import pytest
import torch
from tests.kernels.calls import LAYOUTS, METHODS, TOLERANCES, Method, agrees_with_float64, call

ACTIVATIONS = [None, "relu", "leaky_relu", "relu6", "silu", "gelu", "hardswish"]


def values_of_statistic(method: str, shape: tuple[int, ...]) -> float:
    """How many values mean and variance are taken from."""
    samples, channels = shape[:2]
    positions = math.prod(shape[2:])
    return {
        "batch": samples * positions,
        "batch-evaluated": math.inf,
        "group": channels // 3 * positions,
        "layer": channels * positions,
        "instance": positions,
        "channel_layer": channels,
        "channel_rms": channels,
        "trailing_layer": positions,
        "trailing_rms": positions,
    }[method]


def drawn(draw: random.Random) -> tuple[Method, tuple[int, ...]]:
    """A method and a shape such that no variance is so small that rounding decides it."""
    while True:
        method = draw.choice(METHODS)
        samples = draw.choice([1, 2, 3, 8, 9, 17])
        channels = 3 * draw.choice([1, 2, 5, 6, 11, 43, 100, 181])
        axes = draw.randint(1 if method.needs_positions else 0, 3)
        most = int((30000 / samples / channels) ** (1 / max(axes, 1)))
        shape = (samples, channels, *(draw.randint(1, max(most, 2)) for _ in range(axes)))
        if values_of_statistic(method.name, shape) >= 8:
            return method, shape


@pytest.mark.parametrize("seed", range(150))
def test_a_call_agrees_with_float64(seed: int) -> None:
    draw = random.Random(seed)
    torch.manual_seed(seed)
    method, shape = drawn(draw)
    layouts = LAYOUTS if len(shape) > 2 and not method.is_trailing else LAYOUTS[:1]
    one = call(
        method,
        shape,
        draw.choice(list(TOLERANCES)),
        layout=draw.choice(layouts),
        act=draw.choice(ACTIVATIONS),
        residual=draw.random() < 0.5,
        affine=draw.choice(["both", "weight", "none"]),
        mean=draw.choice([0.0, 1.0, 5.0]),
    )
    agrees_with_float64(one, factor=3)
