"""What the panels of a figure share."""

from __future__ import annotations

from typing import Any

import pytest

from normkit.report.figures import Styles
from normkit.report.figures.view import View


def view(rows: list[dict[str, Any]], **fields: Any) -> View:
    label = {"en": "", "zh": ""}
    figure: Any = {
        "id": "a",
        "title": label,
        "caption": label,
        "kind": "lines",
        "x": {"field": "x", "label": label, "scale": "linear"},
        "y": {"field": "y", "label": label, "scale": "linear"},
        "series": None,
        "rows": rows,
        **fields,
    }
    return View(figure, Styles([]))


def test_panels_share_the_measured_axis() -> None:
    rows = [{"x": 0, "y": 0.0, "f": "a"}, {"x": 1, "y": 10.0, "f": "b"}]
    shared = view(rows, facet="f")
    assert shared.y_limits == pytest.approx((-0.5, 10.5))


def test_lines_end_where_the_rows_of_their_panel_do() -> None:
    rows = [{"x": x, "y": 1.0, "f": f} for f, xs in (("a", (0, 4)), ("b", (0, 40))) for x in xs]
    limits = view(rows, facet="f").x_limits
    assert limits["a"] == pytest.approx((-0.05, 4.05))
    assert limits["b"] == pytest.approx((-0.5, 40.5))


def test_log_limits_leave_out_what_has_no_logarithm() -> None:
    label = {"en": "", "zh": ""}
    rows = [{"x": 0, "y": y} for y in (0.0, -1.0, 1.0, 100.0)]
    limits = view(rows, y={"field": "y", "label": label, "scale": "log"}).y_limits
    assert limits == pytest.approx((10**-0.1, 10**2.1))


def test_a_histogram_stands_on_zero() -> None:
    limits = view([{"x": 0, "y": 5.0}, {"x": 1, "y": 10.0}], kind="histogram").y_limits
    assert limits is not None
    assert limits[0] == 0.0


def test_the_interval_counts_for_the_limits() -> None:
    rows = [{"x": 0, "y": 1.0, "low": -10.0, "high": 10.0}]
    assert view(rows, low="low", high="high").y_limits == pytest.approx((-11.0, 11.0))


def test_a_nearby_reference_is_kept_in_view() -> None:
    rows = [{"x": 0, "y": 0.0}, {"x": 1, "y": 1.0}]
    near = {"axis": "y", "value": 1.5, "label": {"en": "", "zh": ""}}
    limits = view(rows, references=[near]).y_limits
    assert limits is not None
    assert limits[1] > 1.5
