"""The pages that are made from the code are those that the code makes."""

from __future__ import annotations

import doctest
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

import normkit as nk
from normkit.testing import cases, contract

ROOT = Path(__file__).parents[1]

spec = importlib.util.spec_from_file_location("build_docs", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

PAGES = build.method_files()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_of_a_method_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path]


def test_every_method_has_a_page_and_no_other() -> None:
    assert {path.stem for path in build.METHODS.glob("*.md")} == set(nk.catalogue())


def test_the_tables_of_the_catalogue_and_the_contract_are_up_to_date() -> None:
    catalogue, contract = (path.read_text("utf-8") for path in (build.CATALOGUE, build.CONTRACT))
    assert build.with_catalogue(catalogue) == catalogue
    assert build.with_tables(contract) == contract


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_every_option_means(path: Path) -> None:
    options = PAGES[path].partition("## Options")[2].partition("## The contract")[0]
    for row in options.splitlines()[4:]:
        if row.startswith("|"):
            assert row.split("|")[3].strip(), row


def test_the_layer_of_your_own_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", build.CONTRACT.read_text("utf-8"), re.S)
    module = types.ModuleType("a_layer_of_your_own")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # Where pickle looks for the class.
    exec(code, module.__dict__)
    tried = cases(module.MINE)
    assert len(tried) == len(contract()) - 1  # It keeps no running statistics.
    for case in tried:
        module.test_contract(case)


@pytest.mark.parametrize("page", ["kernels", "surgery"])
def test_the_examples_of_a_page_run(page: str) -> None:
    tried = doctest.testfile(str(ROOT / "docs" / f"{page}.md"), module_relative=False)
    assert tried.attempted > 3
    assert tried.failed == 0
