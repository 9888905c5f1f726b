"""One colour and one marker for each norm, the same in every figure of a report.

Matplotlib draws with the light scheme's colours; the canvas then writes each of them as a CSS
variable, so that the page decides, by light or dark scheme, what is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from normkit.report.results import figures_of
from normkit.report.schema import Results


@dataclass(frozen=True)
class Style:
    """How one series looks: its CSS variable, its colours in both schemes, its marker."""

    variable: str
    light: str
    dark: str
    marker: str


# Told apart under the common colour-vision deficiencies, with ≥ 3:1 contrast in either scheme.
NORMS = {
    "none": Style("norm-none", "#6b7280", "#a3abb8", "o"),
    "batch": Style("norm-batch", "#0b66b2", "#62b0f0", "s"),
    "layer": Style("norm-layer", "#c8500a", "#f58a4b", "^"),
    "channel_layer": Style("norm-channel-layer", "#9a7400", "#dcb53c", "v"),
    "instance": Style("norm-instance", "#00805c", "#35c79a", "D"),
    "group": Style("norm-group", "#a8458a", "#e592c9", "P"),
    "rms": Style("norm-rms", "#3f3d9e", "#9d9bf2", "X"),
}

# For anything else, in the order in which it appears in the document.
OTHERS = (
    Style("other-1", "#7a4b2a", "#d39c74", "h"),
    Style("other-2", "#127c8a", "#4fc4d3", "p"),
    Style("other-3", "#8b1e3f", "#ec7f9d", "<"),
    Style("other-4", "#4d6b10", "#a9cc5c", ">"),
    Style("other-5", "#5d4a8a", "#b9a3ea", "d"),
    Style("other-6", "#555049", "#bdb6ab", "*"),
)

INK = "#1b2430"
MUTED = "#5b6572"
GRID = "#e4e7eb"
SURFACE = "#fdfdfc"
SHADE = "#0a5f8f"
SHADE_INK = "#fefefe"

CHROME = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    SURFACE: "var(--surface)",
    SHADE: "var(--shade)",
    SHADE_INK: "var(--shade-ink)",
}

# Dash patterns of reference lines, in order; the page's legend draws the same ones.
DASHES = ((5.0, 3.0), (1.5, 2.5), (8.0, 3.0, 1.5, 3.0), (3.0, 1.5))


def variables() -> dict[str, str]:
    """Colour → the CSS that stands for it in a page."""
    return CHROME | {style.light: f"var(--{style.variable})" for style in all_styles()}


def all_styles() -> tuple[Style, ...]:
    """Every series style, for the page's style sheet."""
    return (*NORMS.values(), *OTHERS)


class Styles:
    """The style of each series of one document.

    >>> styles = Styles(["dropout", "batch", "l2"])
    >>> styles["batch"].variable, styles["dropout"].variable, styles["l2"].variable
    ('norm-batch', 'other-1', 'other-2')
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._styles = dict(NORMS)
        for name in names:
            if name not in self._styles:
                count = len(self._styles) - len(NORMS)
                self._styles[name] = OTHERS[count % len(OTHERS)]

    @classmethod
    def of(cls, results: Results) -> Styles:
        """The styles of every norm and series in a document, in order of appearance."""
        names = [row["norm"] for row in results["choices"]["rows"]]
        for claim in results["claims"]:
            names += [verdict["norm"] for verdict in claim["verdicts"]]
        for _, figure in figures_of(results):
            series = figure["series"]
            if series is not None:
                names += [str(row[series]) for row in figure["rows"]]
        return cls(names)

    def __getitem__(self, name: str) -> Style:
        return self._styles[name]
