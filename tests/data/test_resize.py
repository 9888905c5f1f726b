import numpy as np
import pytest

from normkit.data import DataError
from normkit.data.resize import check_size, resize


def test_no_size_and_the_same_size_return_the_images_themselves() -> None:
    images = np.zeros((2, 1, 8, 6), np.uint8)
    assert resize(images, None) is images
    assert resize(images, (8, 6)) is images


def test_halving_averages_so_that_a_checkerboard_becomes_grey() -> None:
    board = (np.indices((16, 16)).sum(axis=0) % 2 * 200).astype(np.float32)[None, None]
    halved = resize(board, (8, 8))
    np.testing.assert_allclose(halved[..., 2:-2, 2:-2], 100, atol=1e-4)


def test_bytes_are_rounded_and_stay_bytes() -> None:
    ramp = np.array([[0, 1] * 4] * 8, np.uint8)[None, None]
    wider = resize(ramp, (8, 12))
    assert wider.dtype == np.uint8
    assert set(np.unique(wider)) == {0, 1}


def test_height_comes_before_width() -> None:
    assert resize(np.zeros((1, 3, 8, 8), np.float32), (4, 6)).shape == (1, 3, 4, 6)


def test_images_that_are_too_small_to_convolve_are_refused() -> None:
    check_size((4, 4))
    with pytest.raises(DataError, match=r"at least 4 pixels a side, got 3×9 .*--image-size"):
        check_size((3, 9))
