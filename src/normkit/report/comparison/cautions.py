"""What makes numbers of two studies hard to compare, or their comparison meaningless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from normkit.report import formats
from normkit.report.comparison.facts import accuracy
from normkit.report.comparison.schema import Caution
from normkit.report.comparison.subject import same_code, same_data, same_images, same_model
from normkit.report.comparison.texts import listed, plain, said
from normkit.report.schema import Condition, Results, Text

# What a number may depend on → the caution that then concerns it.
CONDITIONS: dict[Condition, str] = {
    "target": "other_target",
    "threshold": "other_threshold",
    "machine": "other_machine",
}
MEASURE = "other_measure"
# Caution → its words, and whether two studies are the same in it.
SUBJECT: tuple[tuple[str, str, Callable[[Results, Results], bool]], ...] = (
    ("other_data", "other_data_text", same_data),
    ("other_images", "other_images_text", same_images),
    ("other_model", "other_model_text", same_model),
    ("other_code", "other_code_text", same_code),
)
# With these the studies draw from the same seeds something else.
OTHER_DRAWS = ("other_data", "other_images", "other_model", "other_code")

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
    if shared and not any(caution["id"] in OTHER_DRAWS for caution in found):
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
    for short, text, same in SUBJECT:
        if any(not same(one, other) for one, other in combinations(results, 2)):
            yield _caution(short, text)
    if augmented := _augmented(studies):
        yield augmented
    steps = [plain(study["recipe"]["steps"]) for study in results]
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
            values = _each(studies, [plain(accuracy(share)) for share in shares])
            yield _caution(short, text, everywhere=False, values=values)
    if _differ(map(_machine, results)):
        yield _caution("other_machine", "other_machine_text", everywhere=False)
    if versions := _versions(results):
        yield _caution("other_versions", "other_versions_text", what=listed(versions))


def _caution(short: str, text: str, everywhere: bool = True, **values: Any) -> Caution:
    return {
        "id": short,
        "short": said(short, **values),
        "text": said(text, **values),
        "everywhere": everywhere,
    }


def _differ(values: Iterable[object]) -> bool:
    return any(a != b for a, b in pairwise(values))


def _augmented(studies: Told) -> Caution | None:
    """That training images are augmented in some of the studies alone, of those that tell."""
    told = {name: study["data"].get("augmented") for name, study in studies.items()}
    sides = [[plain(name) for name, each in told.items() if each is way] for way in (True, False)]
    if not all(sides):
        return None
    augmented, not_augmented = map(listed, sides)
    return _caution(
        "other_augmentation",
        "other_augmentation_text",
        augmented=augmented,
        not_augmented=not_augmented,
    )


def _machine(study: Results) -> object:
    # Timing is done alone, on one thread: how many workers train beside it is no matter.
    machine: Mapping[str, object] = study["machine"]
    return [machine[name] for name in ("cpu", "cores", "device")]


def _versions(results: Sequence[Results]) -> list[Text]:
    """What of the software is not the same; normkit's code only under the same version of it."""
    told = [plain(name) for name in ("normkit", "torch") if _differ(s[name] for s in results)]
    for one, other in combinations(results, 2):
        codes = one.get("code"), other.get("code")
        if one["normkit"] == other["normkit"] and None not in codes and codes[0] != codes[1]:
            return [*told, said("code_of_normkit")]
    return told


def _recipe(studies: Told) -> Text | None:
    """The parts of the base recipe that differ, the step count left to a caution of its own."""
    recipes = [study["recipe"] for study in studies.values()]
    parts = {
        "init": [plain(recipe["init"]) for recipe in recipes],
        "base_depth": [_shown(recipe["depth"]) for recipe in recipes],
        "batch": [_shown(recipe["batch"]) for recipe in recipes],
        "optimizer": [plain(recipe["optimizer"]) for recipe in recipes],
        "momentum_name": [_shown(recipe["momentum"]) for recipe in recipes],
        "schedule": [said(f"schedule_short_{r.get('schedule', 'constant')}") for r in recipes],
    }
    told = [
        said("part_differs", name=said(name), values=_each(studies, values))
        for name, values in parts.items()
        if _differ(values)
    ]
    return listed(told, "clause_separator") if told else None


def _each(studies: Told, values: Sequence[Text]) -> Text:
    """Every study's value, beside its name."""
    pairs = zip(studies, values, strict=True)
    return listed([said("value_in", value=value, name=name) for name, value in pairs])


def _shown(value: float | None) -> Text:
    return plain(formats.NOTHING if value is None else f"{value:g}")
