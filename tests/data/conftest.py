"""Small image folders to prepare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def fill() -> Callable[..., Path]:
    """Writes PNG images into folders: `fill(root, {"cat": 10, "dog": 10}, mode="RGB", side=8)`."""

    def write(root: Path, counts: dict[str, int], *, mode: str = "L", side: int = 8) -> Path:
        for seed, (name, count) in enumerate(sorted(counts.items())):
            (root / name).mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(seed)
            shape = (side, side) if mode == "L" else (side, side, 3)
            for number in range(count):
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(root / name / f"{number:02}.png")
        return root

    return write


@pytest.fixture
def images(tmp_path: Path, fill: Callable[..., Path]) -> Path:
    """Two classes of ten grey 8×8 images, all different."""
    return fill(tmp_path / "images", {"cat": 10, "dog": 10})
