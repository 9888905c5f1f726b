"""Functions of the user's: named, found again, and told about when they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from normkit import user_code
from normkit.user_code import UserCodeError, load, raised, spec_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, which the user's files are in."""
    monkeypatch.chdir(tmp_path)
    with user_code.path_restored():
        yield tmp_path
    # Theirs alone: torch, which a file of theirs may be the first to load, cannot be loaded twice.
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.mark.parametrize("text", ["plain", "folder:/my images", "a.py", "a b:c", ":f", "m:", "m:1"])
def test_what_has_not_the_form_is_no_spec(text: str) -> None:
    assert not user_code.is_spec(text)


def test_a_module_is_found_in_the_current_folder(folder: Path) -> None:
    (folder / "mine_a.py").write_text("def make(): return 'made'")
    assert load("mine_a:make")() == "made"


def test_a_file_is_found_with_what_lies_beside_it(folder: Path) -> None:
    (folder / "nets").mkdir()
    (folder / "nets" / "beside_it.py").write_text("WIDTH = 8")
    (folder / "nets" / "mine.py").write_text("import beside_it\ndef make(): return beside_it.WIDTH")
    assert load("nets/mine.py:make")() == 8


def test_a_name_within_a_class_is_found(folder: Path) -> None:
    (folder / "mine.py").write_text("class A:\n    @staticmethod\n    def make(): return 3")
    assert load("mine.py:A.make")() == 3


def test_a_file_is_run_once_and_again_once_it_changed(folder: Path) -> None:
    file = folder / "mine.py"
    file.write_text("def make(): return 1")
    assert load("mine.py:make") is load("mine.py:make")
    file.write_text("def make(): return 22")
    assert load("mine.py:make")() == 22


def test_a_file_of_the_same_length_and_time_is_run_again(folder: Path) -> None:
    file = folder / "mine.py"
    for made in (1, 2):
        file.write_text(f"def make(): return {made}")
        os.utime(file, (10, 10))
        assert load("mine.py:make")() == made


def test_a_dataclass_in_a_file_is_defined(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Make:\n    width: int = 2"
    )
    assert load("mine.py:Make")().width == 2


@pytest.mark.parametrize(
    ("spec", "content", "message"),
    [
        ("mine.py:make", None, "mine.py is not a file: check the path"),
        ("mine.py:make", "1 / 0", r"mine.py could not be run: ZeroDivisionError: .* \(mine.py:1\)"),
        ("mine.py:make", "raise SystemExit", "mine.py could not be run: SystemExit"),
        ("mine.py:make", "def (", "mine.py could not be run: SyntaxError"),
        ("mine.py:make", "import no_such", "No module named 'no_such'"),
        ("mine.py:maek", "def make(): pass", r"has no 'maek'; did you mean mine.py:make\?"),
        ("mine.py:make", "make = 3", "must name a function or a class; it is a int"),
        ("no_such_module:make", None, "no_such_module is not a module that can be imported from"),
        ("mine_b:make", "import no_such", "mine_b could not be imported: ModuleNotFoundError"),
        ("mine_c:make", "1 / 0", "mine_c could not be imported: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(
    folder: Path, spec: str, content: str | None, message: str
) -> None:
    if content is not None:
        (folder / f"{spec.split(':')[0].removesuffix('.py')}.py").write_text(content)
    with pytest.raises(UserCodeError, match=message) as told:
        load(spec)
    assert "\n" not in str(told.value)


def test_a_function_is_named_by_its_module() -> None:
    assert spec_of(load) == "normkit.user_code:load"
    assert load(spec_of(load)) is load


class Called:
    def __call__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: None, "a lambda or a function within a function"),
        (partial(load, "a:b"), "got 'partial', an object without one"),
        (Called(), "got 'Called', an object without one"),
    ],
)
def test_what_has_no_name_in_a_file_is_refused_with_the_fix(function: object, message: str) -> None:
    with pytest.raises(UserCodeError, match=f"{message}.*top level of a file"):
        spec_of(function)  # type: ignore[arg-type]


def test_a_function_hidden_behind_another_of_its_name_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(user_code, "split", load)
    original = user_code.short
    monkeypatch.setattr(original, "__qualname__", "split")
    with pytest.raises(UserCodeError, match=r"which is not what normkit\.user_code has"):
        spec_of(original)


def ran(*words: str, given: str = "") -> str:
    return subprocess.run(
        [sys.executable, *words], input=given, capture_output=True, text=True, check=True
    ).stdout.strip()


NAMING = """
from normkit.user_code import UserCodeError, load, spec_of
def make(): pass
try:
    print(spec_of(make), load(spec_of(make)) is make)
except UserCodeError as error:
    print(error)
"""


def test_a_scripts_function_is_named_by_its_file_and_not_loaded_again(folder: Path) -> None:
    (folder / "script.py").write_text(NAMING)
    assert ran("script.py") == "script.py:make True"


def test_a_function_of_a_module_run_with_m_is_named_by_the_module(folder: Path) -> None:
    (folder / "tool.py").write_text(NAMING.replace(", load(spec_of(make)) is make", ""))
    assert ran("-m", "tool") == "tool:make"


def test_a_function_typed_into_a_prompt_is_refused() -> None:
    assert ran("-", given=NAMING).endswith("typed into a prompt: put it into a file")


def test_a_file_that_starts_a_study_when_loaded_is_told_the_guard(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "import normkit as nk\n"
        "def make(num_classes): pass\n"
        "nk.Study(model='mine.py:make').run('out')"
    )
    with pytest.raises(UserCodeError, match='put the call under `if __name__ == "__main__":`'):
        load("mine.py:make")
    assert not (folder / "out").exists()


def test_an_error_is_told_with_the_users_own_line(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "import torch\ndef make():\n    return torch.zeros(2) @ torch.zeros(3)\n"
    )
    make = load("mine.py:make")
    with pytest.raises(RuntimeError) as told:
        make()
    assert raised(told.value).startswith("RuntimeError: ")
    assert raised(told.value).endswith("(mine.py:3)")


def test_an_error_in_a_layer_of_normkit_is_told_with_the_users_own_line(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "import torch\nfrom normkit.nn import BatchNorm2d\n"
        "def make():\n    BatchNorm2d(3)(torch.ones(2, 4))\n"
    )
    make = load("mine.py:make")
    with pytest.raises(ValueError, match="BatchNorm2d takes") as told:
        make()
    assert raised(told.value).endswith("(mine.py:4)")


def test_an_error_that_no_line_of_theirs_is_under_is_told_with_normkits() -> None:
    with pytest.raises(UserCodeError) as told:
        load("nothing")
    # Without the frame of this test, which is no line of normkit's.
    error = told.value.with_traceback(told.tb.tb_next)
    assert re.search(r"\(normkit/user_code\.py:\d+\)$", raised(error))


def test_the_place_of_a_syntax_error_is_told_once(folder: Path) -> None:
    (folder / "mine.py").write_text("def make(: pass")
    with pytest.raises(UserCodeError, match=r"SyntaxError: .* \(mine.py, line 1\)$"):
        load("mine.py:make")


def test_the_path_is_as_it_was(folder: Path) -> None:
    before = list(sys.path)
    (folder / "mine.py").write_text("def make(): pass")
    with user_code.path_restored():
        load("mine.py:make")
    assert sys.path == before
