"""What is timed: each method, layout, dtype and shape, with a residual or without."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch

from normkit.functional.activation import ACTIVATIONS
from normkit.functional.names import unknown_name

Direction = Literal["training", "inference"]
Map = tuple[int, int, int]
"""Channels, height and width."""

METHODS = ("batch", "layer", "instance", "group", "channel_layer", "rms")
"""Those that PyTorch has too, so that there is something to compare with."""
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
DIRECTIONS: tuple[Direction, ...] = ("training", "inference")
DEVICES = ("cpu", "cuda")

RESNET50: tuple[Map, ...] = (
    *((64, 112, 112), (64, 56, 56), (256, 56, 56), (128, 56, 56), (128, 28, 28), (512, 28, 28)),
    *((256, 28, 28), (256, 14, 14), (1024, 14, 14), (512, 14, 14), (512, 7, 7), (2048, 7, 7)),
)
"""The maps that ResNet-50 normalises, for images of 224 × 224."""
BATCH, ROUNDS = 32, 15
QUICK_BATCH, QUICK_ROUNDS = 2, 5
GPU_BATCH, GPU_DTYPE = 128, "bfloat16"
"""What networks are trained with there, and what makes maps large enough to measure."""


@dataclass(frozen=True)
class Case:
    """One thing to compute, by several paths: `act(norm(x) + residual)` and its gradients.

    Args:
        method: a name in `METHODS`.
        layout: the memory format, a name in `LAYOUTS`.
        dtype: of the maps, a name in `DTYPES`.
        shape: `(N, C, H, W)`.
        residual: whether one is added before the activation.
        act: the activation's name, or None.
        direction: `training`, forward and backward with the statistics of the batch, or
            `inference`, forward in evaluation.
        device: where it is computed, a name in `DEVICES`.
    """

    method: str
    layout: str
    dtype: str
    shape: tuple[int, int, int, int]
    residual: bool = False
    act: str | None = "relu"
    direction: Direction = "training"
    device: str = "cpu"

    @property
    def values(self) -> int:
        """How many values a map of this shape has."""
        samples, channels, height, width = self.shape
        return samples * channels * height * width

    @property
    def bytes(self) -> int:
        """How many bytes they take.

        >>> Case("batch", "contiguous", "bfloat16", (2, 3, 4, 5)).bytes
        240
        """
        return self.values * DTYPES[self.dtype].itemsize

    def __str__(self) -> str:
        return f"{self.method} {self.layout} {'×'.join(map(str, self.shape))}"


@dataclass(frozen=True)
class Settings:
    """What is asked for; every combination is a case.

    Args:
        methods: names in `METHODS`.
        shapes: the maps, `(C, H, W)` each.
        batch: samples in a batch.
        layouts: names in `LAYOUTS`.
        dtypes: names in `DTYPES`.
        residuals: whether a residual is added: False, True or both.
        act: the activation's name, or None.
        directions: names in `DIRECTIONS`.
        compiled: whether `torch.compile` is timed too; on a GPU also with `max-autotune`.
        threads: PyTorch's threads; None leaves them as they are.
        rounds: how many times each path of a case is timed.
        device: a name in `DEVICES`.

    Raises:
        ValueError: a name that is not known, nothing to time, a number below 1, or a GPU that
            PyTorch does not see.

    >>> settings = Settings(methods=("batch",), shapes=((8, 4, 4),), layouts=("contiguous",))
    >>> [str(case) for case in settings.cases()]
    ['batch contiguous 32×8×4×4']
    """

    methods: tuple[str, ...] = METHODS
    shapes: tuple[Map, ...] = RESNET50
    batch: int = BATCH
    layouts: tuple[str, ...] = tuple(LAYOUTS)
    dtypes: tuple[str, ...] = ("float32",)
    residuals: tuple[bool, ...] = (False,)
    act: str | None = "relu"
    directions: tuple[Direction, ...] = ("training",)
    compiled: bool = False
    threads: int | None = None
    rounds: int = ROUNDS
    device: str = "cpu"

    def __post_init__(self) -> None:
        _known("device", (self.device,), DEVICES)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                "a bench on cuda needs a GPU that PyTorch sees; this PyTorch, "
                f"{torch.__version__}, sees none. Without one, time the CPU's kernels: device cpu."
            )
        _known("method of a bench", self.methods, METHODS)
        _known("layout", self.layouts, LAYOUTS)
        _known("dtype", self.dtypes, DTYPES)
        _known("direction", self.directions, DIRECTIONS)
        _known("activation", () if self.act is None else (self.act,), ACTIVATIONS)
        for name in ("methods", "shapes", "layouts", "dtypes", "residuals", "directions"):
            if not getattr(self, name):
                raise ValueError(f"a bench needs at least one of {name}; got none.")
        for name in ("batch", "rounds", "threads"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1; got {number}.")
        for shape in self.shapes:
            if len(shape) != 3 or min(shape) < 1:
                raise ValueError(
                    f"a shape is channels, height and width, each at least 1; got {shape}."
                )

    def cases(self) -> list[Case]:
        """Every combination, in the order in which they are timed."""
        return [
            Case(
                method,
                layout,
                dtype,
                (self.batch, *shape),
                residual,
                self.act,
                direction,
                self.device,
            )
            for method, layout, dtype, direction, residual, shape in product(
                self.methods,
                self.layouts,
                self.dtypes,
                self.directions,
                self.residuals,
                self.shapes,
            )
        ]


def _known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(unknown_name(kind, name, known))
