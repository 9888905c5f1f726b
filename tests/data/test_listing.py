from collections.abc import Callable
from pathlib import Path

import pytest

from normkit.data import DataError
from normkit.data.listing import list_images
from normkit.data.split import PARTS

Fill = Callable[..., Path]


def test_the_folders_are_the_classes_in_order(tmp_path: Path, fill: Fill) -> None:
    listing = list_images(fill(tmp_path, {"dog": 2, "cat": 1}))
    assert listing.classes == ("cat", "dog")
    assert [(Path(i.path).name, i.label) for i in listing.images] == [
        ("00.png", "cat"),
        ("00.png", "dog"),
        ("01.png", "dog"),
    ]
    assert not listing.has_parts


@pytest.mark.parametrize("validation", ["val", "Validation"])
def test_folders_named_for_parts_split_the_images(
    tmp_path: Path, fill: Fill, validation: str
) -> None:
    fill(tmp_path, {"Train/cat": 3, "TEST/cat": 1, f"{validation}/cat": 2})
    listing = list_images(tmp_path)
    assert listing.has_parts
    parts = [PARTS[image.part] for image in listing.images]
    assert [parts.count(part) for part in PARTS] == [3, 2, 1]
    assert listing.classes == ("cat",)


def test_train_alone_is_one_pool(tmp_path: Path, fill: Fill) -> None:
    assert not list_images(fill(tmp_path, {"train/cat": 1, "train/dog": 1})).has_parts


def test_a_class_may_be_named_train(tmp_path: Path, fill: Fill) -> None:
    assert list_images(fill(tmp_path, {"train": 1, "bus": 1})).classes == ("bus", "train")


def test_images_deeper_in_a_class_folder_belong_to_the_class(tmp_path: Path, fill: Fill) -> None:
    listing = list_images(fill(tmp_path, {"cat/indoors/night": 2, "dog": 1}))
    assert [image.label for image in listing.images] == ["cat", "cat", "dog"]


def test_hidden_files_and_what_systems_leave_behind_are_ignored(images: Path, fill: Fill) -> None:
    before = list_images(images)
    fill(images, {".git": 1, "__MACOSX": 1, "cat/.thumbnails": 1})
    (images / "cat" / "Thumbs.db").touch()
    (images / "dog" / "._00.png").touch()
    (images / "README.txt").touch()
    assert list_images(images) == before


def test_extensions_are_known_in_either_case(images: Path) -> None:
    (images / "cat" / "00.png").rename(images / "cat" / "00.PNG")
    assert list_images(images).refused == ()


def test_other_files_in_a_class_folder_are_refused(images: Path) -> None:
    (images / "cat" / "notes.txt").touch()
    ((path, reason),) = list_images(images).refused
    assert path.endswith("notes.txt")
    assert reason == "not an image: its extension is .txt"


@pytest.mark.parametrize("place", [".", "train"])
def test_images_outside_the_class_folders_are_refused(
    tmp_path: Path, fill: Fill, place: str
) -> None:
    fill(tmp_path, {"train/cat": 1, "test/cat": 1, place: 1})
    ((path, reason),) = list_images(tmp_path).refused
    assert Path(path) == tmp_path / place / "00.png"
    assert reason == "it lies outside the class folders"


def test_a_linked_folder_inside_a_class_is_refused_as_it_may_lead_in_circles(
    images: Path,
) -> None:
    (images / "cat" / "again").symlink_to(images, target_is_directory=True)
    listing = list_images(images)
    assert [reason for _, reason in listing.refused] == ["it is a link to a folder"]
    assert len(listing.images) == 20


def test_the_fingerprint_follows_names_sizes_and_times(images: Path) -> None:
    seen = {list_images(images).fingerprint}
    file = images / "cat" / "00.png"
    file.write_bytes(file.read_bytes() + b" ")
    seen.add(list_images(images).fingerprint)
    file.rename(images / "cat" / "renamed.png")
    seen.add(list_images(images).fingerprint)
    (images / "cat" / "notes.txt").touch()
    seen.add(list_images(images).fingerprint)
    assert len(seen) == 4
    assert list_images(images).fingerprint in seen


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        list_images(tmp_path / "file")


def test_a_folder_without_images_shows_the_layout_and_the_extensions(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"PATH/cat/1\.png.*none there.*\.jpeg"):
        list_images(tmp_path)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train/cat", "test/cat", "dog"], "both test, train and dog"),
        (["val/cat", "validation/cat", "train/cat"], "val, validation.*Merge"),
        (["test/cat", "val/cat"], "no train"),
        (["train/cat", "test"], "test has no class folders"),
        (["train", "test"], "has no class folders"),
    ],
    ids=["classes beside parts", "a part twice", "no train", "unlabelled test", "no classes"],
)
def test_layouts_that_could_be_misread_are_refused(
    tmp_path: Path, fill: Fill, folders: list[str], message: str
) -> None:
    fill(tmp_path, dict.fromkeys(folders, 1))
    with pytest.raises(DataError, match=message):
        list_images(tmp_path)
