"""The terms told are those used, each with its paper where it has one."""

from __future__ import annotations

from normkit.nn.catalogue import catalogue
from normkit.study.bilingual import text
from normkit.study.lesson.terms import _METHODS, told


def test_every_method_of_the_catalogue_has_a_meaning() -> None:
    assert set(_METHODS) == set(catalogue())


def test_what_is_not_used_is_not_told() -> None:
    [term, method] = told([{"said": [text("add ε to it with `group`", "用 `group` 时加 ε")]}])
    assert (term["term"]["en"], term["paper"]) == ("ε", None)
    assert method["norm"] == "group"
    assert method["paper"] == {
        "name": "Wu and He, Group Normalization, 2018",
        "address": "https://arxiv.org/abs/1803.08494",
    }


def test_nothing_used_gives_no_terms() -> None:
    assert told([]) == []


def test_no_normalization_has_no_paper() -> None:
    [term] = told([{"norm": "none"}])
    assert term["paper"] is None
