import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from normkit.data import DataError, prepare

Fill = Callable[..., Path]
DATA = Path(__file__).parents[3] / "shared" / "data"


class Count:
    """A progress function that knows whether anything was decoded."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, done: int, total: int) -> None:
        self.calls += 1


def test_digits_are_all_there_and_split_by_class(cache: Path) -> None:
    digits = prepare("digits", cache=cache)
    _, labels = digits.tensors()
    assert len(digits) == 1797
    assert digits.classes == tuple("0123456789")
    for part, share in ((digits.train, 0.64), (digits.validation, 0.16), (digits.test, 0.2)):
        shares = np.bincount(labels[part]) / np.bincount(labels)
        np.testing.assert_allclose(shares, share, atol=0.005)


def test_a_second_call_decodes_nothing(images: Path, cache: Path) -> None:
    first = prepare(f"folder:{images}", cache=cache)
    count = Count()
    second = prepare(f"folder:{images}", cache=cache, progress=count)
    assert count.calls == 0
    assert second.fingerprint == first.fingerprint
    assert second.folder == first.folder


@pytest.mark.parametrize(
    "option", [{"image_size": 4}, {"limit": 12}, {"seed": 1}, {"skip_bad": True}], ids=str
)
def test_another_option_decodes_again(images: Path, cache: Path, option: dict[str, int]) -> None:
    first = prepare(f"folder:{images}", cache=cache)
    count = Count()
    second = prepare(f"folder:{images}", cache=cache, progress=count, **option)
    assert count.calls > 0
    assert second.folder != first.folder


def test_a_changed_source_is_decoded_anew(images: Path, cache: Path) -> None:
    first = prepare(f"folder:{images}", cache=cache)
    file, other = images / "cat" / "00.png", images / "dog" / "00.png"
    file.write_bytes(other.read_bytes())
    os.utime(file, ns=(1, 1))
    assert prepare(f"folder:{images}", cache=cache).fingerprint != first.fingerprint


def test_a_square_size_and_a_pair_are_both_taken(cache: Path) -> None:
    assert prepare("digits", limit=60, image_size=16, cache=cache).image_size == (16, 16)
    assert prepare("digits", limit=60, image_size=(8, 12), cache=cache).image_size == (8, 12)


def test_without_a_cache_folder_the_users_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normkit.data.cache.user_cache_path", lambda name: tmp_path / name)
    assert prepare("digits", limit=60).folder.parent == tmp_path / "normkit" / "data"


def test_skipped_files_are_listed_and_out_of_every_part(images: Path, cache: Path) -> None:
    (images / "cat" / "03.png").write_bytes(b"not an image")
    (images / "dog" / "notes.txt").touch()
    dataset = prepare(f"folder:{images}", skip_bad=True, cache=cache)
    assert [name for name, _ in dataset.skipped] == ["dog/notes.txt", "cat/03.png"]
    assert len(dataset) == len(dataset.tensors()[0]) == 19
    assert np.bincount(dataset.tensors()[1]).tolist() == [9, 10]


def test_a_class_that_skipping_leaves_too_small_is_named(images: Path, cache: Path) -> None:
    for number in range(8):
        (images / "cat" / f"{number:02}.png").write_bytes(b"")
    with pytest.raises(DataError, match="class 'cat' has 2"):
        prepare(f"folder:{images}", skip_bad=True, cache=cache)


def test_a_given_split_is_kept(tmp_path: Path, cache: Path, fill: Fill) -> None:
    sizes = {"train/a": 20, "train/b": 10, "test/a": 4, "test/b": 2}
    dataset = prepare(f"folder:{fill(tmp_path / 'split', sizes)}", cache=cache)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (24, 6, 6)


def test_one_class_is_not_enough(tmp_path: Path, cache: Path, fill: Fill) -> None:
    with pytest.raises(DataError, match=r"at least 2 classes.* has 1: cat"):
        prepare(f"folder:{fill(tmp_path / 'one', {'cat': 9})}", cache=cache)


def test_an_empty_class_folder_is_named(images: Path, cache: Path) -> None:
    (images / "fox").mkdir()
    with pytest.raises(DataError, match="class 'fox' has 0"):
        prepare(f"folder:{images}", cache=cache)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("digit", r"Did you mean digits\?"),
        ("folders:/data", r"Did you mean folder:/data\?"),
        ("nzp:data.npz", r"Did you mean npz:data\.npz\?"),
        ("folder", r"Did you mean folder:PATH\?"),
        ("folder:", r"Did you mean folder:PATH\?"),
        ("digits:8", r"Did you mean digits\?"),
        ("imagenet", r"'imagenet'\.$"),
    ],
)
def test_an_unknown_spec_lists_the_forms_and_the_close_match(
    cache: Path, spec: str, hint: str
) -> None:
    with pytest.raises(DataError, match=f"digits, folder:PATH, npz:PATH, .*got .*{hint}"):
        prepare(spec, cache=cache)


def test_a_bare_path_is_told_its_prefix(images: Path, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match=f"Did you mean folder:{images}"):
        prepare(str(images), cache=cache)
    (tmp_path / "data.npz").touch()
    with pytest.raises(DataError, match=r"Did you mean npz:.*data\.npz"):
        prepare(str(tmp_path / "data.npz"), cache=cache)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 3}, "at least 4 pixels"),
        ({"image_size": (8, 2)}, "at least 4 pixels a side, got 8×2"),
        ({"image_size": 8.5}, r"whole number or a \(height, width\) pair, got 8\.5"),
        ({"image_size": (8, 8, 8)}, "pair, got"),
        ({"limit": 0}, "limit must be a whole number of images, at least 1, got 0"),
        ({"limit": True}, "got True"),
        ({"limit": 29}, "at least 30 for these 10 classes, got 29"),
        ({"seed": -1}, "seed must be a whole number, at least 0, got -1"),
    ],
    ids=str,
)
def test_options_that_break_a_rule_are_named(
    cache: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare("digits", cache=cache, **options)  # type: ignore[arg-type]


def test_a_refused_source_leaves_nothing_but_its_lock(images: Path, cache: Path) -> None:
    (images / "dog" / "09.png").write_bytes(b"")
    with pytest.raises(DataError):
        prepare(f"folder:{images}", cache=cache)
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def unpack(name: str, to: Path, per_class: int) -> Path:
    """Unpack the first images of every class of a real data set, which may be absent."""
    archive = DATA / name
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    taken: dict[str, int] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            folder = str(Path(member.name).parent)
            taken[folder] = taken.get(folder, 0) + member.isfile()
            if member.isfile() and taken[folder] <= per_class:
                tar.extract(member, to, filter="data")
    return to


@pytest.mark.parametrize(
    ("name", "channels", "side"), [("mnist.tar.gz", 1, 28), ("cifar10.tar.gz", 3, 32)]
)
def test_published_data_sets_are_read_as_they_are(
    tmp_path: Path, cache: Path, name: str, channels: int, side: int
) -> None:
    root = unpack(name, tmp_path / "real", per_class=10)
    dataset = prepare(f"folder:{root}", cache=cache, limit=100)
    images, labels = dataset.tensors()
    assert images.shape == (100, channels, side, side)
    assert np.bincount(labels).tolist() == [10] * 10
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (40, 10, 50)
    assert 20 < np.mean(dataset.mean) < 140
