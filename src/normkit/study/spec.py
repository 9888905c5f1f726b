"""What one trial is: a frozen specification, and the hash that names its result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import torch

import normkit
from normkit.kernels import MISSING
from normkit.kernels.library import missing_on, triton_version
from normkit.study.code import digest_of

# The code that decides what a trial computes and what its probes measure. A change in any of it
# gives every trial a new name, so changed code never reuses old results.
_TRAINING_CODE = (
    "functional",
    "kernels",
    "nn",
    "models",
    "data",
    "probes",
    "seeding.py",
    "surgery",
    "user_code.py",
    "study/arms.py",
    "study/augmentation.py",
    "study/checking.py",
    "study/layers.py",
    "study/loading.py",
    "study/optimizer.py",
    "study/probing.py",
    "study/record.py",
    "study/spec.py",
    "study/surgery.py",
    "study/timing.py",
    "study/train.py",
)


@cache
def code_version(device: str = "cpu") -> str:
    """The versions, and a digest of the code, that a trial's numbers on a device depend on."""
    package = Path(normkit.__file__).parent
    rooms = [package / room for room in _TRAINING_CODE]
    files = [
        f for room in rooms for f in ([room] if room.is_file() else sorted(room.rglob("*.py")))
    ]
    digest = digest_of([*files, *built_kernels()], package)[:12]
    kernels = _kernels(device)
    return f"normkit {normkit.__version__}+{digest}, {kernels}, torch {torch.__version__}"


def _kernels(device: str) -> str:
    """Whether there are any, and what compiles them."""
    if missing_on(device) is not None:
        return "no kernels"
    return "kernels" if device == "cpu" else f"kernels by Triton {triton_version()}"


def built_kernels() -> list[Path]:
    """The library that the kernels are built into, where they run."""
    folder = Path(normkit.__file__).parent / "kernels"
    return sorted(folder.glob("_cpu*.so")) if MISSING is None else []


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """Everything that determines one trial's numbers, and nothing else.

    Equal specifications are one trial: it runs once, whoever asks for it. What a trial
    measures along the way (its probes) is not part of it, since probes do not perturb training.
    """

    data: str
    model: str
    """A built-in model, or the spec of the user's own."""
    norm: str
    seed: int
    rate: float
    steps: int
    batch: int
    kind: Literal["train", "cost", "pace", "check"] = "train"
    init: str = "default"
    gain: float = 1.0
    depth: int | None = None
    width: int | None = None
    placement: str = "before"
    activation: str = "relu"
    optimizer: str = "sgd"
    schedule: str = "constant"
    momentum: float = 0.9
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    norm_batch: int | None = None
    """Images that statistics over the batch are taken over: None for the whole batch."""
    input_scale: float = 1.0
    """What the standardised images are multiplied by, in training and in the test alike."""
    augment: str = ""
    """The spec of the user's data whose augmentation the training images go through."""
    source: str = ""
    """A digest of the user's code that takes part."""
    images: int | None = None
    """Training images used: None for all of them."""
    test: Literal["never", "end", "curve"] = "never"
    """When the test part is read: tuning never reads it."""
    arms: tuple[str, ...] = ()
    """For a trial that times: the norms."""
    device: str = "cpu"
    kernels: str = "plain"
    code: str = ""

    def __post_init__(self) -> None:
        if not self.code:
            object.__setattr__(self, "code", code_version(self.device))

    @cached_property
    def name(self) -> str:
        """The hash of the specification: the name of the trial's file."""
        return hashlib.sha256(canonical(self.to_dict()).encode()).hexdigest()[:20]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "arms": list(self.arms)}

    def but(self, **changes: Any) -> TrialSpec:
        """The same trial, with some fields changed."""
        return replace(self, **changes)


def canonical(value: Any) -> str:
    """JSON in one fixed form, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
