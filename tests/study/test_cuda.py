"""On a GPU a study comes to the verdicts that it comes to on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from normkit.study import Study

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
]

SETTINGS = {
    "norms": ["batch", "group"],
    "claims": ["standardise", "gradients", "decorrelation", "convergence"],
    "budget": "quick",
    "limit": 600,
}


def test_several_trials_share_the_gpu_and_the_verdicts_are_those_of_the_cpu(tmp_path: Path) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        result = Study(**SETTINGS, device=device, workers=2).run(tmp_path / device)
        assert result.document["machine"]["device"] == device
        assert result.document["complete"]
        found[device] = {(v["claim"], v["id"], v["norm"]): v for v in result.verdicts()}
    assert found["cpu"].keys() == found["cuda"].keys()
    # What is timed or counted on another device is another thing; the rest is the same study.
    for key, verdict in found["cpu"].items():
        if not key[1].startswith("seconds"):
            assert found["cuda"][key]["outcome"] == verdict["outcome"], key


def test_every_claim_is_measured_there_and_within_the_intervals_of_the_cpu(tmp_path: Path) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        result = Study(norms=["batch"], budget="quick", device=device).run(tmp_path / device)
        assert result.document["failures"] == []
        found[device] = {(v["claim"], v["id"], v["norm"]): v for v in result.verdicts()}
    for key, on_cpu in found["cpu"].items():
        on_gpu = found["cuda"][key]
        outcomes = {on_cpu["outcome"], on_gpu["outcome"]}
        timed = key[0] == "cost" or key[1].startswith("seconds")
        assert timed or outcomes != {"supported", "refuted"}, key
        if not timed and None not in (on_cpu["low"], on_gpu["low"]):
            assert on_cpu["low"] <= on_gpu["high"], key
            assert on_gpu["low"] <= on_cpu["high"], key


NETWORK = """
import torch
from torch import nn

def make(num_classes, in_channels, norm):
    # The pooling has no deterministic backward pass on a GPU.
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, padding=1), norm(8), nn.ReLU(), nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, num_classes),
    )
"""


def test_a_network_of_the_users_is_studied_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    claims = ["generalisation", "stability", "covariate_shift", "scale", "batch_size"]
    study = Study(model="nets.py:make", norms=["batch"], claims=claims, budget=1, device="cuda")
    document = study.run(tmp_path / "study").document
    assert document["failures"] == []
    assert {claim["id"] for claim in document["claims"]} == set(claims)


def test_the_same_trial_gives_the_same_numbers_on_the_gpu_again(tmp_path: Path) -> None:
    study = Study(**SETTINGS | {"claims": ["standardise"]}, device="cuda", workers=2)
    first, again = (study.run(tmp_path / name) for name in ("first", "again"))
    for file in (first.folder / "trials").iterdir():
        one, other = (Path(r.folder) / "trials" / file.name for r in (first, again))
        assert one.read_text().split('"times"')[0] == other.read_text().split('"times"')[0]
