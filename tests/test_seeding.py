"""All global generators are set together, and are afterwards as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from normkit.seeding import restored, seed, seed_of, seeded


def drawn() -> tuple[float, float, float]:
    """One number from each generator."""
    return float(torch.rand(())), np.random.rand(), random.random()


@pytest.mark.parametrize("value", [0, 3, 2**40])
def test_the_same_seed_gives_the_same_draws_of_all(value: int) -> None:
    with seeded(value):
        first = drawn()
    with seeded(value):
        assert drawn() == first


def test_another_seed_gives_other_draws_of_each() -> None:
    found = []
    for value in (3, 4, 2**32):
        with seeded(value):
            found += drawn()
    assert len({*found}) == 9


def test_pairs_of_numbers_have_seeds_of_their_own() -> None:
    seeds = {seed_of(first, step) for first in (0, 1, 256, 9000) for step in range(50)}
    assert len(seeds) == 200
    assert max(seeds) < 2**32


def test_torch_draws_what_its_own_seed_gives() -> None:
    with restored():
        torch.manual_seed(5)
        expected = torch.rand(3)
    with seeded(5):
        assert torch.equal(torch.rand(3), expected)


def test_they_are_put_back_exception_or_not() -> None:
    with restored():
        seed(1)
        expected = [drawn(), drawn()]
        seed(1)
        with pytest.raises(ZeroDivisionError), seeded(2):
            drawn()[0] / 0
        assert drawn() == expected[0]
        with restored():
            drawn()
        assert drawn() == expected[1]


def test_a_gpu_that_is_not_in_use_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[str] = []
    for name in ("manual_seed", "manual_seed_all", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: touched.append(name))
    with seeded(3):
        drawn()
    assert touched == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
def test_the_gpu_in_use_is_seeded_and_put_back() -> None:
    def on_gpu() -> float:
        return float(torch.rand((), device="cuda"))

    with restored("cuda"):
        seed(1, "cuda")
        expected = on_gpu()
        seed(1, "cuda")
        with seeded(2, "cuda"):
            first = on_gpu()
        with seeded(2, "cuda"):
            assert on_gpu() == first != expected
        with seeded(2):
            pass
        assert on_gpu() == expected
