"""Names that tell studies apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from normkit.report.comparison import ComparisonError, distinct_names


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/x/a", "/x/b"], ["a", "b"]),
        (["/x/a", "/y/a"], ["x/a", "y/a"]),
        (["/x/run/a", "/y/run/a", "/z/b"], ["x/run/a", "y/run/a", "b"]),
        (["/a", "/x/a"], ["/a", "x/a"]),
        (["/", "/x"], ["/", "x"]),
    ],
)
def test_a_name_is_as_short_as_it_can_be(folders: list[str], names: list[str]) -> None:
    assert distinct_names([Path(folder) for folder in folders]) == names


@pytest.mark.parametrize("again", ["a", "./a", "b/../a"])
def test_the_same_folder_twice_is_refused_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ComparisonError, match=r"needs different studies, got .*a 2 times; name"):
        distinct_names([Path("a"), Path("c"), Path(again)])


def test_a_link_to_a_study_is_the_same_study(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ComparisonError, match="different studies"):
        distinct_names([tmp_path / "a", tmp_path / "link"])


@pytest.mark.parametrize("folders", [[], [Path("a")]])
def test_one_study_is_too_few(folders: list[Path]) -> None:
    with pytest.raises(ComparisonError, match=f"two studies or more, got {len(folders)}"):
        distinct_names(folders)
