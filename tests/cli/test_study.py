"""`normkit study`: what it prints, where it writes, what it refuses, and how it stops."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from normkit.cli.study import _folder_name
from normkit.study import Study
from normkit.study.claims import claims

Run = Callable[..., Any]
COMMAND = [sys.executable, "-m", "normkit.cli", "study"]


class TestTheCommand:
    def test_writes_to_studies_under_the_current_folder(self, study: Path) -> None:
        assert (study / "report.html").is_file()
        assert (study / "report.zh.html").is_file()
        assert (study / "results.json").is_file()

    def test_ends_with_the_verdicts_and_the_path_of_the_report(self, study: Path) -> None:
        printed = (study.parents[1] / "printed.txt").read_text()
        assert "Zero mean and unit variance" in printed
        path = f"studies/{study.name}/report.html"
        assert printed.splitlines()[-1].endswith(f"The report: {path}")

    def test_prints_plain_lines_where_there_is_no_terminal(self, study: Path) -> None:
        printed = (study.parents[1] / "printed.txt").read_text()
        assert "\x1b" not in printed
        assert "\r" not in printed
        lines = [line for line in printed.splitlines() if line.startswith("training: ")]
        assert 5 <= len(lines) <= 10
        assert lines[0].endswith(" left")

    def test_prints_no_error_or_warning(self, study: Path) -> None:
        assert (study.parents[1] / "errors.txt").read_text() == ""

    def test_goes_on_in_the_folder_it_is_given(
        self, normkit: Run, study: Path, small: tuple[str, ...]
    ) -> None:
        ran = normkit("study", *small, "--out", str(study), "--lang", "zh")
        assert ran.code == 0
        assert "均值为零、方差为一" in ran.out
        assert ran.out.rstrip().endswith("report.zh.html")
        assert "training:" not in ran.out


class TestTheFolder:
    """Where a study goes that is not told where."""

    @pytest.mark.parametrize(
        ("chosen", "name"),
        [
            ({}, "digits-plain"),
            ({"workers": 2, "trial_seconds": 9.0}, "digits-plain"),
            ({"data": "folder:my images/"}, "my images-plain"),
            ({"data": "npz:arrays/cells.npz"}, "arrays.cells.npz-plain"),
            ({"data": "cells.py:images", "model": "a/nets.py:make"}, "cells.images-a.nets.make"),
            ({"model": "package.nets:make"}, "digits-package.nets.make"),
            ({"optimizer": "adamw", "schedule": "cosine"}, "digits-plain-adamw-cosine"),
            ({"norms": ["batch", "rms"], "seed": 1}, "digits-plain-batch+rms-seed-1"),
            ({"budget": 30.0, "skip_bad": True}, "digits-plain-skip-bad"),
        ],
    )
    def test_is_named_after_data_and_model_and_what_was_chosen(
        self, chosen: dict[str, Any], name: str
    ) -> None:
        assert _folder_name(Study(**chosen)) == name

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"data": "folder:../a/cells"}, {"data": "folder:../b/cells"}),
            ({"data": "folder:my.cells"}, {"data": "folder:my.images"}),
            ({"data": "npz:cells.npz"}, {"data": "folder:cells"}),
            ({"data": "folder:."}, {"data": "folder:here"}),
            ({"model": "../a/nets.py:make"}, {"model": "../b/nets.py:make"}),
            ({"model": "a.nets:make"}, {"model": "b.nets:make"}),
            ({"limit": 12345678}, {"limit": 12345679}),
        ],
    )
    def test_is_not_the_one_of_another_study(
        self,
        one: dict[str, Any],
        other: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        assert _folder_name(Study(**one)) != _folder_name(Study(**other))

    def test_of_much_that_was_chosen_is_marked_where_its_name_is_cut(self) -> None:
        long = {"norms": ["batch", "rms", "group"], "claims": [*claims()][:8], "steps": 100}
        names = [_folder_name(Study(**long, batch=batch)) for batch in (8, 16)]
        assert all(name.startswith("digits-plain-batch+rms+group-standardise") for name in names)
        assert len({*names}) == 2
        assert max(map(len, names)) < 100


class TestDryRun:
    def test_prints_the_plan_and_its_time_and_writes_nothing(
        self,
        normkit: Run,
        small: tuple[str, ...],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ran = normkit("study", *small, "--dry-run")
        assert ran.code == 0
        found = dict(line.split(maxsplit=1) for line in ran.out.splitlines()[:7])
        assert list(found) == ["claims", "norms", "seeds", "rates", "trials", "step", "time"]
        assert found["claims"] == "standardise"
        assert found["norms"] == "none, batch; headline: batch"
        assert "on 1 worker; budget 0 s" in found["time"]
        assert "left out:" in ran.out
        assert "Even the smallest plan is estimated to take longer" in ran.out
        assert list(tmp_path.iterdir()) == []

    def test_tells_the_seeds_of_over_fitting_which_are_its_own(
        self, normkit: Run, small: tuple[str, ...]
    ) -> None:
        ran = normkit("study", *small, "--claims", "overfitting", "--dry-run")
        assert re.search(r"seeds .*; for the gap of overfitting \d+ judged", ran.out)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--norms", "bacth"], "unknown norm 'bacth'. Did you mean 'batch'?"),
            (["--norms", ""], "compares norm layers with none; give at least one"),
            (["--claims", "convergance"], "did you mean convergence?"),
            (["--model", "resnet"], "unknown model 'resnet'"),
            (["--budget", "fast"], "a budget is quick, standard, or a number of minutes"),
            (["--budget", "nan"], "budget must be a number of minutes; got nan"),
            (["--steps", "1"], "steps must be at least 10; got 1"),
            (["--workers", "0"], "workers must be at least 1; got 0"),
            (["--batch", "99"], "60 training images and a batch is 99"),
            (["--data", "mnist"], "digits"),
            (["--data", "folder:/no/such/folder"], "/no/such/folder"),
            (["--limit", "0"], "limit must be"),
        ],
    )
    def test_is_one_line_and_exit_code_2_and_writes_nothing(
        self,
        normkit: Run,
        small: tuple[str, ...],
        tmp_path: Path,
        options: list[str],
        message: str,
    ) -> None:
        ran = normkit("study", *small, "--out", str(tmp_path / "study"), *options)
        assert ran.code == 2
        assert ran.err.startswith("Error: ")
        assert message in ran.err
        assert ran.err.count("\n") == 1
        assert not (tmp_path / "study" / "results.json").exists()

    def test_a_folder_that_holds_something_else_is_refused(
        self, normkit: Run, small: tuple[str, ...], tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.tex").touch()
        ran = normkit("study", *small, "--out", str(tmp_path))
        assert ran.code == 2
        assert "a study needs a folder of its own" in ran.err
        assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_for_a_folder_is_refused(
        self, normkit: Run, small: tuple[str, ...], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        ran = normkit("study", *small, "--out", str(tmp_path / "file"))
        assert ran.code == 2
        assert "choose another with --out" in ran.err


class TestOwnCode:
    NETS = (
        "import torch\nfrom torch import nn\n"
        "def make(num_classes, norm):\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), norm(4), nn.Flatten(),\n"
        "                         nn.Linear(144, num_classes))\n"
        "def wide(num_classes, width): pass\n"
        "def none(): return None\n"
        "def hangs():\n    while True: pass\n"
        "def raises(): raise LookupError('the weights\\nare gone')\n"
        "def images(): return torch.rand(100, 8, 8), torch.arange(100) % 2\n"
        "def many(): return torch.rand(100, 9, 8, 8), torch.arange(100) % 2\n"
        "def cut(): return *images(), lambda x: x[1:]\n"
    )
    SMALL = (
        *("--norms", "batch", "--claims", "standardise", "--budget", "0.000001", "--steps", "10"),
        *("--batch", "8", "--limit", "100", "--workers", "1"),
    )

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "nets.py").write_text(self.NETS)
        return tmp_path

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--model", "nets.py"], "For one of your own give package.module:name or path/to/f"),
            (["--model", "nets.py:maek"], "nets.py has no 'maek'; did you mean nets.py:make?"),
            (["--model", "no_such:make"], "no_such is not a module that can be imported from"),
            (["--model", "nets.py:wide"], "also requires 'width': give it a default"),
            (["--model", "nets.py:none"], "must return a torch.nn.Module; it returned a NoneType"),
            (["--model", "nets.py:raises"], "LookupError: the weights are gone (nets.py:"),
            (["--model", "nets.py:hangs", "--trial-seconds", "0.3"], "longer than the 0.3 s"),
            (["--model", "nets.py:make", "--depth", "3"], "depth is set in built-in models alone"),
            (["--data", "nets.py:many"], "with 1 or 3 channels C, got (100, 9, 8, 8)"),
            (["--data", "nets.py:raises"], "could not make its data: LookupError"),
            (["--model", "nets.py:make", "--data", "nets.py:cut"], "and returned (7, 1, 8, 8)"),
        ],
    )
    def test_that_can_never_work_is_one_line_and_exit_code_2(
        self, normkit: Run, folder: Path, options: list[str], message: str
    ) -> None:
        ran = normkit("study", *self.SMALL, "--out", str(folder / "study"), *options)
        assert ran.code == 2
        assert ran.err.startswith("Error: ")
        assert message in ran.err
        assert ran.err.count("\n") == 1
        assert not list(folder.glob("study/trials/*"))

    def test_runs_and_names_its_folder(self, normkit: Run, folder: Path) -> None:
        given = ("--model", "nets.py:make", "--data", "nets.py:images")
        ran = normkit("study", *self.SMALL, *given, "--optimizer", "adamw", "--schedule", "cosine")
        assert ran.code == 0, ran.err
        [report] = (folder / "studies").glob("*/report.html")
        assert report.parent.name.startswith("nets.images-nets.make-")
        assert "nets.py:make network on nets.py:images" in ran.out


def _processes_in(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _ends(process: int) -> bool:
    """Wait for a process to end; False if it has not after ten seconds."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    ready, _, _ = select.select([handle], [], [], 10)
    os.close(handle)
    return bool(ready)


