"""Reading a results document: is it one, and is it whole?"""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from normkit.report.schema import SCHEMA, Figure, Lesson, LessonTable, Maps, Results, Verdict

# Claim and figure ids become anchors and file names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# Where a number stands in a formula: {name}, or {name()} behind another sign.
PLACES = re.compile(r"\{(\w+)(\(\))?\}")


class ResultsError(ValueError):
    """The document is not a results document, or not one that this version reads."""


def read(results: Mapping[str, Any]) -> Results:
    """Check a results document against the schema and return it, typed.

    Args:
        results: the parsed JSON of a study's `results.json`.

    Returns:
        The same document; nothing is copied or filled in.

    Raises:
        ResultsError: naming the place in the document, what was expected and what came.

    >>> read({"schema": 99})
    Traceback (most recent call last):
        ...
    normkit.report.results.ResultsError: results["schema"] must be 1, got 99; the document was \
written by another version of normkit: use that version, or run the study again
    """
    if not isinstance(results, Mapping):
        raise ResultsError(
            f"results must be a mapping (the parsed results.json), got {_shown(results)}"
        )
    if "schema" not in results:
        raise ResultsError(
            'results lacks the key "schema": this is not a results document '
            "(a study writes one as results.json)"
        )
    if results["schema"] != SCHEMA:
        raise ResultsError(
            f'results["schema"] must be {SCHEMA}, got {_shown(results["schema"])}; '
            "the document was written by another version of normkit: "
            "use that version, or run the study again"
        )
    conforms(results, Results, "results")
    document = cast(Results, results)
    # The lesson's figures name their files as a claim's do.
    ids = ["lesson"] if "lesson" in document else []
    _check_ids([*ids, *(claim["id"] for claim in document["claims"])], 'results["claims"]')
    if "lesson" in document:
        _check_lesson(document["lesson"])
    for number, claim in enumerate(document["claims"]):
        for index, verdict in enumerate(claim["verdicts"]):
            _check_confidence(verdict, f'results["claims"][{number}]["verdicts"][{index}]')
        place = f'results["claims"][{number}]["figures"]'
        _check_ids((figure["id"] for figure in claim["figures"]), place)
        for index, figure in enumerate(claim["figures"]):
            _check_rows(figure, f"{place}[{index}]")
    return document


def conforms(value: object, expected: Any, place: str) -> None:
    origin, choices = get_origin(expected), get_args(expected)
    if is_typeddict(expected):
        _check_typed(value, expected, place)
    elif origin is NotRequired:
        conforms(value, choices[0], place)
    elif origin is Literal:
        if value not in choices:
            raise ResultsError(_unknown(value, choices, place))
    elif origin in (Union, types.UnionType):
        _check_union(value, choices, place)
    elif origin is list:
        if not isinstance(value, list | tuple):
            raise ResultsError(f"{place} must be a list, got {_shown(value)}")
        for index, item in enumerate(value):
            conforms(item, choices[0], f"{place}[{index}]")
    elif origin is dict:
        if not isinstance(value, Mapping):
            raise ResultsError(f"{place} must be a mapping, got {_shown(value)}")
        for key, item in value.items():
            conforms(item, choices[1], f'{place}["{key}"]')
    else:
        _check_plain(value, expected, place)


