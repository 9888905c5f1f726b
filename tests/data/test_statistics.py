import numpy as np
import pytest

from normkit.data import statistics
from normkit.data.statistics import channel_statistics


def test_they_are_numpys_over_the_chosen_images_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 7), dtype=np.uint8)
    chosen = np.array([1, 4, 5, 19])
    mean, std = channel_statistics(images, chosen)
    np.testing.assert_allclose(mean, images[chosen].mean(axis=(0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(std, images[chosen].std(axis=(0, 2, 3)), rtol=1e-13)


def test_reading_a_few_images_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).random((9, 2, 4, 4), dtype=np.float32)
    whole = channel_statistics(images, np.arange(9))
    monkeypatch.setattr(statistics, "_VALUES_AT_ONCE", 2 * images[0].size)
    np.testing.assert_allclose(channel_statistics(images, np.arange(9)), whole, rtol=1e-13)


def test_a_large_offset_does_not_hide_a_small_spread() -> None:
    noise = np.random.default_rng(0).choice([-1.0, 1.0], (50, 1, 4, 4))
    images = (noise + 2.0**20).astype(np.float32)
    (mean,), (std,) = channel_statistics(images, np.arange(50))
    assert mean == pytest.approx(images.astype(np.float64).mean(), rel=1e-15)
    assert std == pytest.approx(noise.std(), rel=1e-9)


def test_a_constant_channel_has_exactly_std_0() -> None:
    images = np.full((7, 1, 4, 4), 0.1, np.float32)
    (mean,), (std,) = channel_statistics(images, np.arange(7))
    assert mean == np.float32(0.1)
    assert std == 0
