"""One image file to an array of pixels, with pillow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# Only these decoders run, whatever a file's name says.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_GREY_MODES = frozenset({"1", "L", "LA", "I"})
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})


class UnreadableImageError(Exception):
    """An image file that cannot be decoded; the message is the reason."""


@dataclass(frozen=True)
class Header:
    """What a file says of its image before the pixels are decoded.

    Args:
        size: Height and width, as the image is to be seen.
        grey: Whether the image has one channel.
        note: What is lost when it is decoded, or "".
    """

    size: tuple[int, int]
    grey: bool
    note: str


def read_header(path: Path) -> Header:
    """Return size and kind of an image without decoding its pixels.

    Raises:
        UnreadableImageError: If the file is not an image that can be decoded.
    """
    with _opened(path) as image:
        width, height = image.size
        if "exif" in image.info and image.getexif().get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
        note = ""
        if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
            note = "transparency is dropped"
        elif getattr(image, "is_animated", False):
            note = "only the first frame is used"
        return Header((height, width), _is_grey(image), note)


def read_pixels(
    path: Path, *, grey: bool, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decode an image, upright as its EXIF orientation has it.

    Args:
        path: The file.
        grey: One channel, for which the image must be grey; otherwise three, RGB.
        size: Height and width to resize to, bilinearly and antialiased.

    Returns:
        Shape `(C, H, W)`. Deeper greys are scaled to 8 bits.

    Raises:
        UnreadableImageError: If the file cannot be decoded whole.
    """
    with _opened(path) as image:
        stated = image.size
        image.load()
        if image.size != stated:  # pillow garbles an uncompressed TIFF that is stored sideways
            raise ValueError("its pixels do not have the size that its header states")
        ImageOps.exif_transpose(image, in_place=True)
        flat: Image.Image = image
        if image.mode in {"P", "PA"}:
            # A palette may hold transparency, which only RGBA takes over without a warning.
            flat = image.convert("RGBA")
        elif image.mode.startswith("I"):
            flat = _to_8_bits(image)
        flat = flat.convert("L" if grey else "RGB")
        if size is not None and size != (flat.height, flat.width):
            flat = flat.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.array(flat)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def strict() -> Iterator[None]:
    """Turn what pillow warns of or lets pass, as huge or truncated images, into errors.

    The settings are the process's, so they are put back, and not changed per image.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", "Corrupt EXIF data")  # the pixels are sound
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_depth(image)
            yield image
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise UnreadableImageError("the file is empty" if empty else "not an image") from error
    except MemoryError:
        raise
    except Exception as error:  # on a corrupt file a decoder may raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableImageError(reason) from error


def _is_grey(image: Image.Image) -> bool:
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits, scaled so that 65535 becomes 255."""
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _check_depth(image: Image.Image) -> None:
    # Pillow reads a PGM of more than 8 bits as mode I, scaled to 16 bits.
    if image.mode == "F" or (image.mode == "I" and image.format not in {"PPM", "PNG"}):
        raise ValueError("32-bit pixels have no stated range; save it with 8 or 16 bits")
