"""What is framed in a picture is the set that shares one mean and variance, and no more."""

from __future__ import annotations

import pytest

from normkit.study.lesson.methods import METHODS, _sharing, shared
from normkit.study.lesson.scene import Scene


def scene(channel: int = 5, first: int = 4, side: int = 2) -> Scene:
    """Three images and four channels drawn, of eight and twelve."""
    method = {
        "groups": 6,
        "sets": 2,
        "count": 3,
        "means": [0.0] * 6,
        "variances": [1.0] * 6,
    }
    return Scene(
        "batch",
        {
            "shape": [8, 12, side, side],
            "channel": channel,
            "maps": {
                "first": first,
                "size": [side, side],
                "values": [[[0.0] * side**2] * 4 for _ in range(3)],
            },
            "methods": dict.fromkeys(METHODS, method),
        },
    )


@pytest.mark.parametrize(
    ("method", "maps"),
    [
        ("batch", [[0, 1], [1, 1], [2, 1]]),
        ("layer", [[0, 0], [0, 1], [0, 2], [0, 3]]),
        ("instance", [[0, 1]]),
        ("group", [[0, 0], [0, 1]]),
    ],
)
def test_the_framed_maps_are_those_of_one_set(method: str, maps: list[list[int]]) -> None:
    assert shared(method, 6, scene()) == maps


def test_a_group_of_all_channels_is_layer_norms_set() -> None:
    assert shared("group", 1, scene()) == shared("layer", 1, scene())


@pytest.mark.parametrize(("side", "told"), [(1, True), (2, False)])
def test_maps_of_one_position_tell_what_instance_norm_would_do(side: int, told: bool) -> None:
    said = " ".join(text["en"] for text in _sharing(scene(side=side))["said"])
    assert ("leave zero everywhere" in said) is told
