"""Random numbers are the same in every run, and kernels divide their work among two threads.

Without kernels there is nothing to test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.kernels.interpreter import computes_as_a_gpu_does

from normkit import kernels


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def needs_kernels() -> None:
    """A module that tests something else has one of this name that does nothing."""
    if kernels.MISSING is not None:
        pytest.skip(kernels.MISSING)


@pytest.fixture(autouse=True)
def _tritons_interpreter_computes_as_a_gpu_does() -> Iterator[None]:
    with computes_as_a_gpu_does():
        yield
