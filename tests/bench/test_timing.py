"""Spreads, and threads that are put back."""

from __future__ import annotations

import pytest
import torch

from normkit.bench.timing import Spread, threads


def test_a_spread_has_the_quartiles() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 100.0, 0.0]) == Spread(2.0, 1.0, 3.0)


def test_a_spread_can_be_multiplied() -> None:
    assert Spread(2.0, 1.0, 3.0).times(4) == Spread(8.0, 4.0, 12.0)


def test_threads_are_put_back_even_where_something_raises() -> None:
    before = torch.get_num_threads()
    seen = []

    def work() -> None:
        with threads(before + 1):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_none_leaves_them() -> None:
    before = torch.get_num_threads()
    with threads(None):
        assert torch.get_num_threads() == before
