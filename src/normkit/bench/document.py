"""The results of a bench, as they are written to a file."""

from __future__ import annotations

import os
from typing import TypedDict

import torch

from normkit import machine
from normkit._version import __version__
from normkit.kernels.library import triton_version


class Row(TypedDict):
    """One path of one case, or its floor.

    `error` is that of the check before it was timed, null for the floor; `reason` says why it was
    not timed, and the numbers are null then. `host` is, on a GPU, the median of the time until the
    host has queued the step; where it is above `median`, the GPU waits for it. `eager_over` is the
    time of the eager path over this one's, `in_place_over` that of the eager path in place, null
    where there is none, and `times_floor` this one's over the floor's. Seconds throughout.
    """

    method: str
    layout: str
    dtype: str
    shape: list[int]
    direction: str
    residual: bool
    act: str | None
    contestant: str
    how: str
    error: float | None
    reason: str | None
    rounds: int
    passes: int
    median: float | None
    q25: float | None
    q75: float | None
    host: float | None
    eager_over: float | None
    in_place_over: float | None
    times_floor: float | None


class Worst(TypedDict):
    """Where normkit does worst: the path that it is compared with and the ratio of their times."""

    shape: list[int]
    contestant: str
    ratio: float


class Group(TypedDict):
    """A summary of all shapes of one kind.

    `over_normkit` has for each path the geometric mean of its time over normkit's, over the shapes
    where both were timed; `times_floor` that of normkit's over the floor's.
    """

    method: str
    layout: str
    dtype: str
    direction: str
    residual: bool
    shapes: int
    over_normkit: dict[str, float]
    worst: Worst | None
    times_floor: float | None


class Gpu(TypedDict):
    """A GPU, by its driver's name, and what its kernels are compiled with."""

    name: str
    capability: str
    multiprocessors: int
    bytes: int
    cuda: str | None
    triton: str | None


class Machine(TypedDict):
    """Where it was measured.

    `allocator` is what the C library was told of memory, GLIBC_TUNABLES, or null. `gpu` is null
    where the CPU was timed.
    """

    processor: str
    processors: int
    capability: str
    features: list[str]
    threads: int
    allocator: str | None
    gpu: Gpu | None


class Document(TypedDict):
    """All that a bench found; `complete` is false where it was stopped.

    `over_normkit` is that of the groups, over all cases.
    """

    normkit: str
    torch: str
    machine: Machine
    batch: int
    act: str | None
    rounds: int
    compiled: bool
    complete: bool
    seconds: float
    over_normkit: dict[str, float]
    summary: list[Group]
    rows: list[Row]


KEYS = ("method", "layout", "dtype", "direction", "residual")
"""What tells the groups apart."""
OVER = {"eager": "eager_over", "eager_in_place": "in_place_over"}
"""What a reader would use in normkit's place → the key of its time over a row's."""


def this_machine(threads: int, device: str = "cpu") -> Machine:
    """What is known of this machine."""
    return Machine(
        processor=machine.processor(),
        processors=machine.processors(),
        capability=torch.backends.cpu.get_cpu_capability(),
        features=machine.features(),
        threads=threads,
        allocator=os.environ.get("GLIBC_TUNABLES"),
        gpu=this_gpu() if device == "cuda" else None,
    )


def this_gpu() -> Gpu:
    """What is known of the GPU that tensors go to."""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Gpu(
        name=found.name,
        capability=f"{found.major}.{found.minor}",
        multiprocessors=found.multi_processor_count,
        bytes=found.total_memory,
        cuda=torch.version.cuda,
        triton=triton_version(),
    )


def versions() -> tuple[str, str]:
    """Of normkit and of torch."""
    return __version__, str(torch.__version__)
