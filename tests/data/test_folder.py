from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normkit.data import DataError, folder
from normkit.data.folder import FolderSource
from normkit.data.source import Decoded, Images, Options

Fill = Callable[..., Path]
SKIP = Options(skip_bad=True)


def decode(
    root: Path, options: Options | None = None, chosen: list[int] | None = None
) -> tuple[Images, Decoded]:
    options = options or Options()
    source = FolderSource(root)
    batches: list[Images] = []
    everything = np.arange(len(source.index(options).labels))
    wanted = everything if chosen is None else np.array(chosen)
    decoded = source.decode(wanted, options, batches.append)
    return np.concatenate(batches), decoded


def test_labels_are_the_folders_and_pixels_the_files(images: Path) -> None:
    index = FolderSource(images).index(Options())
    assert index.classes == ("cat", "dog")
    assert index.labels.tolist() == [0] * 10 + [1] * 10
    pixels, _ = decode(images)
    assert pixels.shape == (20, 1, 8, 8)
    np.testing.assert_array_equal(pixels[11, 0], Image.open(images / "dog" / "01.png"))


def test_only_the_chosen_files_are_opened(images: Path) -> None:
    (images / "cat" / "00.png").write_bytes(b"never read")
    pixels, decoded = decode(images, chosen=[3, 17])
    assert len(pixels) == 2
    assert decoded.kept.tolist() == [3, 17]


def test_batches_of_any_size_give_the_same_images(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = decode(images)
    monkeypatch.setattr(folder, "_BYTES_AT_ONCE", 3 * 64)
    np.testing.assert_array_equal(decode(images)[0], whole)


def test_progress_runs_from_0_to_all(images: Path) -> None:
    calls: list[tuple[int, int]] = []
    decode(images, Options(progress=lambda done, total: calls.append((done, total))))
    assert calls == [(done, 20) for done in range(21)]


def test_a_mix_of_grey_and_colour_becomes_colour_and_is_noted(images: Path, fill: Fill) -> None:
    fill(images, {"fox": 5}, mode="RGB")
    pixels, decoded = decode(images)
    assert pixels.shape == (25, 3, 8, 8)
    assert decoded.notes == ["20 of 25 images are grey; all were converted to RGB."]


def test_what_decoding_drops_is_noted(images: Path) -> None:
    Image.new("LA", (8, 8)).save(images / "cat" / "00.png")
    assert decode(images)[1].notes == ["In 1 of 20 images transparency is dropped."]


def test_mixed_sizes_are_counted_and_a_size_is_offered(images: Path, fill: Fill) -> None:
    fill(images, {"fox": 3}, side=16)
    with pytest.raises(DataError, match=r"20 of 8×8, 3 of 16×16.*--image-size N"):
        decode(images)


def test_mixed_sizes_are_resized_when_asked(images: Path, fill: Fill) -> None:
    fill(images, {"fox": 3}, side=16)
    pixels, _ = decode(images, Options(image_size=(6, 10)))
    assert pixels.shape == (23, 1, 6, 10)


def test_images_of_a_few_pixels_are_refused(tmp_path: Path, fill: Fill) -> None:
    with pytest.raises(DataError, match="at least 4 pixels"):
        decode(fill(tmp_path, {"cat": 3, "dog": 3}, side=3))


def damage(path: Path) -> Path:
    """Keep the header of an image and lose the end of its pixels."""
    Image.fromarray(np.random.default_rng(9).integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:70])
    return path


@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "cut"])
def test_a_bad_file_is_named_with_the_reason_and_the_way_on(
    images: Path, content: bytes | None
) -> None:
    path = images / "cat" / "05.png"
    if content is None:
        damage(path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"cat/05\.png is not: .+--skip-bad"):
        decode(images)


def test_bad_files_can_be_left_out_and_are_listed(images: Path) -> None:
    (images / "cat" / "05.png").write_bytes(b"not an image")
    damage(images / "dog" / "09.png")
    pixels, decoded = decode(images, SKIP)
    assert len(pixels) == 18
    assert [name for name, _ in decoded.skipped] == ["cat/05.png", "dog/09.png"]
    assert decoded.kept.tolist() == [p for p in range(20) if p not in (5, 19)]


def test_a_file_that_is_no_image_by_its_name_counts_as_bad(images: Path) -> None:
    (images / "cat" / "notes.txt").touch()
    (images / "dog" / "notes.md").touch()
    with pytest.raises(DataError, match=r"notes\.txt is not.*and 1 more such file"):
        FolderSource(images).index(Options())
    skipped = FolderSource(images).index(SKIP).skipped
    assert [name for name, _ in skipped] == ["cat/notes.txt", "dog/notes.md"]


def test_nothing_readable_is_an_error_even_when_skipping(images: Path) -> None:
    for path in images.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="At least one image must be readable"):
        decode(images, SKIP)


def test_the_home_folder_may_be_written_as_a_tilde(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(images.parent))
    monkeypatch.setenv("USERPROFILE", str(images.parent))
    assert FolderSource(Path("~/images")).identity() == FolderSource(images).identity()
