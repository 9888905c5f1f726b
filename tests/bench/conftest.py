"""Small cases, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from normkit.bench import Bench, Settings
from normkit.bench.document import Document
from normkit.bench.timing import threads

SMALL: dict[str, Any] = {"shapes": ((4, 3, 3), (8, 5, 2)), "batch": 3, "rounds": 2, "threads": 1}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="session")
def document() -> Document:
    """Of a bench of two methods in both layouts, with a residual and without."""
    before = torch.get_num_threads()
    bench = Bench(Settings(methods=("batch", "rms"), residuals=(False, True), **SMALL))
    for _ in bench.run():
        pass
    assert torch.get_num_threads() == before
    return bench.document()