class TestOnATerminal:
    def test_shows_a_bar_and_ctrl_c_stops_it_cleanly(
        self, small: tuple[str, ...], tmp_path: Path, shared_cache: Path
    ) -> None:
        """On a pseudo-terminal, whose Ctrl-C reaches the command and its workers alike."""
        out = tmp_path / "study"
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(shared_cache),
            "TERM": "xterm",
            "COLUMNS": "100",
        }
        # So many steps that no study can end before its first bar is seen, however late that is.
        words = [*COMMAND, *small, "--steps", "2000", "--out", str(out)]
        process, terminal = pty.fork()
        if process == 0:
            # A shell that runs the tests in the background has them ignore it, children included.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(sys.executable, words, environment)
        printed = b""
        interrupted = False
        try:
            while True:
                try:
                    chunk = os.read(terminal, 4096)
                except OSError:  # the other end is closed: the command has ended
                    break
                if not chunk:
                    break
                printed += chunk
                if not interrupted and b"training" in printed:
                    interrupted = True
                    assert len(_processes_in(process)) >= 2
                    os.write(terminal, b"\x03")
        finally:
            os.close(terminal)
        _, status = os.waitpid(process, 0)
        assert os.waitstatus_to_exitcode(status) == 130
        text = printed.decode()
        assert "━" in text or "╸" in text
        assert "Finished trials are kept: the same command goes on." in text
        assert "Traceback" not in text
        # One may still be on its way out: the standard library's resource tracker ends by itself,
        # once its parent has.
        assert all(_ends(left) for left in _processes_in(process))
        # Whole files only: what was being written when it stopped is gone.
        assert {file.suffix for file in (out / "trials").iterdir()} == {".json"}
