import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from normkit.data import DataError, Dataset, prepare

X = np.random.default_rng(0).integers(0, 256, (30, 8, 6, 3), dtype=np.uint8)
Y = np.arange(30) % 3


@pytest.fixture
def dataset(tmp_path: Path, cache: Path) -> Dataset:
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    return prepare(f"npz:{tmp_path / 'data.npz'}", cache=cache)


def test_tensors_are_all_images_and_labels(dataset: Dataset) -> None:
    images, labels = dataset.tensors()
    assert images.dtype == torch.uint8
    assert torch.equal(images, torch.from_numpy(X).permute(0, 3, 1, 2))
    assert labels.tolist() == Y.tolist()
    assert len(dataset) == 30


def test_writing_into_the_tensors_leaves_the_cache_alone(dataset: Dataset) -> None:
    images, _ = dataset.tensors()
    images.zero_()
    again, _ = dataset.tensors()
    assert torch.equal(again, torch.from_numpy(X).permute(0, 3, 1, 2))
    dataset.verify()


def test_an_opened_data_set_is_the_prepared_one(dataset: Dataset) -> None:
    opened = Dataset.open(str(dataset.folder))
    for name in Dataset.__dataclass_fields__:
        ours, theirs = getattr(opened, name), getattr(dataset, name)
        assert type(ours) is type(theirs)
        assert np.array_equal(ours, theirs), name
    assert (opened.channels, opened.image_size, opened.classes) == (3, (8, 6), ("0", "1", "2"))


def test_mean_and_std_come_from_the_training_part_alone(dataset: Dataset) -> None:
    np.testing.assert_allclose(dataset.mean, X[dataset.train].mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, X[dataset.train].std(axis=(0, 1, 2)), rtol=1e-12)
    assert not np.allclose(dataset.mean, X.mean(axis=(0, 1, 2)), rtol=1e-6)


def test_standardised_training_images_have_mean_0_and_std_1(dataset: Dataset) -> None:
    images, _ = dataset.tensors()
    before = images.clone()
    standard = dataset.standardise(images[dataset.train])
    assert standard.dtype == torch.float32
    torch.testing.assert_close(standard.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std((0, 2, 3), correction=0), torch.ones(3))
    assert torch.equal(images, before)


def test_float_images_are_standardised_without_being_changed(dataset: Dataset) -> None:
    images = torch.rand(2, 3, 8, 6)
    before = images.clone()
    dataset.standardise(images)
    assert torch.equal(images, before)


def test_a_constant_channel_is_left_centred(tmp_path: Path, cache: Path) -> None:
    x = X.copy()
    x[..., 1] = 77
    np.savez(tmp_path / "constant.npz", x=x, y=Y)
    dataset = prepare(f"npz:{tmp_path / 'constant.npz'}", cache=cache)
    standard = dataset.standardise(dataset.tensors()[0])
    assert dataset.std[1] == 0
    assert torch.equal(standard[:, 1], torch.zeros(30, 8, 6))
    assert dataset.notes == ("Channel 1 is constant over the training images.",)


@pytest.mark.parametrize("shape", [(8, 6), (3, 8, 6), (2, 1, 8, 6)])
def test_standardise_names_the_shape_it_takes(dataset: Dataset, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"\(N, 3, H, W\), got"):
        dataset.standardise(torch.zeros(shape))


def test_the_fingerprint_is_of_the_content_and_not_of_the_path(
    tmp_path: Path, cache: Path, dataset: Dataset
) -> None:
    np.savez(tmp_path / "copy.npz", x=X, y=Y)
    assert prepare(f"npz:{tmp_path / 'copy.npz'}", cache=cache).fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    ("x", "y", "seed"),
    [(X ^ (np.arange(30) == 7)[:, None, None, None], Y, 0), (X, Y[::-1], 0), (X, Y, 1)],
    ids=["one image", "labels", "split"],
)
def test_the_fingerprint_follows(
    tmp_path: Path, cache: Path, dataset: Dataset, x: np.ndarray, y: np.ndarray, seed: int
) -> None:
    np.savez(tmp_path / "other.npz", x=x.astype(np.uint8), y=y)
    other = prepare(f"npz:{tmp_path / 'other.npz'}", cache=cache, seed=seed)
    assert other.fingerprint != dataset.fingerprint


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def edit(path: Path) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"shape": [10, 3, 8, 6]}))


def forget(path: Path) -> None:
    manifest = json.loads(path.read_text())
    del manifest["std"]
    path.write_text(json.dumps(manifest))


def relabel(path: Path) -> None:
    with np.load(path) as arrays:
        changed = dict(arrays)
    changed["labels"] = changed["labels"][::-1]
    np.savez(path, **changed)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("images.bin", cut, r"images\.bin has 4,315 bytes instead of 4,320"),
        ("images.bin", Path.unlink, r"images\.bin cannot be read: No such file"),
        ("index.npz", cut, r"index\.npz cannot be read"),
        ("index.npz", Path.unlink, r"index\.npz cannot be read"),
        ("index.npz", relabel, "do not match the fingerprint"),
        ("dataset.json", cut, r"dataset\.json is not JSON"),
        ("dataset.json", Path.unlink, r"dataset\.json cannot be read: No such file"),
        ("dataset.json", edit, "do not match the fingerprint"),
        ("dataset.json", forget, "lacks std"),
        ("dataset.json", lambda path: path.write_text("[]"), "is not of format 1"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_damaged_cache_is_refused_with_the_reason(
    dataset: Dataset, file: str, damage: Callable[[Path], object], message: str
) -> None:
    damage(dataset.folder / file)
    with pytest.raises(DataError, match=f"{message}.*prepare the data again"):
        Dataset.open(dataset.folder)


def test_verify_finds_a_single_changed_byte_of_an_image(dataset: Dataset) -> None:
    path = dataset.folder / "images.bin"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    Dataset.open(dataset.folder)
    with pytest.raises(DataError, match="not what was written"):
        dataset.verify()
