"""Batch normalization over the batches of several processes, and of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from normkit import nn

WORKER = Path(__file__).with_name("sync_batch_worker.py")
CHECKS = [
    line.removeprefix("def ").partition("(")[0]
    for line in WORKER.read_text(encoding="utf-8").splitlines()
    if line.startswith("def ") and line.endswith("() -> None:") and "main" not in line
]


@pytest.fixture(scope="module", params=[2, 4], ids=lambda count: f"{count} processes")
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    results = tmp_path_factory.mktemp("sync") / "found.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", str(request.param), str(WORKER), str(results)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    checked: dict[str, list[str]] = json.loads(results.read_text(encoding="utf-8"))
    return checked


@pytest.mark.parametrize("check", CHECKS)
def test_several_processes_agree_with_one(found: dict[str, list[str]], check: str) -> None:
    assert found[check] == []


def test_every_check_is_made(found: dict[str, list[str]]) -> None:
    assert list(found) == CHECKS


def test_it_has_the_arguments_and_the_state_dict_of_pytorchs() -> None:
    theirs = torch.nn.SyncBatchNorm(4, 1e-4, 0.2, True, True, None)
    ours = nn.SyncBatchNorm(4, 1e-4, 0.2, True, True, None)
    theirs.weight.data.normal_()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert (ours.eps, ours.momentum, ours.process_group) == (1e-4, 0.2, None)


def test_in_one_process_it_is_batch_normalization() -> None:
    x = torch.randn(6, 4, 3, 3)
    synced, plain = nn.SyncBatchNorm(4), nn.BatchNorm2d(4)
    assert torch.equal(synced(x), plain(x))
    assert torch.equal(synced.running_var, plain.running_var)


def test_one_value_per_channel_in_all_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one value per channel"):
        nn.SyncBatchNorm(4)(torch.randn(1, 4))
