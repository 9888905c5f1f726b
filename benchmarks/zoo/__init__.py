"""Real architectures, small and at random, for what has to work on any model.

>>> from zoo import ZOO
>>> entry = ZOO["resnet_basic"]
>>> y = entry.output(entry.make()(entry.example()))
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from zoo.entry import Entry
from zoo.lived import lived
from zoo.monai import ENTRIES as MONAI
from zoo.plain import ENTRIES as PLAIN
from zoo.transformers import ENTRIES as TRANSFORMERS

__all__ = ["ZOO", "Entry", "lived"]

ZOO: Mapping[str, Entry] = MappingProxyType(
    {entry.name: entry for entry in [*PLAIN, *MONAI, *TRANSFORMERS]}
)
"""Name → entry."""
