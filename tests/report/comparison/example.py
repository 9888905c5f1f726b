"""Three studies that differ in what studies differ in, made of the report's example.

`second` has other seeds, norms and targets than `first`, and refutes one verdict of it; `third` has
other data, steps and machine, another version's δ, and is not finished.
"""

from __future__ import annotations

from typing import Any

from tests.report.example import results
from tests.report.example_parts import text


def verdicts(document: dict[str, Any], claim: str) -> list[dict[str, Any]]:
    """The verdicts of one claim of a document."""
    [found] = [each for each in document["claims"] if each["id"] == claim]
    return list(found["verdicts"])


def verdict(document: dict[str, Any], claim: str, name: str, norm: str) -> dict[str, Any]:
    """One verdict of a document."""
    [found] = [v for v in verdicts(document, claim) if (v["id"], v["norm"]) == (name, norm)]
    return found


def without_norm(document: dict[str, Any], norm: str) -> None:
    """Take a norm out of a study, as if it had never been named."""
    choices = document["choices"]
    choices["rows"] = [row for row in choices["rows"] if row["norm"] != norm]
    for claim in document["claims"]:
        claim["verdicts"] = [v for v in claim["verdicts"] if v["norm"] != norm]


def first() -> dict[str, Any]:
    document = results()
    document["recipe"] |= {"target": 0.85, "threshold": 0.53}
    for each in verdicts(document, "convergence"):
        each["depends"] = ["target", "machine"] if each["id"] == "seconds" else ["target"]
    for column in document["choices"]["columns"]:
        column["depends"] = {"steps": ["target"], "time": ["target", "machine"]}.get(
            column["id"], ["machine"] if column["id"] == "step_time" else []
        )
    return document


def second() -> dict[str, Any]:
    document = first()
    document["recipe"] |= {
        "target": 0.81,
        "seeds": list(range(1000, 1008)),
        "seeds_told": text("8 judged, 4 for tuning", "评判 8 个，调优 4 个"),
    }
    document["dropped"] = []
    without_norm(document, "instance")
    document["claims"] = [claim for claim in document["claims"] if claim["id"] != "gradients"]
    verdict(document, "convergence", "steps", "batch").update(
        outcome="refuted", effect=0.9, low=0.7, high=1.1
    )
    verdict(document, "convergence", "steps", "group").update(outcome="inconclusive")
    return document


def third() -> dict[str, Any]:
    document = first()
    document["data"] |= {"spec": "folder:letters", "train": 2000}
    document["recipe"]["steps"] = 400
    document["machine"] |= {"cpu": "Another CPU"}
    document["complete"] = False
    for each in verdicts(document, "cost"):
        each["delta"] = 0.5
    return document
