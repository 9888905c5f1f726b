import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from normkit.data import DataError, Dataset
from normkit.data.cache import Writer, cached, key

IMAGES = np.random.default_rng(0).random((9, 1, 8, 8), dtype=np.float32)
PARTS = (np.arange(5), np.arange(5, 7), np.arange(7, 9))


class Builder:
    """Builds a small data set and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, writer: Writer) -> None:
        self.calls += 1
        for batch in np.split(IMAGES, 3):
            writer.write(batch)
        writer.finish(
            spec="test",
            classes=("a", "b"),
            labels=np.arange(9) % 2,
            parts=PARTS,
            skipped=(("图.png", "not an image"),),
            notes=("A note.",),
        )


def left_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.suffix != ".lock"]


def test_what_was_built_is_opened_and_not_built_again(cache: Path) -> None:
    build = Builder()
    first, second = cached(cache, "name", build), cached(cache, "name", build)
    assert build.calls == 1
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.tensors()[0], IMAGES)
    assert first.skipped == (("图.png", "not an image"),)
    assert left_in(cache) == ["name"]


@pytest.mark.parametrize("file", ["images.bin", "index.npz", "dataset.json"])
def test_a_damaged_data_set_is_built_anew(cache: Path, file: str) -> None:
    path = cached(cache, "name", Builder()).folder / file
    path.write_bytes(path.read_bytes()[:-1])
    build = Builder()
    cached(cache, "name", build).verify()
    assert build.calls == 1
    assert left_in(cache) == ["name"]


def test_of_many_who_ask_at_once_one_builds(cache: Path) -> None:
    build, start, found = Builder(), Barrier(4), []

    def ask() -> None:
        start.wait()
        found.append(cached(cache, "name", build))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.calls == 1
    assert len({dataset.fingerprint for dataset in found}) == 1
    assert len(found) == 4


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_half_written(cache: Path, error: type[BaseException]) -> None:
    def fail(writer: Writer) -> None:
        writer.write(IMAGES)
        raise error

    with pytest.raises(error):
        cached(cache, "name", fail)
    assert left_in(cache) == []
    assert len(cached(cache, "name", Builder())) == 9


def test_what_a_killed_process_left_is_cleared(cache: Path) -> None:
    (cache / ".name.killed").mkdir(parents=True)
    (cache / ".other.running").mkdir()
    cached(cache, "name", Builder())
    assert sorted(left_in(cache)) == [".other.running", "name"]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, IMAGES.nbytes - 1, IMAGES.nbytes + 1])
def test_a_full_disk_is_named_and_leaves_nothing(cache: Path, size: int) -> None:
    def build(writer: Writer) -> None:
        for _ in range(2 if size > IMAGES.nbytes else 1):
            writer.write(IMAGES)
        writer.finish(
            spec="test",
            classes=("a", "b"),
            labels=np.arange(9) % 2,
            parts=PARTS,
            skipped=(),
            notes=(),
        )

    with room_for(size), pytest.raises(DataError, match=r"cache folder .*too large.*Free space"):
        cached(cache, "name", build)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cache folder .*file/cache.*pass another cache"):
        cached(tmp_path / "file" / "cache", "name", Builder())


def test_images_of_one_data_set_are_all_alike(cache: Path) -> None:
    def build(writer: Writer) -> None:
        writer.write(IMAGES)
        writer.write(IMAGES[:, :, 1:])

    with pytest.raises(TypeError, match=r"\(1, 7, 8\) float32 after \(1, 8, 8\) float32"):
        cached(cache, "name", build)


def test_a_key_is_stable_and_depends_on_every_part() -> None:
    assert key("digits", 1, None) == key("digits", 1, None)
    assert len({key("digits", 1, None), key("digits", None, 1), key("digits", 1, False)}) == 3
    assert key("digits", 1).startswith("digits-")


def test_an_opened_data_set_needs_no_lock(cache: Path) -> None:
    folder = cached(cache, "name", Builder()).folder
    (cache / "name.lock").unlink(missing_ok=True)
    assert len(Dataset.open(folder)) == 9
    assert not (cache / "name.lock").exists()
