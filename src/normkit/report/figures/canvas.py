"""A matplotlib figure made into SVG that lives inside a page.

One unit of a drawing is one CSS pixel at full size. What leaves here has no size of its own (the
page scales it), no metadata, no ids but those it needs, each made unique by a prefix, and no
colours but the page's variables. The same drawing gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normkit.report.figures.style import GRID, INK, MUTED, variables

# Matplotlib's own defaults first, so that a reader's matplotlibrc does not change the report.
_KEPT = ("backend", "interactive", "toolbar")
_RC: Any = {
    **{key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(_KEPT)},
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.id": None,
    "svg.hashsalt": "normkit",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3.5,
    "ytick.major.size": 0,
    "xtick.major.width": 0.8,
    "xtick.major.pad": 4,
    "ytick.major.pad": 6,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.loc": "upper right",
}

_FIGURE_WIDE = re.compile(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_FONT = re.compile(r"font(?:-size|-family|-weight|-style)?:\s*[^;\"]*;?\s*")
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Canvas:
    """A sheet of given size with one set of axes, its margins in the sheet's units."""

    def __init__(self, width: float, height: float, margins: tuple[float, ...]) -> None:
        left, right, bottom, top = margins
        with mpl.rc_context(_RC):
            self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
            self.axes: Axes = self.figure.add_axes(
                (
                    left / width,
                    bottom / height,
                    (width - left - right) / width,
                    (height - bottom - top) / height,
                )
            )
        self.axes.spines[["top", "right", "left"]].set_visible(False)
        self.axes.minorticks_off()

    def svg(self, prefix: str, name: str, shape: str) -> str:
        """The drawing as an `<svg>` element.

        Args:
            prefix: makes its ids unique in the page.
            name: what it shows, for those who hear the page.
            shape: a CSS class, `wide`, `panel` or `heat`.
        """
        buffer = io.StringIO()
        with mpl.rc_context(_RC), warnings.catch_warnings():
            # The browser has the glyphs that matplotlib's own font lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
        return _inline(buffer.getvalue(), prefix, name, shape)


def _inline(document: str, prefix: str, name: str, shape: str) -> str:
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S)
    svg = svg.replace("xlink:href", "href")
    head, body = svg.split(">", 1)
    head = _FIGURE_WIDE.sub("", head)
    body = re.sub(r'(<text[^>]*?style=")([^"]*)"', lambda m: f'{m[1]}{_FONT.sub("", m[2])}"', body)
    body = _colours(_ids(body, prefix))
    body = re.sub(r"<[^>]+>", lambda tag: _LONG_NUMBER.sub(_short, tag[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    title = f'<title id="{prefix}-title">{escape(name)}</title>'
    return f'{head} class="plot {shape}" role="img" aria-labelledby="{prefix}-title">{title}{body}'


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _ids(body: str, prefix: str) -> str:
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', body))
    needed = {first or second for first, second in used}

    def rename(match: re.Match[str]) -> str:
        return f' id="{prefix}-{match[1]}"' if match[1] in needed else ""

    body = re.sub(r'\sid="([^"]*)"', rename, body)
    body = re.sub(r'href="#', f'href="#{prefix}-', body)
    return re.sub(r"url\(#", f"url(#{prefix}-", body)


def _colours(body: str) -> str:
    names = variables()
    return re.sub(r"#[0-9a-f]{6}\b", lambda match: names.get(match[0], "currentColor"), body)
