"""Images that a user's function returns are taken as an archive's are, augmentation besides."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from normkit.data import DataError, Dataset, augmentation, is_factory, prepare

HEAD = """
import random
import numpy as np, torch
X = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 3), dtype=np.uint8)
Y = np.arange(40) % 2
DRAWN = torch.rand(40, 6, 6)
"""


@pytest.fixture
def prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> Callable[[str], Dataset]:
    """Prepares what a function with this body returns."""
    monkeypatch.chdir(tmp_path)

    def make(body: str) -> Dataset:
        (tmp_path / "cells.py").write_text(f"{HEAD}\ndef load():\n    {body}\n")
        return prepare("cells.py:load", cache=cache)

    return make


def test_one_pool_is_split(prepared: Callable[[str], Dataset]) -> None:
    data = prepared("return X, Y")
    assert (data.channels, data.image_size, data.classes) == (3, (6, 6), ("0", "1"))
    assert len(data) == 40
    assert data.spec == "cells.py:load"
    assert not data.augmented


def test_a_split_is_kept(prepared: Callable[[str], Dataset]) -> None:
    data = prepared("return (X[:28], Y[:28]), (X[28:], Y[28:])")
    assert data.test.tolist() == list(range(28, 40))


def test_tensors_do_as_well(prepared: Callable[[str], Dataset]) -> None:
    arrays = prepared("return X, Y")
    tensors = prepared("return [torch.from_numpy(X), torch.from_numpy(Y)]")
    assert tensors.fingerprint == arrays.fingerprint


def test_other_content_is_prepared_anew(prepared: Callable[[str], Dataset]) -> None:
    before = prepared("return X, Y")
    assert prepared("return X, Y").folder == before.folder
    assert prepared("return X // 2, Y").fingerprint != before.fingerprint
    assert prepared("return X, 1 - Y").fingerprint != before.fingerprint


def test_the_callers_random_numbers_are_untouched(prepared: Callable[[str], Dataset]) -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    prepared("random.random(); np.random.rand(); torch.rand(3); return X, Y")
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.get_rng_state().tolist() == states[2]


@pytest.mark.parametrize(
    "images",
    [
        "np.random.rand(40, 6, 6)",
        "torch.rand(40, 6, 6)",
        "DRAWN",
        "np.array([random.random() for _ in range(40 * 36)]).reshape(40, 6, 6)",
    ],
)
def test_images_drawn_at_random_are_the_same_each_time(
    prepared: Callable[[str], Dataset], images: str
) -> None:
    one = prepared(f"return {images}, Y")
    other = prepared(f"return {images}, Y  # in a file that is run again")
    assert other.folder == one.folder


def test_what_a_file_draws_when_it_is_run_moves_no_image(
    prepared: Callable[[str], Dataset],
) -> None:
    one = prepared("return np.random.rand(40, 6, 6), Y")
    file = Path("cells.py")
    file.write_text(f"import numpy\nnumpy.random.rand(7)\n{file.read_text()}")
    assert prepare("cells.py:load", cache=one.folder.parent).fingerprint == one.fingerprint


@pytest.mark.parametrize("pair", ["X, Y", "(X[:28], Y[:28]), (X[28:], Y[28:])"])
def test_what_can_be_called_at_the_end_is_the_augmentation(
    prepared: Callable[[str], Dataset], pair: str
) -> None:
    data = prepared(f"shift = 3; return {pair}, lambda images: images + shift")
    assert data.augmented
    assert augmentation("cells.py:load")(torch.zeros(2)).tolist() == [3, 3]


def test_an_augmentation_makes_it_another_data_set(prepared: Callable[[str], Dataset]) -> None:
    assert prepared("return X, Y").folder != prepared("return X, Y, abs").folder


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return X", r"returns \(x, y\), or .*; this one returned ndarray \(40, 6, 6, 3\)"),
        ("return ()", r"this one returned \(\)"),
        ("return X, Y, Y", r"this one returned \(ndarray .*, ndarray .*, ndarray"),
        ("return (X, Y, Y), (X, Y)", "this one returned"),
        ("return X.tolist(), Y", "x must be a NumPy array or a tensor, got a list"),
        ("return X, Y[:5]", "Every image needs one label, but y has 5 for 40 images"),
        ("return X.astype('int64'), Y", "x must be uint8 or float, got int64"),
        ("return X.astype(object), Y", "x must hold plain numbers, got an array of objects"),
        ("return (X, Y), (X, Y / 2)", "y_test must hold integers"),
        ("1 / 0", r"could not make its data: ZeroDivisionError: .*\(cells.py:9\)"),
    ],
)
def test_what_cannot_be_used_is_told(
    prepared: Callable[[str], Dataset], body: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepared(body)


def test_a_function_that_requires_arguments_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cells.py").write_text("def load(path, n=3): pass")
    with pytest.raises(
        DataError, match=r"without arguments; cells.py:load requires path: give def"
    ):
        prepare("cells.py:load", cache=cache)
    with pytest.raises(DataError, match=r"has no 'laod'; did you mean cells.py:load\?"):
        prepare("cells.py:laod", cache=cache)


def test_a_source_that_is_known_is_no_function() -> None:
    assert not any(map(is_factory, ("digits", "npz:file", "folder:images", "nzp:images")))


def test_a_module_that_is_there_is_no_mistyped_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_factory("my_folder:load")
    Path("my_folder.py").touch()
    assert is_factory("my_folder:load")


def test_a_function_that_exits_is_told(prepared: Callable[[str], Dataset]) -> None:
    with pytest.raises(DataError, match="could not make its data: SystemExit: no disk"):
        prepared("raise SystemExit('no disk')")


def test_bfloat16_is_read_as_float(prepared: Callable[[str], Dataset]) -> None:
    data = prepared("return torch.from_numpy(X).bfloat16(), torch.from_numpy(Y)")
    assert data.tensors()[0].dtype is torch.float32
    assert np.isfinite(data.mean).all()
