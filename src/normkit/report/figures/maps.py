"""Maps: images by channels, each cell a small heat map, with one set of values framed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from markupsafe import escape

from normkit.report.schema import Maps

WIDTH = 260.0
_LEFT, _TOP, _RIGHT = 22.0, 20.0, 4.0
_GAP = 5.0
_LEVELS = 10
_FAINTEST = 0.04
_TAIL = 0.02


def draw(maps: Maps, panel: int, prefix: str, name: str) -> str:
    """One panel as SVG: the shared set in colour and framed, all else in grey.

    Args:
        maps: as in the results document.
        panel: which of its panels.
        prefix: makes its ids unique in the page.
        name: what it shows, for those who hear the page.
    """
    values = maps["values"]
    images, channels = len(values), max((len(row) for row in values), default=0)
    rows, columns = maps["size"]
    cell = (WIDTH - _LEFT - _RIGHT) / max(channels, 1)
    side = cell - _GAP
    tall = side * rows / columns
    height = _TOP + images * (tall + _GAP) + 2
    shared = {(image, channel) for image, channel in maps["panels"][panel]["shared"]}
    low, high = _limits(values)
    shades: dict[tuple[bool, int], list[str]] = defaultdict(list)
    frames: list[str] = []
    for image, row in enumerate(values):
        for channel, cells in enumerate(row):
            x, y = _LEFT + channel * cell + _GAP / 2, _TOP + image * (tall + _GAP)
            among = (image, channel) in shared
            for place, value in enumerate(cells):
                strength = (value - low) / (high - low) if high > low else 0.5
                level = min(max(int(strength * _LEVELS), 0), _LEVELS - 1)
                across, down = place % columns, place // columns
                left, top = x + across * side / columns, y + down * tall / rows
                shades[among, level].append(
                    f"M{left:.1f} {top:.1f}h{side / columns:.1f}v{tall / rows:.1f}"
                    f"h{-side / columns:.1f}z"
                )
            frames += _frame(image, channel, shared, (x, y, side, tall))
    parts = [
        f'<path class="{"shared" if among else "apart"}" '
        f'fill-opacity="{_FAINTEST + (1 - _FAINTEST) * (level + 0.5) / _LEVELS:.2f}" '
        f'd="{"".join(paths)}"/>'
        for (among, level), paths in sorted(shades.items())
    ]
    parts.append(f'<path class="frame-line" d="{"".join(frames)}"/>')
    parts += [
        f'<text x="{_LEFT + channel * cell + cell / 2:.1f}" y="13" text-anchor="middle">'
        f"{maps['first_channel'] + channel}</text>"
        for channel in range(channels)
    ]
    parts += [
        f'<text x="{_LEFT - 7}" y="{_TOP + image * (tall + _GAP) + tall / 2 + 4:.1f}" '
        f'text-anchor="end">{image + 1}</text>'
        for image in range(images)
    ]
    return (
        f'<svg class="plot maps-plot" viewBox="0 0 {WIDTH:g} {height:.0f}" role="img" '
        f'aria-labelledby="{prefix}-title"><title id="{prefix}-title">{escape(name)}</title>'
        f"{''.join(parts)}</svg>"
    )


def _limits(values: Sequence[Sequence[Sequence[float]]]) -> tuple[float, float]:
    """The values of the lightest and the darkest shade: a few far ones do not fade the rest."""
    flat = sorted(value for row in values for cells in row for value in cells)
    cut = int(_TAIL * len(flat))
    return flat[cut], flat[-1 - cut]


def _frame(
    image: int,
    channel: int,
    shared: set[tuple[int, int]],
    box: tuple[float, float, float, float],
) -> list[str]:
    """The sides of a shared cell that no shared cell adjoins: together the outline of the set."""
    if (image, channel) not in shared:
        return []
    x, y, side, tall = box
    half = _GAP / 2 - 0.3
    left, top, right, bottom = x - half, y - half, x + side + half, y + tall + half
    sides = {
        (0, -1): f"M{left:.1f} {top:.1f}V{bottom:.1f}",
        (0, 1): f"M{right:.1f} {top:.1f}V{bottom:.1f}",
        (-1, 0): f"M{left:.1f} {top:.1f}H{right:.1f}",
        (1, 0): f"M{left:.1f} {bottom:.1f}H{right:.1f}",
    }
    return [
        path
        for (down, across), path in sides.items()
        if (image + down, channel + across) not in shared
    ]
