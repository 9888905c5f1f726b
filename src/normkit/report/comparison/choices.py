"""The table of choices of several studies, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from normkit.report import tables
from normkit.report.comparison.cautions import concerning
from normkit.report.comparison.facts import norms
from normkit.report.comparison.schema import Arm, Caution, Choices, Column, Mark, Norm
from normkit.report.comparison.texts import listed, plain
from normkit.report.comparison.verdicts import missing
from normkit.report.schema import Results


def compared(studies: Mapping[str, Results], cautions: Sequence[Caution]) -> Choices:
    """Every norm of any study with its values in each, and what each says of its own table."""
    results = list(studies.values())
    names = dict.fromkeys(norm for study in results for norm in norms(study))
    told = [
        listed([plain(name), study["choices"]["note"]], "colon")
        for name, study in studies.items()
        if any(study["choices"]["note"].values())
    ]
    return {
        "columns": _columns(results, cautions),
        "norms": [
            cast(Norm, {"norm": norm, "arms": [_arm(study, norm) for study in results]})
            for norm in names
            if any(norm == row["norm"] for study in results for row in study["choices"]["rows"])
        ],
        "notes": told,
    }


def _columns(results: Sequence[Results], cautions: Sequence[Caution]) -> list[Column]:
    columns: dict[str, Column] = {}
    for study in results:
        for column in study["choices"]["columns"]:
            concerned = concerning(column.get("depends", []), cautions)
            if column["id"] not in columns:
                columns[column["id"]] = {
                    "id": column["id"],
                    "title": column["title"],
                    "format": column["format"],
                    "better": column["better"],
                    "cautions": concerned,
                }
            else:
                known = columns[column["id"]]["cautions"]
                known += [name for name in concerned if name not in known]
    return list(columns.values())


def _arm(study: Results, norm: str) -> Arm:
    columns = [column["id"] for column in study["choices"]["columns"]]
    for row, cells in tables.choice_cells(study):
        if row["norm"] == norm:
            marks = {
                column: cast(Mark, cell.mark)
                for column, cell in zip(columns, cells, strict=True)
                if cell.mark
            }
            return {
                "seeds": row["seeds"],
                "exploratory": row["exploratory"],
                "values": row["values"],
                "marks": marks,
                "missing": None,
            }
    return {
        "seeds": None,
        "exploratory": False,
        "values": {},
        "marks": {},
        "missing": missing(study, "no_norm_there"),
    }
