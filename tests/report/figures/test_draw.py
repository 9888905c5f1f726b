"""Every kind of figure: what is drawn, what is named, and what is told in words instead."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.report.example import results

from normkit.report.figures import Drawing, Note, Styles, draw, heat
from normkit.report.figures.style import NORMS
from normkit.report.figures.view import View
from normkit.report.results import figures_of, read
from normkit.report.schema import Results

FIGURES = {(owner, figure["id"]): figure for owner, figure in figures_of(read(results()))}


def drawn(figure: dict[str, Any], prefix: str = "f") -> Drawing:
    series = figure["series"]
    names = [str(row[series]) for row in figure["rows"]] if series else []
    return draw(figure, Styles(names), prefix, {None: "A figure"})  # type: ignore[arg-type]


def small(**fields: Any) -> dict[str, Any]:
    """A figure of four points in two series, to be changed."""
    label = {"en": "", "zh": ""}
    rows = [
        {"norm": norm, "x": x, "y": y}
        for norm, x, y in (("none", 1, 2.0), ("none", 2, 1.0), ("batch", 1, 1.5), ("batch", 2, 0.5))
    ]
    figure = {
        "id": "small",
        "title": label,
        "caption": label,
        "kind": "lines",
        "x": {"field": "x", "label": label, "scale": "linear"},
        "y": {"field": "y", "label": label, "scale": "linear"},
        "series": "norm",
        "rows": rows,
    }
    return figure | fields


def words_in(svg: str) -> list[str]:
    return [text for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg) if text]


def colours_in(svg: str) -> set[str]:
    return set(re.findall(r"var\(--([\w-]+)\)", svg))


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_a_drawing_is_svg_without_a_size_or_a_colour_of_its_own(key: tuple[str, str]) -> None:
    for panel in drawn(FIGURES[key]).panels:
        root = ElementTree.fromstring(panel.svg)
        assert root.tag == "svg"
        assert root.get("role") == "img"
        assert root.get("width") is None
        assert not re.search(r"#[0-9a-fA-F]{6}\b", panel.svg)
        assert not re.search("<metadata|<style|xmlns|matplotlib|nan", panel.svg)


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_a_drawing_holds_no_words_but_names(key: tuple[str, str]) -> None:
    figure = FIGURES[key]
    names = {str(value) for row in figure["rows"] for value in row.values()}
    for panel in drawn(figure).panels:
        for text in words_in(panel.svg):
            assert text in names or re.fullmatch(r"[−\d.,×⁰¹²³⁴⁵⁶⁷⁸⁹⁻\u202f–]+", text), text


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_drawn_twice_it_is_the_same(key: tuple[str, str]) -> None:
    assert drawn(FIGURES[key]) == drawn(FIGURES[key])


def test_ids_of_two_drawings_do_not_clash() -> None:
    first, second = (
        set(re.findall(r'\sid="([^"]+)"', drawn(small(), prefix).panels[0].svg)) for prefix in "ab"
    )
    assert first
    assert first.isdisjoint(second)


def test_each_series_has_its_own_colour_and_a_legend_entry() -> None:
    drawing = drawn(small())
    assert drawing.legend == ["none", "batch"]
    assert {"norm-none", "norm-batch"} <= colours_in(drawing.panels[0].svg)


def test_a_norm_looks_the_same_in_every_figure(checked: Results) -> None:
    styles = Styles.of(checked)
    assert {name: styles[name] for name in NORMS} == NORMS
    assert len({style.light for style in NORMS.values()}) == len(NORMS)
    assert len({style.marker for style in NORMS.values()}) == len(NORMS)


def test_more_series_than_colours_still_draw() -> None:
    rows = [{"norm": f"arm-{index}", "x": x, "y": index} for index in range(20) for x in (1, 2)]
    assert len(drawn(small(rows=rows)).legend) == 20


@pytest.mark.parametrize("kind", ["lines", "points", "intervals", "histogram"])
def test_no_rows_is_said(kind: str) -> None:
    drawing = drawn(small(kind=kind, rows=[]))
    assert drawing.panels == []
    assert drawing.notes == [Note("no_rows")]


@pytest.mark.parametrize("kind", ["lines", "points", "intervals", "histogram"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_all_null_still_draws_and_is_counted(kind: str, scale: str) -> None:
    figure = small(kind=kind)
    figure["y"] = {**figure["y"], "scale": scale}
    for row in figure["rows"]:
        row["y"] = None
    drawing = drawn(figure)
    assert len(drawing.panels) == 1
    assert any(note.counts == {"none": 2, "batch": 2} for note in drawing.notes)


@pytest.mark.parametrize("kind", ["lines", "points", "intervals", "histogram"])
@pytest.mark.parametrize("value", [0.0, 1e-12, 1e12, -3.0])
def test_one_value_alone_still_draws(kind: str, value: float) -> None:
    rows = [{"norm": "batch", "x": 1, "y": value}]
    assert len(drawn(small(kind=kind, rows=rows)).panels) == 1


def test_a_null_in_a_line_is_a_gap_and_is_counted() -> None:
    figure = small()
    figure["rows"][0]["y"] = None
    assert Note("not_drawn", {"none": 1}) in drawn(figure).notes


def test_what_has_no_logarithm_is_told_apart_from_what_is_null() -> None:
    figure = small()
    figure["y"] = {**figure["y"], "scale": "log"}
    figure["rows"][0]["y"] = 0.0
    figure["rows"][3]["y"] = None
    notes = drawn(figure).notes
    assert Note("beyond_log", {"none": 1}) in notes
    assert Note("not_drawn", {"batch": 1}) in notes


def test_lines_of_several_seeds_are_thin_with_their_median() -> None:
    rows = [{"norm": "batch", "seed": seed, "x": x, "y": seed + x} for seed in range(3)
            for x in (1, 2)]  # fmt: skip
    drawing = drawn(small(rows=rows))
    assert Note("seed_lines") in drawing.notes
    assert drawing.panels[0].svg.count("stroke-opacity: 0.4") == 3
    assert drawing.panels[0].svg.count("stroke-width: 2.2") == 1


def test_a_long_line_is_thinned_but_ends_where_it_ends() -> None:
    rows = [{"norm": "batch", "x": x, "y": (x * 7919) % 101} for x in range(20_000)]
    assert len(drawn(small(rows=rows)).panels[0].svg) < 40_000


def test_references_across_a_logarithmic_axis_leave_its_limits() -> None:
    label = {"en": "", "zh": ""}
    marks = [{"axis": "x", "value": value, "label": label} for value in (0.01, 0.1)]
    x = {"field": "x", "label": label, "scale": "log"}
    rows = [{"norm": "none", "x": rate, "y": rate} for rate in (0.01, 0.03, 0.1)]
    without = drawn(small(x=x, rows=rows)).panels[0].svg
    marked = drawn(small(x=x, rows=rows, references=marks)).panels[0].svg
    assert marked.count("stroke-dasharray") == 2
    assert words_in(marked) == words_in(without)


def test_the_range_of_a_single_point_is_drawn_too() -> None:
    rows = [{"norm": "none", "x": 1, "y": 2.0, "low": 1.0, "high": 3.0}]
    alone = drawn(small(rows=rows)).panels[0].svg
    ranged = drawn(small(rows=rows, low="low", high="high")).panels[0].svg
    assert "stroke-width: 5" in ranged
    assert "stroke-width: 5" not in alone


def test_a_seed_that_never_reached_is_an_open_marker_and_takes_the_mean_away() -> None:
    figure = small(kind="points")
    figure["x"] = {**figure["x"], "field": "norm", "scale": "category"}
    whole = drawn(figure).panels[0].svg
    figure["rows"][0]["y"] = None
    drawing = drawn(figure)
    assert drawing.notes == [Note("mean_mark"), Note("open_marker", {"none": 1})]
    assert "fill: var(--surface); stroke: var(--norm-none)" in drawing.panels[0].svg
    assert whole.count("stroke-width: 2.4") == 2
    assert drawing.panels[0].svg.count("stroke-width: 2.4") == 1


def test_categories_lie_on_their_side_and_name_themselves() -> None:
    figure = small(kind="points")
    figure["x"] = {**figure["x"], "field": "norm", "scale": "category"}
    drawing = drawn(figure)
    assert drawing.sideways
    assert drawing.legend == []
    assert {"none", "batch"} <= set(words_in(drawing.panels[0].svg))


def test_an_interval_that_is_open_is_dashed() -> None:
    figure = small(kind="intervals", low="low", high="high")
    for row in figure["rows"]:
        row |= {"low": row["y"] - 1, "high": row["y"] + 1}
    closed = drawn(figure)
    assert closed.notes == [Note("bars")]
    assert "stroke-dasharray" not in closed.panels[0].svg
    figure["rows"][0]["high"] = None
    assert drawn(figure).panels[0].svg.count("stroke-dasharray") == 1


def test_references_are_lines_with_a_dash_of_their_own() -> None:
    label = {"en": "chance", "zh": "随机"}
    figure = small(
        references=[
            {"axis": "y", "value": 1.0, "label": label},
            {"axis": "x", "value": 1.5, "label": label},
        ]
    )
    dashes = re.findall(r"stroke-dasharray: ([\d. ,]+)", drawn(figure).panels[0].svg)
    assert len(dashes) == len(set(dashes)) == 2


def test_a_reference_far_away_does_not_squeeze_the_data() -> None:
    label = {"en": "chance", "zh": "随机"}
    far = small(references=[{"axis": "y", "value": 1e6, "label": label}])
    ticks = words_in(drawn(far).panels[0].svg)
    assert ticks == words_in(drawn(small()).panels[0].svg)


def test_a_heat_map_names_its_rows_columns_and_values() -> None:
    drawing = drawn(FIGURES["initialisation", "shares"])
    words = words_in(drawing.panels[0].svg)
    assert {"batch", "he", "gain_100", "88", "100", "–"} <= set(words)
    assert drawing.shades == (0.0, 1.0)
    assert Note("empty_cell", {"": 2}) in drawing.notes


def test_numbers_on_the_side_of_a_heat_map_are_in_order() -> None:
    rows = [{"norm": "batch", "x": x, "y": y, "v": x * y} for x in (10, 1, 0.1) for y in (2, 1)]
    shade = {"field": "v", "label": {"en": "", "zh": ""}, "format": "number"}
    figure: Any = small(kind="heat", series=None, rows=rows, value=shade)
    assert heat.names(View(figure, Styles([])), "x") == ["0.1", "1", "10"]
    assert drawn(figure).shades == (0.1, 20.0)


def test_each_facet_is_a_panel() -> None:
    drawing = drawn(FIGURES["gradients", "depth"])
    assert [panel.facet for panel in drawing.panels] == ["8", "16", "32"]


def test_dollar_signs_are_not_formulas() -> None:
    figure = small(kind="points")
    figure["x"] = {**figure["x"], "field": "norm", "scale": "category"}
    for row in figure["rows"]:
        row["norm"] = f"$\\{row['norm']}$ & <b>"
    assert "$\\batch$ &amp; &lt;b&gt;" in drawn(figure).panels[0].svg


def test_what_is_counted_has_no_tick_between_two() -> None:
    for kind, whole in ((int, True), (float, False)):
        rows = [{"norm": "none", "x": kind(x), "y": 1e6} for x in range(1, 5)]
        ticks = words_in(drawn(small(rows=rows)).panels[0].svg)
        assert any(tick.endswith(".5") for tick in ticks) is not whole


def test_names_in_any_script_are_left_to_the_browsers_fonts() -> None:
    figure = small(kind="points")
    figure["x"] = {**figure["x"], "field": "norm", "scale": "category"}
    for row in figure["rows"]:
        row["norm"] = "批归一化"
    assert "批归一化" in words_in(drawn(figure).panels[0].svg)


def ridges(**fields: Any) -> dict[str, Any]:
    """Three ridges, their steps out of order."""
    label = {"en": "", "zh": ""}
    rows = [
        {"norm": "batch", "step": step, "x": x + step, "share": share}
        for step in (20, 3, 100)
        for x, share in ((0, 1.0), (1, 4.0), (2, 2.0))
    ]
    shade = {"field": "share", "label": label, "format": "number"}
    y = {"field": "step", "label": label, "scale": "category"}
    return small(kind="ridges", y=y, value=shade, rows=rows, **fields)


def test_ridges_stand_one_below_the_other_in_the_order_of_their_numbers() -> None:
    words = words_in(drawn(ridges()).panels[0].svg)
    assert [word for word in words if word in ("3", "20", "100")][-3:] == ["3", "20", "100"]


def test_every_ridge_is_as_high_as_the_others() -> None:
    flat = ridges()
    for row in flat["rows"]:
        row["share"] /= row["step"]
    assert drawn(flat) == drawn(ridges())


def test_a_ridge_without_a_number_is_left_out_and_the_others_drawn() -> None:
    figure = ridges()
    for row in figure["rows"]:
        row["share"] = None if row["step"] == 20 else row["share"]
    assert drawn(figure).panels[0].svg.count("opacity: 0.22") == 2
