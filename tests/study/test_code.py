"""A digest of normkit's code follows all that makes results, and nothing that only shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from normkit.study.code import code_digest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in (
        "study/claims/cost.py",
        "nn/batch.py",
        "report/page.py",
        "cli/study.py",
        "bench/run.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    return tmp_path


def test_the_same_code_has_one_digest(package: Path) -> None:
    assert code_digest(package) == code_digest(package)
    assert code_digest() == code_digest() != code_digest(package)


@pytest.mark.parametrize("name", ["study/claims/cost.py", "nn/batch.py", "study/new.py"])
def test_it_follows_what_makes_results(package: Path, name: str) -> None:
    before = code_digest(package)
    (package / name).write_text("after")
    assert code_digest(package) != before


@pytest.mark.parametrize("name", ["report/page.py", "cli/study.py", "bench/run.py"])
def test_what_shows_or_times_does_not_matter(package: Path, name: str) -> None:
    before = code_digest(package)
    (package / name).write_text("after")
    assert code_digest(package) == before
