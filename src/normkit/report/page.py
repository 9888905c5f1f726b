"""The report as one self-contained HTML page: no script, no external request."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from normkit.report import figures, formats, lesson, summary, tables
from normkit.report.figure_csv import csv_content, csv_name
from normkit.report.figures import style
from normkit.report.figures.strip import Scale, strip
from normkit.report.results import figures_of, read
from normkit.report.schema import Cell, Claim, Figure, Results
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words

# A page holds the numbers of its figures while they fit in these bytes; past that, the smallest
# ones, and names the files that hold the rest.
CSV_ROOM = 1_000_000
# A longer table is no help to a reader; the CSV has it.
MOST_TABLE_ROWS = 160
MOST_CLASSES = 12


def html(results: Mapping[str, Any], lang: str = "en") -> str:
    """The report as one HTML file.

    Args:
        results: a results document.
        lang: `en` or `zh`.

    Returns:
        The page: self-contained, readable with scripts off, the same bytes for the same results.

    Raises:
        ResultsError: if `results` is not a results document.
        ValueError: if the report is not written in `lang`.
    """
    return render(read(results), lang, {})


def render(results: Results, lang: str, siblings: Mapping[str, str]) -> str:
    """The page in one language, with links to its siblings: language → file name."""
    words = Words(lang)
    styles = figures.Styles.of(results)
    inline = _inline_csv(results)
    pictures = {
        (owner, figure["id"]): _picture(owner, figure, styles, words, inline)
        for owner, figure in figures_of(results)
    }
    return (
        environment(words)
        .get_template("report.html.j2")
        .render(
            results=results,
            lang=lang,
            siblings=siblings,
            colours=colours(),
            summary=summary.summarise(results, words),
            sentence=summary.sentence(results, words),
            norms=tables.verdict_norms(results),
            verdict_rows=tables.verdict_rows(results),
            strips=_strips(results),
            choices=tables.choice_cells(results),
            given=summary.studied_as_given(results),
            headline=summary.headline_norm(results),
            outcome_of=_outcome_of,
            questions=tables.questions,
            pictures=pictures,
            lesson=lesson.view(results["lesson"], words) if "lesson" in results else None,
            duration=_duration(results["seconds"], words),
            started=results["started"].replace("T", " ")[:16],
            most_classes=MOST_CLASSES,
        )
    )


def environment(words: Words) -> Environment:
    """What every page is made in: the templates, the words and the ways to write numbers."""
    made = Environment(
        loader=PackageLoader("normkit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "w": words,
        "pick": words.pick,
        "inline": lambda text: _inline(words.pick(text)),
        "formats": formats,
        "verdict_text": lambda verdict: VerdictText.of(verdict, words),
        "shown_cell": lambda cell: _cell(cell, words),
    }
    return made


@dataclass(frozen=True)
class Key:
    """One entry of a legend."""

    name: str
    variable: str
    marker: str


@dataclass(frozen=True)
class Picture:
    """A figure with everything that stands around it."""

    figure: Figure
    drawing: figures.Drawing
    panels: list[tuple[str, Markup]]  # title, drawing
    keys: list[Key]
    references: list[tuple[str, str, str]]  # name, value, dash pattern
    notes: list[str]
    csv_name: str
    csv_link: str | None
    fields: list[str]
    rows: list[dict[str, Cell]]


def _picture(
    owner: str, figure: Figure, styles: figures.Styles, words: Words, inline: dict[str, str]
) -> Picture:
    title = words.pick(figure["title"])
    facets = {
        facet: words.pick(text) if any(text.values()) else facet
        for facet, text in figure.get("facets", {}).items()
    }
    names: dict[str | None, str] = {None: title}
    plain = {facet: label.replace("`", "") for facet, label in facets.items()}
    names |= {facet: f"{title}{words('colon')}{label}" for facet, label in plain.items()}
    drawing = figures.draw(figure, styles, f"f-{owner}-{figure['id']}", names)
    panels = [
        (
            "" if panel.facet is None else _inline(facets.get(panel.facet, panel.facet)),
            Markup(panel.svg),
        )
        for panel in drawing.panels
    ]
    references = [
        (
            words.pick(reference["label"]),
            formats.tick(float(f"{reference['value']:.3g}")),
            " ".join(f"{length:g}" for length in style.DASHES[index % len(style.DASHES)]),
        )
        for index, reference in enumerate(figure.get("references", []))
    ]
    file = csv_name(owner, figure)
    few = 0 < len(figure["rows"]) <= MOST_TABLE_ROWS
    return Picture(
        figure=figure,
        drawing=drawing,
        panels=panels,
        keys=[Key(key, styles[key].variable, styles[key].marker) for key in drawing.legend],
        references=references,
        notes=[_note(note, words) for note in drawing.notes],
        csv_name=file,
        csv_link=inline.get(file),
        fields=list(dict.fromkeys(field for row in figure["rows"] for field in row)),
        rows=figure["rows"] if few else [],
    )


def _note(note: figures.Note, words: Words) -> str:
    if not note.counts:
        return words(note.word)
    counts = [f"{name} × {count}" if name else str(count) for name, count in note.counts.items()]
    return words(note.word, counts=words.join(counts))


def _inline_csv(results: Results) -> dict[str, str]:
    """File name → a link that holds the file, the smallest first while there is room."""
    contents = {
        csv_name(owner, figure): csv_content(figure) for owner, figure in figures_of(results)
    }
    links: dict[str, str] = {}
    room = CSV_ROOM
    for name, content in sorted(contents.items(), key=lambda item: (len(item[1]), item[0])):
        link = "data:text/csv;base64," + base64.b64encode(content.encode()).decode()
        room -= len(link)
        if room < 0:
            break
        links[name] = link
    return links


def _strips(results: Results) -> dict[tuple[str, str, str], Markup]:
    """(claim, question, norm) → the picture of the verdict."""
    pictures = {}
    for claim in results["claims"]:
        for verdicts in tables.questions(claim):
            scale = Scale(verdicts)
            for verdict in verdicts:
                key = (claim["id"], verdict["id"], verdict["norm"])
                pictures[key] = Markup(strip(verdict, scale))
    return pictures


def _outcome_of(claim: Claim, norm: str) -> str | None:
    verdicts = summary.primary(claim, norm)
    return summary.outcome(verdicts) if verdicts else None


def colours() -> Markup:
    """The series' colours as CSS, for the light scheme and the dark one."""
    light = "".join(f"--{each.variable}:{each.light};" for each in style.all_styles())
    dark = "".join(f"--{each.variable}:{each.dark};" for each in style.all_styles())
    return Markup(f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}")


def _duration(seconds: float | None, words: Words) -> str:
    if seconds is None:
        return formats.NOTHING
    if seconds < 100:
        return words("duration_seconds", seconds=f"{seconds:.0f}")
    minutes, rest = divmod(round(seconds), 60)
    return words("duration_minutes", minutes=minutes, seconds=rest)


def _inline(text: str) -> Markup:
    """A sentence, with `names` between backticks set as code.

    >>> _inline("`batch` < `none`")
    Markup('<code>batch</code> &lt; <code>none</code>')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _cell(cell: Cell, words: Words) -> str:
    if cell is None:
        return formats.NOTHING
    if isinstance(cell, bool):
        return words("yes") if cell else words("no")
    if isinstance(cell, float):
        return formats.number(cell, 4)
    return str(cell)
