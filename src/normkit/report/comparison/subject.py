"""Whether two studies speak of the same data and the same model, so far as they tell.

What a study of an older version does not tell is taken to be no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from normkit.report.schema import Results


def same_subject(one: Results, other: Results) -> bool:
    """Whether the outcomes of both answer for the same data and the same model."""
    checks = same_data, same_images, same_augmentation, same_model, same_code
    return all(check(one, other) for check in checks)


def same_data(one: Results, other: Results) -> bool:
    """By name, classes and size; or by the images themselves, whatever they are called."""
    images = _fingerprint(one)
    return _described_alike(one, other) or (images is not None and images == _fingerprint(other))


def same_images(one: Results, other: Results) -> bool:
    """Whether data that look alike are alike; of data that do not it is nothing to tell."""
    return not _described_alike(one, other) or _same(_fingerprint(one), _fingerprint(other))


def same_augmentation(one: Results, other: Results) -> bool:
    """Whether both augment their training images, or neither does."""
    return _same(one["data"].get("augmented"), other["data"].get("augmented"))


def same_model(one: Results, other: Results) -> bool:
    """By name, depth and width; by size too, where the data are no reason for another."""
    names = ["name", "depth", "width"]
    if _shape(one) == _shape(other):
        names.append("parameters")
    first: Mapping[str, object] = one["model"]
    second: Mapping[str, object] = other["model"]
    return all(first[name] == second[name] for name in names)


def same_code(one: Results, other: Results) -> bool:
    """Whether the user's code is the same; that of models of other names has to be another."""
    named = one["model"]["name"] == other["model"]["name"]
    return not named or _same(one.get("source"), other.get("source"))


def _described_alike(one: Results, other: Results) -> bool:
    names = ("spec", "classes", "channels", "image_size", "train", "validation", "test")
    first: Mapping[str, object] = one["data"]
    second: Mapping[str, object] = other["data"]
    return all(first[name] == second[name] for name in names)


def _fingerprint(study: Results) -> str | None:
    return study["data"].get("fingerprint")


def _shape(study: Results) -> object:
    data = study["data"]
    return list(data["image_size"]), data["channels"], len(data["classes"])


def _same(one: object, other: object) -> bool:
    return one is None or other is None or one == other
