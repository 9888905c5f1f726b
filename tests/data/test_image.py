from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from normkit.data.image import UnreadableImageError, read_header, read_pixels, strict

GREY = np.random.default_rng(0).integers(0, 256, (8, 12), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.png"


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "pgm"])
def test_grey_files_decode_to_their_bytes_in_one_channel(tmp_path: Path, extension: str) -> None:
    path = save(Image.fromarray(GREY), tmp_path / f"image.{extension}")
    assert read_header(path).grey
    np.testing.assert_array_equal(read_pixels(path, grey=True), GREY[None])


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "ppm", "webp"])
def test_colour_files_decode_to_their_bytes_channels_first(tmp_path: Path, extension: str) -> None:
    options = {"lossless": True} if extension == "webp" else {}
    path = save(Image.fromarray(COLOUR), tmp_path / f"image.{extension}", **options)
    assert not read_header(path).grey
    np.testing.assert_array_equal(read_pixels(path, grey=False), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize("extension", ["jpg", "jpeg"])
def test_jpeg_decodes_to_nearly_what_was_saved(tmp_path: Path, extension: str) -> None:
    smooth = np.linspace(0, 255, 96).reshape(8, 12).astype(np.uint8)
    path = save(Image.fromarray(smooth), tmp_path / f"image.{extension}", quality=100)
    np.testing.assert_allclose(read_pixels(path, grey=True)[0], smooth.astype(float), atol=3)


def test_black_and_white_becomes_0_and_255(path: Path) -> None:
    save(Image.fromarray(GREY > 127), path)
    assert read_header(path).grey
    np.testing.assert_array_equal(read_pixels(path, grey=True)[0], np.where(GREY > 127, 255, 0))


@pytest.mark.parametrize("extension", ["png", "pgm", "tif"])
def test_16_bits_are_scaled_to_8_instead_of_clipped(tmp_path: Path, extension: str) -> None:
    deep = GREY.astype(np.uint16) * 257
    path = save(Image.fromarray(deep), tmp_path / f"image.{extension}")
    assert read_header(path).grey
    np.testing.assert_array_equal(read_pixels(path, grey=True)[0], GREY)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused_as_their_range_is_unknown(tmp_path: Path, dtype: type) -> None:
    path = save(Image.fromarray(GREY.astype(dtype)), tmp_path / "image.tif")
    with pytest.raises(UnreadableImageError, match="32-bit"):
        read_header(path)


def test_grey_read_as_colour_repeats_its_channel(path: Path) -> None:
    save(Image.fromarray(GREY), path)
    np.testing.assert_array_equal(read_pixels(path, grey=False), np.stack([GREY] * 3))


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(GREY // 64).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    pixels = read_pixels(save(palette, tmp_path / "image.gif"), grey=False)
    np.testing.assert_array_equal(pixels, np.array(palette.convert("RGB")).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_dropped_and_noted(path: Path, mode: str) -> None:
    save(Image.fromarray(COLOUR).convert(mode), path)
    header = read_header(path)
    assert header.note == "transparency is dropped"
    assert header.grey == (mode == "LA")


def test_a_transparent_palette_decodes_without_a_warning(path: Path) -> None:
    save(Image.fromarray(GREY // 64).convert("P"), path, transparency=b"\x00\x80")
    with strict():
        assert read_pixels(path, grey=False).shape == (3, 8, 12)


def test_an_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (0, 255)]
    path = save(frames[0], tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    assert read_header(path).note == "only the first frame is used"
    assert read_pixels(path, grey=False).max() == 0


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_an_image_stored_sideways_is_turned_upright(tmp_path: Path, extension: str) -> None:
    options = {"lossless": True} if extension == "webp" else {}
    path = tmp_path / f"image.{extension}"
    save(Image.fromarray(COLOUR), path, exif=oriented(6), **options)
    assert read_header(path).size == (12, 8)
    upright = np.rot90(COLOUR, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_pixels(path, grey=False), upright)


def test_a_sideways_tiff_is_turned_or_refused_but_never_garbled(tmp_path: Path) -> None:
    image = Image.fromarray(GREY)
    packed = save(image, tmp_path / "packed.tif", exif=oriented(6), compression="tiff_lzw")
    np.testing.assert_array_equal(read_pixels(packed, grey=True)[0], np.rot90(GREY, -1))
    raw = save(image, tmp_path / "raw.tif", exif=oriented(6))
    with suppress(UnreadableImageError):
        np.testing.assert_array_equal(read_pixels(raw, grey=True)[0], np.rot90(GREY, -1))


def test_resizing_takes_height_then_width_and_averages(path: Path) -> None:
    board = (np.indices((16, 16)).sum(axis=0) % 2 * 200).astype(np.uint8)
    pixels = read_pixels(save(Image.fromarray(board), path), grey=True, size=(8, 4))
    assert pixels.shape == (1, 8, 4)
    np.testing.assert_allclose(pixels[0, 2:-2, 1:-1], 100, atol=1)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"hello, world", "not an image")]
)
def test_what_is_not_an_image_gives_the_reason(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=reason):
        read_header(path)


def test_a_missing_file_gives_the_reason(path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="No such file"):
        read_header(path)


@pytest.mark.parametrize("extension", ["png", "jpg", "gif", "webp", "tif", "bmp", "ppm"])
def test_a_truncated_file_is_refused_whatever_the_process_has_set(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(Image.fromarray(noise), tmp_path / f"image.{extension}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with strict(), pytest.raises(UnreadableImageError):
        read_pixels(path, grey=False)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(Image.fromarray(GREY), path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size - 1)
    with strict(), pytest.raises(UnreadableImageError, match="decompression bomb"):
        read_header(path)
