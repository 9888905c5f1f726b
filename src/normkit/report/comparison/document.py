"""Several results documents made into one comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from normkit._version import __version__
from normkit.report.comparison import choices, facts, verdicts
from normkit.report.comparison.cautions import cautions
from normkit.report.comparison.names import ComparisonError, too_few
from normkit.report.comparison.schema import SCHEMA, Agreement, Claim, Comparison
from normkit.report.comparison.texts import listed, plain, said
from normkit.report.results import ResultsError, read


def compare(studies: Mapping[str, Mapping[str, Any]]) -> Comparison:
    """Set studies side by side: what differs between them, and whether their verdicts agree.

    Their difference is described, not judged: there is no test in it.

    Args:
        studies: name → results document, two or more, in the order in which they are shown.

    Returns:
        A comparison document (`report/comparison/schema.py`), the same for the same studies.

    Raises:
        ResultsError: if one of them is not a results document; it is named.
        ComparisonError: if there are fewer than two.

    >>> compare({"one": {}})
    Traceback (most recent call last):
        ...
    normkit.report.comparison.names.ComparisonError: a comparison needs two studies or more, \
got 1; name others
    """
    if len(studies) < 2:
        raise ComparisonError(too_few(len(studies)))
    documents = {}
    for name, results in studies.items():
        try:
            documents[name] = read(results)
        except ResultsError as error:
            raise ResultsError(f"{name}: {error}") from error
    names = list(documents)
    otherwise = verdicts.measured_otherwise(list(documents.values()))
    known = cautions(documents, bool(otherwise))
    claims = verdicts.compared(documents, known)
    table = choices.compared(documents, known)
    named = {name for claim in claims for each in claim["questions"] for name in each["cautions"]}
    named |= {name for column in table["columns"] for name in column["cautions"]}
    return {
        "schema": SCHEMA,
        "kind": "comparison",
        "normkit": __version__,
        "title": said(
            "comparison_title", count=len(names), names=listed([plain(name) for name in names])
        ),
        "studies": [
            {"name": name, "title": study["title"], "complete": study["complete"]}
            for name, study in documents.items()
        ],
        "contradictions": verdicts.opposed(claims, names, "contradict"),
        "opposites": verdicts.opposed(claims, names, "opposite"),
        "counts": _counts(claims),
        # What concerns none of these numbers would only be read in vain.
        "cautions": [each for each in known if each["everywhere"] or each["id"] in named],
        "facts": facts.compared(list(documents.values())),
        "claims": claims,
        "choices": table,
    }


def _counts(claims: list[Claim]) -> dict[Agreement, int]:
    found = Counter(
        row["agreement"]
        for claim in claims
        for question in claim["questions"]
        for row in question["rows"]
    )
    return {each: found[each] for each in get_args(Agreement)}
