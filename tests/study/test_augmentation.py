"""Training images go through the user's augmentation, with the same draws for every arm."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from normkit.data import Dataset, prepare
from normkit.study import train
from normkit.study.augmentation import augment
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError

Trial = Callable[..., TrialSpec]
Prepare = Callable[[str], Dataset]

HEAD = """
import random
import numpy as np, torch
X = np.random.default_rng(0).random((100, 8, 8)).astype("float32")
Y = np.arange(100) % 2
SEEN = []
def by_each(images):
    SEEN.append(torch.tensor([random.random(), np.random.rand(), torch.rand(())]))
    return images
def noisy(images):
    changed = images + torch.randn(len(images), 1, 1, 1)
    SEEN.append(changed)
    return changed
"""


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepares images whose augmentation is the given expression."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def make(expression: str) -> Dataset:
        text = f"{HEAD}\ndef load(): return X, Y, {expression}\n"
        (tmp_path / "cells.py").write_text(text)
        return prepare("cells.py:load", cache=tmp_path / "cache")

    return make


def seen() -> list[Tensor]:
    """The batches that the augmentation has returned so far."""
    from normkit.user_code import load

    found: list[Tensor] = load("cells.py:SEEN.copy")()
    return found


@pytest.fixture
def on(trial: Trial) -> Callable[..., TrialSpec]:
    """A small trial on these data."""

    def make(data: Dataset, **changes: Any) -> TrialSpec:
        return trial(data=data.fingerprint, augment="cells.py:load", **changes)

    return make


def test_arms_see_the_same_draws_and_steps_other_ones(prepared: Prepare, on: Any) -> None:
    data = prepared("noisy")
    for norm in ("none", "batch"):
        # Dropout draws from the same generator.
        train.run(on(data, norm=norm, dropout=0.1), (), data)
    batches = seen()
    assert len(batches) == 12
    assert all(torch.equal(a, b) for a, b in zip(batches[:6], batches[6:], strict=True))
    assert len({float(batch.sum()) for batch in batches[:6]}) == 6


def test_draws_from_numpy_and_python_are_the_same_for_every_arm_too(
    prepared: Prepare, on: Any
) -> None:
    data = prepared("by_each")
    for norm in ("none", "batch"):
        random.seed(norm)
        np.random.seed(len(norm))
        train.run(on(data, norm=norm), (), data)
    draws = torch.stack(seen())
    assert torch.equal(draws[:6], draws[6:])
    assert len(draws.unique()) == 18


def test_seeds_that_agree_in_their_last_bits_have_other_draws(prepared: Prepare, on: Any) -> None:
    data = prepared("by_each")
    for seed in (0, 256):
        augment(on(data, seed=seed), data.tensors()[0][:8], 1)
    one, other = seen()
    assert not (one == other).any()


def test_the_global_generators_are_as_they_were(prepared: Prepare, on: Any) -> None:
    data = prepared("lambda images: by_each(images) / 0")
    spec, images = on(data), data.tensors()[0][:8]
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.rand()
    random.seed(3)
    np.random.seed(3)
    with pytest.raises(UserCodeError):
        augment(spec, images, 1)
    assert (random.random(), np.random.rand()) == expected


def test_another_seed_has_other_draws(prepared: Prepare, on: Any) -> None:
    data = prepared("noisy")
    images = data.tensors()[0][:8]
    one, other = (augment(on(data, seed=seed), images, 1) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_the_augmentation_moves_no_other_random_number(prepared: Prepare, on: Any) -> None:
    data = prepared("lambda images: torch.rand(5) is None or images")
    plain = train.run(on(data, dropout=0.2).but(augment=""), (), data)
    assert train.run(on(data, dropout=0.2), (), data).curve == plain.curve


def test_only_training_batches_are_augmented(prepared: Prepare, on: Any) -> None:
    """At rate zero the weights stay: what is evaluated is the same with and without."""
    data = prepared("noisy")
    spec = on(data, rate=0.0, test="end", norm="group")
    plain = train.run(spec.but(augment=""), (), data)
    assert train.run(spec, (), data).final == plain.final
    assert [len(batch) for batch in seen()] == [spec.batch] * spec.steps


def test_it_sees_images_before_they_are_standardised(prepared: Prepare, on: Any) -> None:
    data = prepared("lambda images: SEEN.append(images) or images")
    train.run(on(data), (), data)
    for batch in seen():
        assert batch.shape[1:] == (1, 8, 8)
        assert batch.min() >= 0


def test_it_changes_the_training(prepared: Prepare, on: Any) -> None:
    data = prepared("noisy")
    plain = train.run(on(data).but(augment=""), (), data)
    assert train.run(on(data), (), data).curve != plain.curve


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lambda images: images[:, 0]", r"it got \(8, 1, 8, 8\) and returned \(8, 8, 8\)"),
        ("lambda images: images[:3]", r"it got \(8, 1, 8, 8\) and returned \(3, 1, 8, 8\)"),
        ("lambda images: images.numpy()", "it returned a ndarray: return a tensor"),
        ("lambda images: images / 0", "it returned NaN or infinite values"),
        ("lambda images: 1 / 0", r"could not do a batch .*ZeroDivisionError: .*\(cells.py:"),
    ],
)
def test_what_is_not_as_many_images_is_told(
    prepared: Prepare, on: Any, expression: str, message: str
) -> None:
    data = prepared(expression)
    with pytest.raises(UserCodeError, match=message):
        train.run(on(data), (), data)