def _check_typed(value: object, expected: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        raise ResultsError(f"{place} must be a mapping, got {_shown(value)}")
    for key, hint in get_type_hints(expected, include_extras=True).items():
        if key in value:
            conforms(value[key], hint, f'{place}["{key}"]')
        elif get_origin(hint) is not NotRequired:
            close = difflib.get_close_matches(key, map(str, value), n=1)
            hint_text = f'; it has "{close[0]}": is that the one?' if close else ""
            raise ResultsError(f'{place} lacks the key "{key}"{hint_text}')


def _check_union(value: object, choices: tuple[Any, ...], place: str) -> None:
    if value is None and type(None) in choices:
        return
    others = [choice for choice in choices if choice is not type(None)]
    if len(others) == 1:
        conforms(value, others[0], place)
        return
    for choice in others:
        if _is_plain(value, choice):
            _check_finite(value, place)
            return
    raise ResultsError(f"{place} must be text, a number, true, false or null, got {_shown(value)}")


def _check_plain(value: object, expected: Any, place: str) -> None:
    if not _is_plain(value, expected):
        kind = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise ResultsError(f"{place} must be {kind[expected]}, got {_shown(value)}")
    _check_finite(value, place)


def _is_plain(value: object, expected: Any) -> bool:
    if isinstance(value, bool):
        return expected is bool
    if expected is float:
        return isinstance(value, int | float)
    return isinstance(value, expected)


def _check_finite(value: object, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ResultsError(f"{place} must be finite, got {value}; write null for it")


def _check_ids(ids: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for name in ids:
        if not _ID.fullmatch(name):
            raise ResultsError(
                f"{place}: an id is made of letters, digits, '_' and '-' "
                f"(it names a file), got {name!r}"
            )
        if name in seen:
            raise ResultsError(f"{place}: ids must differ, got {name!r} twice")
        seen.add(name)


def _check_lesson(lesson: Lesson) -> None:
    place = 'results["lesson"]["steps"]'
    steps = lesson["steps"]
    _check_ids((step["id"] for step in steps), place)
    # The figures of all steps name files beside each other.
    _check_ids((figure["id"] for step in steps for figure in step["figures"]), place)
    for number, step in enumerate(steps):
        at = f"{place}[{number}]"
        for index, figure in enumerate(step["figures"]):
            _check_rows(figure, f'{at}["figures"][{index}]')
        for index, formula in enumerate(step["formulas"]):
            for name in PLACES.findall(formula["form"]):
                if name[0] not in formula["values"]:
                    raise ResultsError(
                        f'{at}["formulas"][{index}] has a place for "{name[0]}" but no such value'
                    )
        for index, table in enumerate(step["tables"]):
            _check_table(table, len(lesson["images"]), f'{at}["tables"][{index}]')
        if step["maps"] is not None:
            _check_maps(step["maps"], f'{at}["maps"]')
    for number, term in enumerate(lesson["terms"]):
        paper = term["paper"]
        # It becomes a link, which must not be one that runs anything.
        if paper is not None and not paper["address"].startswith("https://"):
            raise ResultsError(
                f'results["lesson"]["terms"][{number}]["paper"]["address"] must begin with '
                f"https://, got {_shown(paper['address'])}"
            )


def _check_table(table: LessonTable, images: int, place: str) -> None:
    for index, row in enumerate(table["rows"]):
        if len(row["cells"]) != len(table["columns"]):
            raise ResultsError(
                f'{place}["rows"][{index}] must have a cell for each of the '
                f"{len(table['columns'])} columns, got {len(row['cells'])}"
            )
        if row["image"] is not None and not 0 <= row["image"] < images:
            raise ResultsError(
                f'{place}["rows"][{index}]["image"] must be one of the {images} images, '
                f"got {row['image']}"
            )


def _check_maps(maps: Maps, place: str) -> None:
    if len(maps["size"]) != 2 or min(maps["size"]) < 1:
        raise ResultsError(
            f'{place}["size"] must be rows and columns of a map, got {_shown(maps["size"])}'
        )
    count = math.prod(maps["size"])
    channels = {len(row) for row in maps["values"]}
    sizes = {len(cells) for row in maps["values"] for cells in row}
    if len(channels) != 1 or sizes != {count}:
        raise ResultsError(
            f'{place}["values"] must hold a map of {count} numbers for every image and channel'
        )


def figures_of(results: Results) -> Iterator[tuple[str, Figure]]:
    """Every figure of a document, with the id of the claim it belongs to, or "lesson"."""
    if "lesson" in results:
        for step in results["lesson"]["steps"]:
            yield from (("lesson", figure) for figure in step["figures"])
    for claim in results["claims"]:
        yield from ((claim["id"], figure) for figure in claim["figures"])


def _check_confidence(verdict: Verdict, place: str) -> None:
    share = verdict.get("confidence")
    if share is not None and not 0 < share < 1:
        raise ResultsError(
            f'{place}["confidence"] must lie between 0 and 1 (95 % is 0.95), got {share}'
        )


def _check_rows(figure: Figure, place: str) -> None:
    """Every field that the figure names is in every row; drawn numbers are numbers."""
    shade = figure.get("value")
    if figure["kind"] == "heat" and shade is None:
        raise ResultsError(f'{place} is a heat map: it needs "value", the field that is its colour')
    if figure["kind"] == "ridges" and shade is None:
        raise ResultsError(f'{place} has ridges: it needs "value", the field that is their height')
    heat = figure["kind"] == "heat"
    fields = [figure["x"]["field"], figure["y"]["field"], figure["series"], figure.get("facet")]
    fields += [figure.get("low"), figure.get("high"), shade["field"] if shade else None]
    numbers = {figure.get("low"), figure.get("high"), shade["field"] if shade else None}
    for axis in (figure["x"], figure["y"]):
        if axis["scale"] != "category" and not heat:
            numbers.add(axis["field"])
    for index, row in enumerate(figure["rows"]):
        for field in fields:
            if field is None:
                continue
            if field not in row:
                raise ResultsError(
                    f'{place}["rows"][{index}] lacks the field "{field}" that the figure draws; '
                    f"it has {', '.join(sorted(row))}"
                )
            if field in numbers and isinstance(row[field], str):
                raise ResultsError(
                    f'{place}["rows"][{index}]["{field}"] must be a number or null to be drawn, '
                    f"got {_shown(row[field])}"
                )


def _unknown(value: object, choices: tuple[Any, ...], place: str) -> str:
    known = ", ".join(repr(choice) for choice in choices)
    close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{place} must be one of {known}, got {_shown(value)}{hint}"


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}…" if len(text) > 60 else text
