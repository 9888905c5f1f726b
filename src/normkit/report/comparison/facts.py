"""What studies tell of themselves, side by side: what differs, and what is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from normkit.report import formats
from normkit.report.comparison.schema import Fact
from normkit.report.comparison.texts import listed, plain, said
from normkit.report.schema import Results, Text
from normkit.report.words import WORDS

MOST_CLASSES = 12
"""Of more classes than these only the first are named."""

DIGITS = 12
"""Of a digest so many are shown."""

NOT_TOLD = object()
"""In place of what a study of an older version does not tell."""


def compared(studies: Sequence[Results]) -> list[Fact]:
    """Every fact of the studies, those that differ and those that do not, in one order.

    A fact that one of them does not tell is there only if others are seen to differ in it.
    """
    columns = [list(_facts(study)) for study in studies]
    facts: list[Fact] = []
    for entries in zip(*columns, strict=True):
        name = entries[0][0]
        values = [value for _, value, _ in entries]
        told = [value for value in values if value is not NOT_TOLD]
        # What is compared is the value itself: two numbers may look alike when rounded.
        same = all(a == b for a, b in pairwise(told))
        if same and len(told) < len(values):
            continue
        facts.append(
            {
                "id": name,
                "title": said(name) if name in WORDS else plain(name),
                "values": [shown for _, _, shown in entries],
                "same": same,
            }
        )
    return facts


def norms(study: Results) -> list[str]:
    """The norms of a study, in the order of its table of choices."""
    named = [row["norm"] for row in study["choices"]["rows"]]
    named += [verdict["norm"] for claim in study["claims"] for verdict in claim["verdicts"]]
    return list(dict.fromkeys(named))


def accuracy(share: float | None) -> str:
    """An accuracy, fine enough to tell two targets apart.

    >>> accuracy(0.85391)
    '85.39 %'
    """
    return formats.NOTHING if share is None else f"{100 * share:.2f} %"


def ranges(numbers: Sequence[int]) -> str:
    """Whole numbers, runs of them in short.

    >>> ranges([0, 1, 2, 3, 7])
    '0–3, 7'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs) or "–"


def _facts(study: Results) -> Iterator[tuple[str, object, Text]]:
    """(word, what is compared, how it is shown), always the same ones in the same order."""
    data, model, recipe, machine = (
        study["data"],
        study["model"],
        study["recipe"],
        study["machine"],
    )
    sizes = {name: data[name] for name in ("train", "validation", "test")}
    shape = (*data["image_size"], data["channels"])
    yield "data", data["spec"], plain(data["spec"])
    yield _digest("fingerprint", data.get("fingerprint"))
    yield "split", sizes, said("split_sizes", **sizes)
    yield "classes", data["classes"], _classes(data["classes"])
    yield (
        "image",
        shape,
        said("image_shape", height=shape[0], width=shape[1], channels=shape[-1]),
    )
    yield _augmented(data.get("augmented"))
    yield _one("model", model["name"])
    yield _digest("own_code", study.get("source"))
    yield _one("depth", model["depth"])
    yield _one("width", model["width"])
    yield "parameters", model["parameters"], plain(formats.number(model["parameters"]))
    yield _one("init", recipe["init"])
    yield _one("base_depth", recipe["depth"])
    yield _one("steps", recipe["steps"])
    yield _one("batch", recipe["batch"])
    optimizer = recipe["optimizer"], recipe["momentum"]
    yield "optimizer", optimizer, _optimizer(*optimizer)
    schedule = recipe.get("schedule", "constant")
    yield "schedule", schedule, said(f"schedule_{schedule}")
    yield "rates", recipe["rates"], _rates(recipe["rates"])
    for name in ("target", "threshold"):
        share = recipe.get(name)
        assert share is None or isinstance(share, int | float)
        yield name, share, plain(accuracy(share))
    yield "found", recipe["found"], said("yes" if recipe["found"] else "no")
    yield "norms", sorted(norms(study)), plain(", ".join(norms(study)))
    claims = [claim["id"] for claim in study["claims"]]
    yield "claims", sorted(claims), plain(", ".join(claims))
    seeds = sorted(set(recipe["seeds"])), recipe["seeds_told"]["en"]
    told = listed([plain(ranges(recipe["seeds"])), recipe["seeds_told"]], "clause_separator")
    yield "seeds_judged", seeds, told
    yield _one("budget", study["budget"])
    yield "dropped", study["dropped"], _sentences(study["dropped"], "nothing_dropped")
    yield "complete", study["complete"], said("yes" if study["complete"] else "no")
    yield "failures", study["failures"], _sentences(study["failures"], "no_failures")
    yield _one("normkit", study["normkit"])
    yield _digest("normkit_code", study.get("code"))
    yield _one("torch", study["torch"])
    yield _one("Python", study["python"])
    yield "machine", machine, said("machine_line", **machine)


def _one(name: str, value: object) -> tuple[str, object, Text]:
    return name, value, plain(formats.NOTHING if value is None else value)


def _digest(name: str, value: str | None) -> tuple[str, object, Text]:
    """A digest in short, as it is shown; what is compared is all of it."""
    shown = formats.NOTHING if value is None else value[:DIGITS]
    return name, NOT_TOLD if value is None else value, plain(shown)


def _augmented(value: bool | None) -> tuple[str, object, Text]:
    if value is None:
        return "augmented", NOT_TOLD, plain(formats.NOTHING)
    return "augmented", value, said("yes" if value else "no")


def _rates(rates: Mapping[str, float | None]) -> Text:
    return plain(", ".join(f"{norm} {formats.number(rate)}" for norm, rate in rates.items()))


def _sentences(told: Sequence[Text], nothing: str) -> Text:
    return listed(told, "space") if told else said(nothing)


def _classes(names: Sequence[str]) -> Text:
    first = plain(", ".join(names[:MOST_CLASSES]))
    more = len(names) - MOST_CLASSES
    if more > 0:
        first = said("and_more", names=first, count=more)
    return said("class_count", count=len(names), names=first)


def _optimizer(name: str, momentum: float | None) -> Text:
    if momentum is None:
        return plain(name)
    beside = said("momentum", value=formats.number(momentum))
    inside = said("parentheses", inside=beside)
    return {"en": name + inside["en"], "zh": name + inside["zh"]}
