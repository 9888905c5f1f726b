"""What the README shows is what the product does."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.study.conftest import HereEngine
from typer.testing import CliRunner

from normkit.cli import app
from normkit.study.claims import claims
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.simulation import SimulatedTrials
from normkit.study.spec import TrialSpec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")

spec = importlib.util.spec_from_file_location("build_docs", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

COMMANDS = sorted(
    {command.strip() for command in re.findall(r"(?:^|`)(normkit [^`#\n]+)", README, re.MULTILINE)}
)


PLAN = Plan(
    prototype=TrialSpec(
        data="d", model="plain", norm="none", seed=0, rate=0.0, steps=200, batch=32, depth=8
    ),
    classes=10,
    chance=0.1,
    norms=("none", "batch"),
    headline="batch",
    claims=tuple(claims()),
    seeds=(0, 1),
    exploratory_seeds=(0, 1),
    gap_seeds=(0, 1),
    reduced_tuning_seeds=(500,),
    tuning_seeds=(500,),
    exploratory_tuning_seeds=(500,),
    reduced_images=128,
    reduced_steps=400,
    rate_per_initialisation=False,  # which the standard budget leaves out
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the README's commands name: images, arrays and finished studies."""
    generator = np.random.default_rng(0)
    for name in "ab":
        for i in range(120):
            path = tmp_path / "PATH" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 255, (8, 8), dtype=np.uint8)).save(path)
    images = generator.integers(0, 255, (240, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "FILE", x=images, y=np.arange(240) % 2)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("from nets import make as Net")
    [example] = re.findall(r"```python\n# nets.py\n(.*?)```", README, re.DOTALL)
    (tmp_path / "nets.py").write_text(example)
    (tmp_path / "FILE.npz").rename(tmp_path / "FILE")
    study = tmp_path / "studies" / "digits"  # where `make study` puts it
    study.mkdir(parents=True)
    again = tmp_path / "studies" / "again"
    again.mkdir()
    for folder in (study, again):
        (folder / "results.json").write_text(build.SAMPLE.read_text("utf-8"), "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("normkit.study.run.Engine", HereEngine)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str, home: Path) -> None:
    words = shlex.split(command.replace("--limit 2000", "--limit 200"))[1:]
    if words[0] == "study" and "--dry-run" not in words:
        words.append("--dry-run")
    if words[0] == "bench":
        words += ["--shapes", "4x3", "--batch", "2", "--rounds", "1", "--threads", "1"]
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.strip()


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) >= 12


def test_the_layers_example_runs() -> None:
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (failed, tried > 3) == (0, True)


def test_the_table_is_the_samples() -> None:
    results = json.loads(build.SAMPLE.read_text("utf-8"))
    assert build.with_table(README, results) == README


def test_the_picture_is_there() -> None:
    with Image.open(build.PICTURE) as picture:
        assert picture.width > 1000


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    file, _, section = link.partition("#")
    assert (ROOT / file).exists()
    if section:
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
        assert section in [heading.lower().replace(" ", "-") for heading in headings]


def test_the_sample_holds_the_verdicts_that_a_study_gives_today() -> None:
    sample = json.loads(build.SAMPLE.read_text("utf-8"))
    given = {
        (name, verdict.id, verdict.primary)
        for name, claim in claims().items()
        for verdict in claim.judge(Context(PLAN, SimulatedTrials())).verdicts
    }
    assert given == {
        (claim["id"], verdict["id"], verdict["primary"])
        for claim in sample["claims"]
        for verdict in claim["verdicts"]
    }
