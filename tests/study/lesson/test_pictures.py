"""The images of the page are those of the batch, before they were standardised."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from normkit.data import Dataset
from normkit.study.lesson.pictures import LARGEST_SIDE, pictures, png
from normkit.study.spec import TrialSpec
from normkit.study.train import Batches, training_indices


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def test_they_are_the_images_that_the_probes_look_at(
    digits: Dataset, trial: Callable[..., TrialSpec]
) -> None:
    spec = trial()
    shown = pictures(spec, digits, 4)
    images, labels = Batches(digits, "cpu").take(training_indices(spec, digits)[:4])
    for picture, image, label in zip(shown, images, labels.tolist(), strict=True):
        seen = pixels(picture["png"]).astype(float).ravel()
        assert np.corrcoef(seen, image.ravel().numpy())[0, 1] > 0.9999
        assert picture["label"]["en"].endswith(f"class {digits.classes[label]}")
        assert picture["label"]["zh"].endswith(f"类别 {digits.classes[label]}")


def test_bytes_of_three_channels_come_back_exactly() -> None:
    image = torch.randint(256, (3, 5, 7), dtype=torch.uint8)
    assert np.array_equal(pixels(png(image, 0.0, 255.0)), image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_are_shown_as_their_mean(channels: int) -> None:
    image = torch.rand(channels, 4, 4)
    expected = (image.double().mean(0) * 255).round().numpy()
    assert np.array_equal(pixels(png(image, 0.0, 1.0)), expected)


def test_equal_values_are_black() -> None:
    assert not pixels(png(torch.full((1, 3, 3), 7.0), 7.0, 7.0)).any()


def test_large_images_are_made_small() -> None:
    assert pixels(png(torch.rand(3, 50, 400), 0.0, 1.0)).shape == (12, LARGEST_SIDE, 3)
