"""A comparison as one self-contained HTML page: no script, no external request."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from normkit.report import formats
from normkit.report.comparison import summary
from normkit.report.comparison.schema import Arm, Column, Comparison, Question
from normkit.report.figures.strip import Scale, strip
from normkit.report.page import colours, environment
from normkit.report.tables import ChoiceCell
from normkit.report.words import Words

Place = tuple[str, str, str, int]
"""A verdict: its claim, question and norm, and which study's it is."""


def html(comparison: Comparison, lang: str = "en") -> str:
    """A comparison as one HTML file.

    Args:
        comparison: a comparison document.
        lang: `en` or `zh`.

    Returns:
        The page: self-contained, readable with scripts off, the same bytes for the same document.

    Raises:
        ValueError: if the report is not written in `lang`.
    """
    return render(comparison, lang, {})


def render(comparison: Comparison, lang: str, siblings: Mapping[str, str]) -> str:
    """The page in one language, with links to its siblings: language → file name."""
    words = Words(lang)
    return (
        environment(words)
        .get_template("comparison.html.j2")
        .render(
            comparison=comparison,
            lang=lang,
            siblings=siblings,
            colours=colours(),
            names=[study["name"] for study in comparison["studies"]],
            sentence=summary.sentence(comparison, words),
            counted=summary.counted(comparison, words),
            cautions={caution["id"]: caution for caution in comparison["cautions"]},
            everywhere=[each["id"] for each in comparison["cautions"] if each["everywhere"]],
            differing=[fact for fact in comparison["facts"] if not fact["same"]],
            shared=[fact for fact in comparison["facts"] if fact["same"]],
            strips=_strips(comparison),
            choice_cell=choice_cell,
        )
    )


def choice_cell(arm: Arm, column: Column) -> ChoiceCell:
    """A value of the choices as it is shown."""
    measured = arm["values"].get(column["id"])
    if measured is None:
        return ChoiceCell(formats.NOTHING, "", None)
    kind = column["format"]
    return ChoiceCell(
        formats.column(measured["value"], kind),
        formats.column_interval(measured["low"], measured["high"], kind),
        arm["marks"].get(column["id"]),
    )


def _strips(comparison: Comparison) -> dict[Place, Markup]:
    """The picture of each verdict, all those of a question on one scale."""
    pictures = {}
    for claim in comparison["claims"]:
        for question in claim["questions"]:
            scales = _scales(question)
            for row in question["rows"]:
                for index, cell in enumerate(row["cells"]):
                    if verdict := cell["verdict"]:
                        place = claim["id"], question["id"], row["norm"], index
                        pictures[place] = Markup(strip(verdict, scales[verdict["style"]]))
    return pictures


def _scales(question: Question) -> dict[str, Scale]:
    """One scale for a question; one for each style of effect where another version has another."""
    verdicts = [c["verdict"] for row in question["rows"] for c in row["cells"] if c["verdict"]]
    styles = {verdict["style"] for verdict in verdicts}
    return {style: Scale([v for v in verdicts if v["style"] == style]) for style in styles}
