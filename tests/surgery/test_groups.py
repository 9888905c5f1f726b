"""How many groups a layer is given."""

from __future__ import annotations

import pytest

from normkit.nn.group import default_groups
from normkit.surgery.groups import FEWEST_VALUES, legal_groups

CHANNELS = (1, 2, 3, 7, 8, 12, 16, 24, 32, 48, 64, 96, 100, 512)


@pytest.mark.parametrize("positions", [1, 2, 4, 9, 49, 3136])
@pytest.mark.parametrize("channels", CHANNELS)
def test_a_group_divides_the_channels_and_has_something_to_measure(
    channels: int, positions: int
) -> None:
    groups = legal_groups(channels, positions)
    assert channels % groups == 0
    assert groups <= 32
    assert groups == 1 or channels // groups >= 2
    assert groups == 1 or channels // groups * positions >= FEWEST_VALUES


@pytest.mark.parametrize("channels", CHANNELS)
def test_it_is_the_largest_such_number(channels: int) -> None:
    groups = legal_groups(channels, 4)
    larger = [g for g in range(groups + 1, 33) if channels % g == 0]
    assert all(channels // g < 2 or channels // g * 4 < FEWEST_VALUES for g in larger)


@pytest.mark.parametrize("channels", CHANNELS)
def test_on_large_maps_it_is_the_layers_own_default(channels: int) -> None:
    assert legal_groups(channels, 64) == default_groups(channels)


@pytest.mark.parametrize(("most", "groups"), [(32, 24), (24, 24), (23, 16), (5, 4), (1, 1)])
def test_it_is_at_most_what_is_asked_for(most: int, groups: int) -> None:
    assert legal_groups(48, 49, most) == groups


def test_fewer_values_than_that_in_all_are_one_group() -> None:
    assert legal_groups(8, positions=1) == 1
