"""The layer that the lesson looks at, and the one value that it follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from normkit.probes.lesson import SHOWN_IMAGES


@dataclass(frozen=True)
class Scene:
    """What the probe found in one layer of the headline norm's network.

    Attributes:
        norm: the norm that the network was trained with.
        found: as the probe returned it.
    """

    norm: str
    found: dict[str, Any]

    @property
    def is_batch(self) -> bool:
        """Whether the layer is batch norm itself, so that its own backward pass can be shown."""
        return bool(self.found["is_batch"])

    @property
    def is_affine(self) -> bool:
        """Whether the layer has a γ and a β for each channel; else they stand at 1 and 0."""
        return bool(self.found["affine"])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width."""
        n, c, height, width = self.found["shape"]
        return n, c, height, width

    @property
    def layer(self) -> int:
        """Which norm layer it is, from one."""
        return int(self.found["layer"])

    @property
    def layers(self) -> int:
        """How many norm layers the network has."""
        return int(self.found["layers"])

    @property
    def channel(self) -> int:
        """Which channel is followed, from zero."""
        return int(self.found["channel"])

    @property
    def shown_images(self) -> int:
        """How many images of the batch have a row of their own."""
        return min(self.shape[0], SHOWN_IMAGES)

    @property
    def positions(self) -> list[list[int]]:
        """Rows and columns of the positions that have a column of their own, from zero."""
        positions: list[list[int]] = self.found["positions"]
        return positions

    def number(self, name: str) -> float:
        """One of the probe's numbers."""
        return float(self.found[name])

    def values(self, stage: str) -> list[list[float]]:
        """The shown values at a stage: a row for each image, a column for each position."""
        values: list[list[float]] = self.found["values"][stage]
        return values

    @property
    def deviation(self) -> float:
        """What the centred values are divided by: √(σ² + ε)."""
        return math.sqrt(self.number("variance") + self.number("eps"))

    @cached_property
    def followed(self) -> tuple[int, int]:
        """Image and position of the value that is worked out: where most gradient arrives."""
        arriving = self.values("arriving")
        places = [(i, j) for i, row in enumerate(arriving) for j in range(len(row))]
        return max(places, key=lambda place: abs(arriving[place[0]][place[1]]))

    def at(self, stage: str) -> float:
        """The followed value at a stage."""
        image, position = self.followed
        return self.values(stage)[image][position]
