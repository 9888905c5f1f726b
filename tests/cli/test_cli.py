"""What every command has in common: help, the version, and how errors are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import normkit as package
from normkit.cli import app
from normkit.cli.errors import UserError, told

Run = Callable[..., Any]


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands_and_what_they_are_for(flag: str) -> None:
    answer = CliRunner().invoke(app, [flag])
    assert answer.exit_code == 0
    for word in ("study", "report", "list", "measure what it does for yours"):
        assert word in answer.output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("study", ["--data", "--budget", "--dry-run", "--workers", "--lang", "folder per class"]),
        ("report", ["--lang", "--format", "--out"]),
        ("bench", ["--methods", "--shapes", "--quick", "--compile", "--chart", "ResNet-50"]),
        ("list", ["norms|rivals|claims|models"]),
    ],
)
def test_help_of_a_command_names_its_options(command: str, words: list[str]) -> None:
    answer = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "160"})
    assert answer.exit_code == 0
    for word in words:
        assert word in answer.output


def test_the_version_is_the_packages(normkit: Run) -> None:
    ran = normkit("--version")
    assert (ran.code, ran.out) == (0, f"normkit {package.__version__}\n")


def test_without_a_command_the_help_is_shown(normkit: Run) -> None:
    ran = normkit()
    assert ran.code == 2
    assert "study" in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stduy"], "No such command 'stduy'"),
        (["study", "--stpes", "10"], "No such option: --stpes"),
        (["study", "--steps", "many"], "Invalid value for '--steps'"),
        (["list", "layers"], "'layers' is not one of"),
        (["report"], "Missing argument"),
    ],
)
def test_a_mistyped_command_is_told_with_exit_code_2(
    normkit: Run, words: list[str], message: str
) -> None:
    ran = normkit(*words)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


class TestTold:
    def test_errors_of_the_user_are_one_line_and_exit_code_2(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as leaving, told():
            raise UserError("the rule; what came; the fix")
        assert leaving.value.code == 2
        assert capsys.readouterr().err == "Error: the rule; what came; the fix\n"

    @pytest.mark.parametrize("error", [KeyboardInterrupt, typer.Abort])
    def test_an_interruption_says_what_is_kept(
        self, capsys: pytest.CaptureFixture[str], error: type[BaseException]
    ) -> None:
        with pytest.raises(SystemExit) as leaving, told():
            raise error
        assert leaving.value.code == 130
        assert "Finished trials are kept" in capsys.readouterr().err

    def test_errors_of_the_program_are_not_hidden(self) -> None:
        with pytest.raises(ZeroDivisionError), told():
            raise ZeroDivisionError
