"""Runs the command line as a user does, and a small study for those that need a finished one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from normkit.cli import main

SMALL = (
    *("--norms", "batch", "--claims", "standardise", "--budget", "0.000001", "--steps", "10"),
    *("--batch", "8", "--depth", "2", "--width", "4", "--limit", "100", "--workers", "1"),
)


class Ran:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def normkit(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], shared_cache: Path
) -> Callable[..., Ran]:
    """Runs the command in this process: `normkit("list", "norms")`."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["normkit", *words])
        with pytest.raises(SystemExit) as leaving:
            main()
        captured = capfd.readouterr()
        code = leaving.value.code
        assert isinstance(code, int)
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def study(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished small study, made by the command itself."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared_cache))
        ran = subprocess.run(
            [sys.executable, "-m", "normkit.cli", "study", *SMALL],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    (place / "printed.txt").write_text(ran.stdout)
    (place / "errors.txt").write_text(ran.stderr)
    [folder] = (place / "studies").iterdir()
    return folder


@pytest.fixture
def small() -> tuple[str, ...]:
    """Options of a study that takes seconds."""
    return SMALL
