"""A file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from normkit.files import PARTIAL, write_whole


def test_the_content_is_written_as_it_is(tmp_path: Path) -> None:
    write_whole(tmp_path / "page.html", "归一化\r\n\n")
    assert (tmp_path / "page.html").read_bytes() == "归一化\r\n\n".encode()


def test_a_new_file_has_the_access_of_any_other(tmp_path: Path) -> None:
    write_whole(tmp_path / "one", "x")
    (tmp_path / "two").touch()
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "two").stat().st_mode


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_was_there_is_kept_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "results.json"
    write_whole(path, "before")
    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(error):
            write_whole(path, "after")
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_a_file_that_is_being_written_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    sync = os.fsync

    def look(handle: int) -> None:
        seen.append([path.name for path in tmp_path.glob(PARTIAL)])
        sync(handle)

    monkeypatch.setattr("os.fsync", look)
    write_whole(tmp_path / "results.json", "{}")
    assert len(seen[0]) == 1
    assert list(tmp_path.glob(PARTIAL)) == []
