import numpy as np
from sklearn.datasets import load_digits

from normkit.data.digits import DigitsSource
from normkit.data.source import Decoded, Images, Options


def decode(chosen: list[int], options: Options) -> tuple[Images, Decoded]:
    batches: list[Images] = []
    decoded = DigitsSource().decode(np.array(chosen), options, batches.append)
    return np.concatenate(batches), decoded


def test_the_images_are_scikit_learns_scaled_to_1() -> None:
    images, decoded = decode([3, 1500], Options())
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0] * 16, load_digits().images[[3, 1500]])
    assert decoded.kept.tolist() == [3, 1500]


def test_the_index_has_ten_classes_in_one_pool() -> None:
    index = DigitsSource().index(Options())
    assert index.classes == tuple("0123456789")
    assert index.parts is None
    np.testing.assert_array_equal(index.labels, load_digits().target)


def test_the_images_can_be_enlarged() -> None:
    images, _ = decode([0], Options(image_size=(32, 16)))
    assert images.shape == (1, 1, 32, 16)


def test_progress_ends_with_all_images() -> None:
    calls: list[tuple[int, int]] = []
    decode([0, 1], Options(progress=lambda done, total: calls.append((done, total))))
    assert calls[-1] == (2, 2)
