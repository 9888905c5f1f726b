"""What a worker trains is what the digest of its trial names, or it is refused."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from normkit.data import Dataset
from normkit.study import train
from normkit.study.loading import source_of
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError, path_restored

REFUSED = "must stay as it is while a study runs; it was changed: run the same command again"

NETS = """
from torch import nn
from sizes_{key} import width

def make(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

def late(num_classes):
    import late_{key}
    return make(num_classes)
"""

PICTURES = """
import torch

def digits():
    return torch.rand(40, 8, 8), torch.arange(40) % 2, lambda images: images + 0.1
"""


@pytest.fixture
def key(tmp_path: Path) -> str:
    """In the names of modules, which Python keeps from one test to the next."""
    return f"of_{abs(hash(str(tmp_path)))}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> Any:
    """The current folder, with a network that imports a module, and with images."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS.format(key=key))
    Path(f"sizes_{key}.py").write_text("width = 4\n")
    Path(f"late_{key}.py").write_text("")
    Path("pictures.py").write_text(PICTURES)
    with path_restored():
        yield tmp_path


@pytest.fixture
def on(trial: Callable[..., TrialSpec], digits: Dataset) -> Callable[..., Callable[[], Record]]:
    """Makes what runs the same small trial, as often as it is called."""

    def make(model: str = "nets.py:make", augment: str = "", **changes: Any) -> Any:
        sizes = {"depth": None, "width": None} if ":" in model else {}
        source = source_of(model, augment)
        spec = trial(model=model, augment=augment, source=source, **sizes, **changes)
        return lambda: train.run(spec, (), digits)

    return make


CASES = [
    ("nets.py:make", "", "nets.py"),
    ("nets.py:make", "", "sizes_{key}.py"),
    ("plain", "pictures.py:digits", "pictures.py"),
    ("nets.py:make", "pictures.py:digits", "pictures.py"),
]


@pytest.mark.parametrize(("model", "augment", "edited"), CASES)
def test_a_file_edited_between_two_trials_of_a_process_is_refused(
    on: Any, key: str, model: str, augment: str, edited: str
) -> None:
    run, file = on(model, augment), Path(edited.format(key=key))
    run()
    run()
    before = file.read_text()
    file.write_text(f"{before}\n# changed\n")
    with pytest.raises(UserCodeError, match=REFUSED):
        run()
    # What it imports may have been loaded meanwhile, so it is not trusted any more.
    file.write_text(before)
    with pytest.raises(UserCodeError, match=REFUSED):
        run()


@pytest.mark.parametrize("kind", ["train", "cost", "pace", "check"])
def test_it_is_refused_whatever_the_kind_of_trial(on: Any, kind: str) -> None:
    run = on("nets.py:make", kind=kind, arms=("none",))
    Path("nets.py").write_text("def make(num_classes): raise SystemExit")
    with pytest.raises(UserCodeError, match=REFUSED):
        run()


def test_an_edit_of_the_same_length_at_the_same_time_is_refused(on: Any, key: str) -> None:
    run, file = on(), Path(f"sizes_{key}.py")
    run()
    stat = file.stat()
    file.write_text("width = 5\n")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(UserCodeError, match=REFUSED):
        run()


def test_a_file_that_is_gone_is_refused(on: Any, key: str) -> None:
    run = on()
    run()
    Path(f"sizes_{key}.py").unlink()
    with pytest.raises(UserCodeError, match=REFUSED):
        run()


def test_a_file_that_was_touched_is_read_again_and_taken(on: Any) -> None:
    run = on()
    first = run()
    Path("nets.py").touch()
    assert run().curve == first.curve


def test_the_files_are_not_read_again_while_nobody_writes_to_them(
    on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = on()
    run()
    # Read again, they would have another digest, and be refused.
    monkeypatch.setattr("normkit.study.loading.digest_of", lambda files: "another")
    assert run().status == "ok"


def test_code_edited_in_the_middle_of_a_trial_is_refused_at_its_end(
    on: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = train.build

    def building(spec: TrialSpec, data: Dataset) -> Any:
        Path(f"late_{key}.py").write_text("width = 7")
        return build(spec, data)

    run = on("nets.py:late")
    monkeypatch.setattr(train, "build", building)
    with pytest.raises(UserCodeError, match=REFUSED):
        run()


def test_what_a_file_adds_to_the_path_when_it_is_run_is_no_change(on: Any, key: str) -> None:
    Path("more").mkdir()
    Path("more", f"optional_{key}.py").write_text("")
    Path("nets.py").write_text(
        f"import sys; sys.path.append('more')\n{NETS.format(key=key)}\nimport optional_{key}\n"
    )
    run = on()
    assert [run().status for _ in range(2)] == ["ok", "ok"]


def test_what_a_file_draws_when_it_is_run_moves_no_trial(
    on: Any, trial: Any, digits: Dataset
) -> None:
    """A file runs in a process's first trial alone, and draws the same in every process."""
    found = []
    for text in ("# one", "# other"):
        Path("nets.py").write_text(
            f"{text}\nimport random, numpy, torch\nfrom torch import nn\n"
            "drawn = random.random() + numpy.random.rand() + float(torch.rand(()))\n"
            "def make(num_classes):\n"
            "    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
            "    nn.init.constant_(net[1].bias, drawn)\n"
            "    return net\n"
        )
        # Wherever the generators stand when it is loaded.
        random.seed(text)
        np.random.seed(len(text))
        run = on()
        found += [run().curve, run().curve]
    assert all(curve == found[0] for curve in found)


def test_a_network_draws_the_same_in_every_trial_and_leaves_the_generators(
    on: Any, trial: Any, digits: Dataset
) -> None:
    """Stochastic depth by Python's and NumPy's generators, looked at by probes or not."""
    Path("nets.py").write_text("""
import random
import numpy
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.last = nn.Linear(144, 10)
        self.drawn = random.random()
    def forward(self, x):
        x = self.norm(self.first(x)) * (self.drawn + random.random() + numpy.random.rand())
        return self.last(x.flatten(1))

def make(num_classes):
    return Net()
""")
    spec = trial(model="nets.py:make", norm="given", depth=None, width=None)
    random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    plain = train.run(spec, (), digits)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert after[:2] == before[:2]
    assert torch.equal(after[2], before[2])
    random.seed(2)
    assert train.run(spec, ("stability", "standardise"), digits).curve == plain.curve
    assert train.run(spec.but(seed=1), (), digits).curve != plain.curve


def test_the_users_code_is_a_part_of_the_trials_name() -> None:
    before = source_of("pictures.py:digits", "")
    assert source_of("plain", "pictures.py:digits") == before
    with Path("pictures.py").open("a") as code:
        code.write("# changed\n")
    assert source_of("pictures.py:digits", "") != before
