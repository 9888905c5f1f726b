"""Images in folders: one folder per class, optionally under train/ and test/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from normkit.data.errors import DataError
from normkit.data.image import Header, UnreadableImageError, read_header, read_pixels, strict
from normkit.data.listing import Listing, list_images
from normkit.data.resize import check_size
from normkit.data.source import Decoded, Images, Index, Labels, Options

_BYTES_AT_ONCE = 1 << 23


class FolderSource:
    """Image files under a folder, decoded to 8 bits: grey where all are grey, else RGB.

    Args:
        root: The folder that holds the class folders, or train/ and test/.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().resolve()

    def identity(self) -> object:
        """Return a hash of the files' names, sizes and modification times."""
        return {
            "root": str(self._root),
            "files": self._listing.fingerprint,
            "pillow": PIL.__version__,
        }

    def index(self, options: Options) -> Index:
        """Return the labels, by the folders."""
        listing = self._listing
        if listing.refused and not options.skip_bad:
            path, reason = listing.refused[0]
            raise self._bad(path, reason, len(listing.refused))
        label = {name: position for position, name in enumerate(listing.classes)}
        parts = np.array([image.part for image in listing.images])
        return Index(
            classes=tuple(_printable(name) for name in listing.classes),
            labels=np.array([label[image.label] for image in listing.images]),
            parts=parts if listing.has_parts else None,
            skipped=tuple((self._name(Path(path)), reason) for path, reason in listing.refused),
        )

    def decode(self, chosen: Labels, options: Options, write: Callable[[Images], None]) -> Decoded:
        """Write the chosen images as uint8, shape `(N, C, H, W)`."""
        result = Decoded(kept=chosen)
        options.report(0, len(chosen))
        with strict():
            headers = self._read_headers(chosen, options, result)
            size = options.image_size or self._only_size(headers)
            grey = all(header.grey for header in headers.values())
            result.notes += _notes(headers, grey)
            check_size(size)
            self._read_pixels(headers, size, grey, options, write, result)
        return result

    @cached_property
    def _listing(self) -> Listing:
        return list_images(self._root)

    def _read_headers(self, chosen: Labels, options: Options, result: Decoded) -> dict[int, Header]:
        """Headers by position; all are read first, so that a rule they break costs no decoding."""
        headers = {}
        for position in chosen.tolist():
            path = Path(self._listing.images[position].path)
            try:
                headers[position] = read_header(path)
            except UnreadableImageError as error:
                self._skip(path, error, options, result)
        if not headers:
            raise DataError(f"At least one image must be readable, but none in {self._root} is.")
        return headers

    def _read_pixels(
        self,
        headers: dict[int, Header],
        size: tuple[int, int],
        grey: bool,
        options: Options,
        write: Callable[[Images], None],
        result: Decoded,
    ) -> None:
        batch: list[npt.NDArray[np.uint8]] = []
        kept = []
        for done, position in enumerate(headers, start=1):
            path = Path(self._listing.images[position].path)
            try:
                pixels = read_pixels(path, grey=grey, size=options.image_size)
                if pixels.shape[1:] != size:
                    raise UnreadableImageError(
                        "its pixels do not have the size that its header states"
                    )
                batch.append(pixels)
                kept.append(position)
            except UnreadableImageError as error:
                self._skip(path, error, options, result)
            if batch and (len(batch) * batch[0].nbytes >= _BYTES_AT_ONCE or done == len(headers)):
                write(np.stack(batch))
                batch.clear()
            options.report(done, len(headers))
        result.kept = np.array(kept, dtype=np.int64)

    def _skip(
        self, path: Path, error: UnreadableImageError, options: Options, result: Decoded
    ) -> None:
        if not options.skip_bad:
            raise self._bad(path, str(error), 1) from error
        result.skipped.append((self._name(path), str(error)))

    def _bad(self, path: Path | str, reason: str, count: int) -> DataError:
        more = f" (and {count - 1} more such files)" if count > 1 else ""
        return DataError(
            f"Every file in a class folder must be an image that can be decoded, but {path} is "
            f"not: {reason}{more}. Remove or repair it, or go on without such files: "
            "skip_bad=True, --skip-bad."
        )

    def _only_size(self, headers: dict[int, Header]) -> tuple[int, int]:
        sizes = Counter(header.size for header in headers.values())
        if len(sizes) > 1:
            shown = [f"{n} of {h}×{w}" for (h, w), n in sizes.most_common(4)]
            more = f" and {len(sizes) - 4} more sizes" if len(sizes) > 4 else ""
            raise DataError(
                "All images must have one size (height×width), but "
                f"{self._root} has {', '.join(shown)}{more}. "
                "Resize them all: image_size=N, --image-size N."
            )
        return next(iter(sizes))

    def _name(self, path: Path) -> str:
        return _printable(path.relative_to(self._root).as_posix())


def _notes(headers: dict[int, Header], grey: bool) -> list[str]:
    notes = Counter(header.note for header in headers.values() if header.note)
    result = [f"In {count} of {len(headers)} images {note}." for note, count in notes.items()]
    greys = sum(header.grey for header in headers.values())
    if greys and not grey:
        result.append(f"{greys} of {len(headers)} images are grey; all were converted to RGB.")
    return result


def _printable(name: str) -> str:
    """A file name as text, also where the file system holds bytes that are not UTF-8."""
    return name.encode("utf-8", "replace").decode()
