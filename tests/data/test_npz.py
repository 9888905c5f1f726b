import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normkit.data import DataError, arrays
from normkit.data.npz import NpzSource
from normkit.data.source import Images, Options
from normkit.data.split import TEST, TRAIN, VALIDATION

X = np.random.default_rng(0).integers(0, 256, (12, 8, 6), dtype=np.uint8)
Y = np.arange(12) % 3
Save = Callable[..., NpzSource]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves arrays and returns the source that reads them."""

    def write(**arrays: Any) -> NpzSource:
        np.savez(tmp_path / "data.npz", **arrays)
        return NpzSource(tmp_path / "data.npz")

    return write


def decode(source: NpzSource, chosen: Any = None, size: tuple[int, int] | None = None) -> Images:
    batches: list[Images] = []
    wanted = np.arange(len(source.index(Options()).labels)) if chosen is None else chosen
    source.decode(np.asarray(wanted), Options(image_size=size), batches.append)
    return np.concatenate(batches)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((12, 8, 6), (12, 1, 8, 6)),
        ((12, 8, 6, 1), (12, 1, 8, 6)),
        ((12, 8, 6, 3), (12, 3, 8, 6)),
        ((12, 1, 8, 6), (12, 1, 8, 6)),
        ((12, 3, 8, 6), (12, 3, 8, 6)),
    ],
    ids=str,
)
def test_each_shape_becomes_channels_first(
    save: Save, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images = decode(save(x=x, y=Y))
    assert images.shape == expected
    last = len(shape) == 4 and shape[3] in (1, 3)
    np.testing.assert_array_equal(images.ravel(), (x.transpose(0, 3, 1, 2) if last else x).ravel())


def test_bytes_stay_bytes_and_floats_become_float32(save: Save) -> None:
    assert decode(save(x=X, y=Y)).dtype == np.uint8
    images = decode(save(x=X / 255, y=Y))
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0], (X / 255).astype(np.float32))


def test_x_and_y_are_one_pool(save: Save) -> None:
    index = save(x=X, y=Y).index(Options())
    assert index.classes == ("0", "1", "2")
    assert index.labels.tolist() == Y.tolist()
    assert index.parts is None


def test_named_parts_are_kept(save: Save) -> None:
    source = save(
        x_train=X[:6], y_train=Y[:6], x_test=X[6:9], y_test=Y[6:9], x_val=X[9:], y_val=Y[9:]
    )
    parts = source.index(Options()).parts
    assert parts is not None
    assert parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 3 + [TEST] * 3
    np.testing.assert_array_equal(decode(source)[:, 0], X[[*range(6), *range(9, 12), *range(6, 9)]])


def test_chosen_images_are_found_across_parts_and_batches(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_BYTES_AT_ONCE", 2 * X[0].nbytes)
    source = save(x_train=X[:6], y_train=Y[:6], x_test=X[6:], y_test=Y[6:])
    np.testing.assert_array_equal(decode(source, [0, 1, 4, 5, 8])[:, 0], X[[0, 1, 4, 5, 8]])


def test_images_are_resized_when_asked(save: Save) -> None:
    assert decode(save(x=X, y=Y), size=(4, 5)).shape == (12, 1, 4, 5)


def test_identity_follows_the_files_size_and_time(tmp_path: Path, save: Save) -> None:
    source = save(x=X, y=Y)
    before = source.identity()
    assert source.identity() == before
    os.utime(tmp_path / "data.npz", ns=(0, 0))
    touched = source.identity()
    save(x=X[:9], y=Y[:9])
    os.utime(tmp_path / "data.npz", ns=(0, 0))
    assert before != touched != source.identity()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X, "y": Y}, "either x and y, or x_train.*has images, y"),
        ({"x": X}, "has x. Rename"),
        ({}, "has no arrays"),
        ({"x_train": X, "y_train": Y}, "has x_train, y_train"),
        (
            {"x": X, "y": Y, "x_train": X, "y_train": Y, "x_test": X, "y_test": Y},
            "must have either",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y, "x_val": X},
            "optionally x_val and y_val",
        ),
        ({"x": X.astype(object), "y": Y}, "x does not.*never unpickled"),
        ({"x": X, "y": Y.astype(object)}, "y does not.*never unpickled"),
        ({"x": X.astype(np.int64), "y": Y}, r"uint8 or float, got int64.*astype\('uint8'\)"),
        ({"x": X.astype(complex), "y": Y}, "uint8 or float, got complex128"),
        ({"x": X[0], "y": Y}, r"\(N, H, W, C\) or \(N, C, H, W\).*got \(8, 6\)"),
        ({"x": np.zeros((12, 8, 6, 4), np.uint8), "y": Y}, r"1 or 3.*got \(12, 8, 6, 4\)"),
        ({"x": X[:0], "y": Y[:0]}, "must hold images, got shape"),
        ({"x": X[:, :3], "y": Y}, "at least 4 pixels a side, got 3×6"),
        ({"x": X, "y": Y[:5]}, "has 5 for 12 images"),
        ({"x": X, "y": Y[:, None]}, r"got \(12, 1\). Try y.ravel\(\)"),
        ({"x": X, "y": np.eye(3)[Y]}, r"got \(12, 3\).*argmax"),
        ({"x": X, "y": np.array(0)}, r"y must have shape \(N,\), got \(\)"),
        ({"x": X, "y": Y.astype(float)}, r"integers 0…K−1, got float64"),
        ({"x": X, "y": Y - 1}, r"labels 0…K−1, got -1"),
        ({"x": X, "y": Y + 1}, "greatest is 3, and 0 has no image"),
        ({"x": X, "y": np.where(Y == 2, 2**40, Y)}, r"greatest is 1099511627776, and 2 has"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
            r"agree.*\(1, 7, 6\) uint8 and \(1, 8, 6\) uint8",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X / 255, "y_test": Y},
            r"agree.*float32 and .*uint8",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_arrays_that_break_a_rule_are_named(
    save: Save, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        save(**arrays).index(Options())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300], ids=["NaN", "inf", "beyond float32"])
def test_values_that_are_not_finite_are_counted_and_located(save: Save, value: float) -> None:
    x = X / 255
    x[[4, 7], 0, 0] = value
    with pytest.raises(DataError, match=r"2 of 12 images.*first at position 4"):
        save(x=x, y=Y).index(Options())


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        NpzSource(tmp_path / "nowhere.npz").identity()
    with pytest.raises(DataError, match="is a folder"):
        NpzSource(tmp_path).identity()


def test_files_that_are_no_archive_are_refused(tmp_path: Path, save: Save) -> None:
    path = tmp_path / "data.npz"
    np.save(tmp_path / "bare.npy", X)
    contents = [b"", b"hello", (tmp_path / "bare.npy").read_bytes()]
    save(x=X, y=Y)
    contents.append(path.read_bytes()[:-100])
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be read as one: .*numpy\.savez"):
            NpzSource(path).index(Options())


def test_a_damaged_array_is_named(tmp_path: Path, save: Save) -> None:
    source = save(x=X, y=Y)
    path = tmp_path / "data.npz"
    content = bytearray(path.read_bytes())
    content[300:310] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(DataError, match="x does not"):
        source.index(Options())
