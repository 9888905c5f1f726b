"""The digest of the user's code covers what a function imports of it, and nothing is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from normkit.user_code import UserCodeError
from normkit.user_imports import digest, files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project: a package that imports from itself and from a module beside it, and a file."""
    project = tmp_path / "project"
    for name, content in {
        "nets/__init__.py": "raise SystemExit('run')",
        "nets/mine.py": "from . import blocks\nfrom .deep.parts import part\ndef make(): pass",
        "nets/blocks.py": "def late():\n    import helpers.sizes",
        "nets/deep/__init__.py": "",
        "nets/deep/parts.py": "import torch, os\npart = 1",
        "helpers/sizes.py": "from nets import mine",
        "file.py": "from alone import width\ndef make(): pass",
        "alone.py": "width = 3",
        "unrelated.py": "",
    }.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(project)
    return project


IN_THE_PACKAGE = [
    "nets/__init__.py",
    "nets/mine.py",
    "nets/blocks.py",
    "nets/deep/__init__.py",
    "nets/deep/parts.py",
    "helpers/sizes.py",
]


def test_the_files_of_a_module_are_those_it_imports_and_those_they_do(folder: Path) -> None:
    found = {str(file.relative_to(folder.resolve())) for file in files("nets.mine:make").values()}
    assert found == set(IN_THE_PACKAGE)


def test_the_files_of_a_file_are_its_neighbours_that_it_imports(folder: Path) -> None:
    assert {file.name for file in files("file.py:make").values()} == {"file.py", "alone.py"}


@pytest.mark.parametrize("changed", IN_THE_PACKAGE)
def test_a_change_in_any_of_them_changes_the_digest(folder: Path, changed: str) -> None:
    before = digest("nets.mine:make")
    with (folder / changed).open("a") as code:
        code.write("\n# changed\n")
    assert digest("nets.mine:make") != before


def test_a_change_elsewhere_does_not(folder: Path) -> None:
    before = digest("file.py:make", "nets.mine:make")
    (folder / "unrelated.py").write_text("changed = True")
    assert digest("file.py:make", "nets.mine:make") == before


def test_a_file_that_is_no_python_is_left_to_whoever_runs_it(folder: Path) -> None:
    (folder / "alone.py").write_text("def (")
    assert {file.name for file in files("file.py:make").values()} == {"file.py", "alone.py"}


@pytest.mark.parametrize("spec", ["no_such.py:make", "no_such:make", "nets.no_such:make"])
def test_what_is_not_there_is_told(spec: str) -> None:
    with pytest.raises(UserCodeError, match="no_such"):
        digest(spec)


class TestAModuleFoundElsewhereOnPythonsPath:
    """As loading finds it, so that an edit of it is noticed."""

    @pytest.fixture
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder on Python's path."""
        folder = tmp_path / "elsewhere"
        (folder / "shared").mkdir(parents=True)
        (folder / "shared" / "__init__.py").write_text("from . import sizes")
        (folder / "shared" / "sizes.py").write_text("width = 3")
        (folder / "alone.py").write_text("width = 'behind the one beside the file'")
        Path("file.py").write_text("import alone, shared\ndef make(): pass")
        monkeypatch.setattr("sys.path", [*sys.path, str(folder)])
        return folder

    @pytest.mark.parametrize("spec", ["file.py:make", "file:make"])
    def test_is_read_where_there_is_none_beside_the_file(self, elsewhere: Path, spec: str) -> None:
        beside = {Path(name).resolve() for name in ("file.py", "alone.py")}
        shared = {elsewhere / "shared" / name for name in ("__init__.py", "sizes.py")}
        assert set(files(spec).values()) == beside | shared

    def test_changes_the_digest_with_it(self, elsewhere: Path) -> None:
        before = digest("file.py:make")
        (elsewhere / "shared" / "sizes.py").write_text("width = 4")
        assert digest("file.py:make") != before

    def test_in_a_folder_that_is_on_the_path_before_is_taken_first(
        self, elsewhere: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.path", [str(elsewhere), str(folder), *sys.path])
        assert files("file.py:make")["alone"] == elsewhere / "alone.py"

    @pytest.mark.parametrize("module", ["json", "numpy", "normkit"])
    def test_is_not_read_where_it_is_a_library(self, folder: Path, module: str) -> None:
        Path("file.py").write_text(f"import {module}\ndef make(): pass")
        assert set(files("file.py:make")) == {"file"}


def test_an_installed_package_is_followed_within_itself_alone() -> None:
    found = files("typer.main:Typer")
    assert "typer.core" in found
    assert {name.split(".")[0] for name in found} == {"typer"}
