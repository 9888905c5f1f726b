"""What the rows come to: those of one kind over all their shapes, and all of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from normkit.bench.document import KEYS, Group, Row, Worst
from normkit.bench.measure import FLOOR

NORMKIT = "normkit"
Times = dict[str, float]


def grouped(rows: Iterable[Row]) -> dict[tuple[object, ...], list[Row]]:
    """Rows by method, layout, dtype, direction and residual, in the order in which they come."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in KEYS), []).append(row)  # type: ignore[literal-required]
    return groups


def by_shape(rows: Iterable[Row]) -> dict[tuple[int, ...], dict[str, Row]]:
    """The rows of a group: shape → path → row."""
    shapes: dict[tuple[int, ...], dict[str, Row]] = {}
    for row in rows:
        shapes.setdefault(tuple(row["shape"]), {})[row["contestant"]] = row
    return shapes


def summary(rows: Iterable[Row]) -> list[Group]:
    """One entry for each group of rows."""
    return [_group(group) for group in grouped(rows).values()]


def over_normkit(rows: Iterable[Row]) -> dict[str, float]:
    """Each path's time over normkit's: the geometric mean over the cases where both were timed."""
    cases = [
        _times(paths) for group in grouped(rows).values() for paths in by_shape(group).values()
    ]
    return {
        rival: statistics.geometric_mean(found)
        for rival, found in _ratios(cases).items()
        if rival != FLOOR
    }


def _group(rows: list[Row]) -> Group:
    first = rows[0]
    shapes = {shape: _times(paths) for shape, paths in by_shape(rows).items()}
    means = over_normkit(rows)
    least = _ratios(shapes.values()).get(FLOOR)
    return Group(
        method=first["method"],
        layout=first["layout"],
        dtype=first["dtype"],
        direction=first["direction"],
        residual=first["residual"],
        shapes=len(shapes),
        over_normkit=means,
        worst=_worst(shapes, list(means)),
        times_floor=1 / statistics.geometric_mean(least) if least else None,
    )


def _ratios(cases: Iterable[Times]) -> dict[str, list[float]]:
    """Path → its times over normkit's, in the cases where both were timed."""
    ratios: dict[str, list[float]] = {}
    for times in cases:
        if NORMKIT in times:
            for rival in times:
                if rival != NORMKIT:
                    ratios.setdefault(rival, []).append(_ratio(times, rival))
    return ratios


def _times(paths: dict[str, Row]) -> Times:
    return {name: row["median"] for name, row in paths.items() if row["median"] is not None}


def _ratio(times: Times, rival: str) -> float:
    return times[rival] / times[NORMKIT]


def _worst(shapes: dict[tuple[int, ...], Times], rivals: list[str]) -> Worst | None:
    compared = [
        Worst(shape=list(shape), contestant=rival, ratio=_ratio(times, rival))
        for shape, times in shapes.items()
        for rival in rivals
        if {rival, NORMKIT} <= set(times)
    ]
    return min(compared, key=lambda worst: worst["ratio"], default=None)
