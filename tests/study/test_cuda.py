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


def test_the_same_trial_gives_the_same_numbers_on_the_gpu_again(tmp_path: Path) -> None:
    study = Study(**SETTINGS | {"claims": ["standardise"]}, device="cuda", workers=2)
    first, again = (study.run(tmp_path / name) for name in ("first", "again"))
    for file in (first.folder / "trials").iterdir():
        one, other = (Path(r.folder) / "trials" / file.name for r in (first, again))
        assert one.read_text().split('"times"')[0] == other.read_text().split('"times"')[0]
