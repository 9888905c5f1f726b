"""What makes numbers of two studies hard to compare, or their comparison meaningless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from normkit.report import formats
from normkit.report.comparison.facts import accuracy
from normkit.report.comparison.schema import Caution
from normkit.report.comparison.texts import listed, plain, said
from normkit.report.schema import Condition, Results, Text

# What a number may depend on → the caution that then concerns it.
CONDITIONS: dict[Condition, str] = {
    "target": "other_target",
    "threshold": "other_threshold",
    "machine": "other_machine",
}
MEASURE = "other_measure"

Told = dict[str, Results]
"""The studies by name, in order."""


def cautions(studies: Told, measured_otherwise: bool = False) -> list[Caution]:
    """All that a reader must know before comparing numbers, the gravest first.

    Args:
        studies: the studies by name, in order.
        measured_otherwise: whether any question is described otherwise in one of them.
    """
    results = list(studies.values())
    found = [*_states(studies), *_others(studies)]
    if measured_otherwise:
        found.append(_caution(MEASURE, "other_measure_text", everywhere=False))
    shared = set.intersection(*(set(study["recipe"]["seeds"]) for study in results))
    if shared and not any(caution["id"] in ("other_data", "other_model") for caution in found):
        found.append(_caution("same_seeds", "same_seeds_text"))
    return found


def concerning(depends: Iterable[Condition], known: Iterable[Caution]) -> list[str]:
    """Ids of the cautions about numbers that depend on these conditions."""
    ids = {caution["id"] for caution in known}
    return [CONDITIONS[each] for each in CONDITIONS if each in depends and CONDITIONS[each] in ids]


def _states(studies: Told) -> Iterator[Caution]:
    for short, text, concerned in (
        ("unfinished", "unfinished_text", [n for n, s in studies.items() if not s["complete"]]),
        (
            "no_comparator",
            "no_comparator_text",
            [n for n, s in studies.items() if not s["recipe"]["found"]],
        ),
    ):
        if concerned:
            yield _caution(short, text, studies=listed([plain(name) for name in concerned]))


def _others(studies: Told) -> Iterator[Caution]:
    results = list(studies.values())
    other_data = _differ(map(_data, results))
    if other_data:
        yield _caution("other_data", "other_data_text")
    if _differ(_model(study, sized=not other_data) for study in results):
        yield _caution("other_model", "other_model_text")
    steps = [str(study["recipe"]["steps"]) for study in results]
    if _differ(steps):
        yield _caution("other_steps", "other_steps_text", values=_each(studies, steps))
    if recipe := _recipe(studies):
        yield _caution("other_recipe", "other_recipe_text", what=recipe)
    targets = [study["recipe"].get("target") for study in results]
    thresholds = [study["recipe"].get("threshold") for study in results]
    for short, text, shares in (
        ("other_target", "other_target_text", targets),
        ("other_threshold", "other_threshold_text", thresholds),
    ):
        if _differ(shares):
            values = _each(studies, [accuracy(share) for share in shares])
            yield _caution(short, text, everywhere=False, values=values)
    if _differ(map(_machine, results)):
        yield _caution("other_machine", "other_machine_text", everywhere=False)
    versions = {"normkit": _differ(s["normkit"] for s in results)}
    versions["torch"] = _differ(s["torch"] for s in results)
    if any(versions.values()):
        what = listed([plain(name) for name, differs in versions.items() if differs])
        yield _caution("other_versions", "other_versions_text", what=what)


def _caution(short: str, text: str, everywhere: bool = True, **values: Any) -> Caution:
    return {
        "id": short,
        "short": said(short, **values),
        "text": said(text, **values),
        "everywhere": everywhere,
    }


def _differ(values: Iterable[object]) -> bool:
    return any(a != b for a, b in pairwise(values))


def _data(study: Results) -> object:
    data: Mapping[str, object] = study["data"]
    names = ("spec", "classes", "channels", "image_size", "train", "validation", "test")
    return [data[name] for name in names]


def _model(study: Results, sized: bool) -> object:
    """What makes a model; its size too, where the data are no reason for another."""
    model: Mapping[str, object] = study["model"]
    return [model[n] for n in ("name", "depth", "width", *(("parameters",) if sized else ()))]


def _machine(study: Results) -> object:
    # Timing is done alone, on one thread: how many workers train beside it is no matter.
    machine: Mapping[str, object] = study["machine"]
    return [machine[name] for name in ("cpu", "cores", "device")]


def _recipe(studies: Told) -> Text | None:
    """The parts of the base recipe that differ, the step count left to a caution of its own."""
    recipes = [study["recipe"] for study in studies.values()]
    parts = {
        "init": [recipe["init"] for recipe in recipes],
        "base_depth": [_shown(recipe["depth"]) for recipe in recipes],
        "batch": [_shown(recipe["batch"]) for recipe in recipes],
        "optimizer": [recipe["optimizer"] for recipe in recipes],
        "momentum_name": [_shown(recipe["momentum"]) for recipe in recipes],
    }
    told = [
        said("part_differs", name=said(name), values=_each(studies, values))
        for name, values in parts.items()
        if _differ(values)
    ]
    return listed(told, "clause_separator") if told else None


def _each(studies: Told, values: Sequence[str]) -> Text:
    """Every study's value, beside its name."""
    pairs = zip(studies, values, strict=True)
    return listed([said("value_in", value=value, name=name) for name, value in pairs])


def _shown(value: float | None) -> str:
    return formats.NOTHING if value is None else f"{value:g}"
