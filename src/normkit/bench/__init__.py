"""How long layers take on this machine: PyTorch's, compiled or not, normkit's, and the floor.

A `Bench` is run by going through its events; what it has measured so far is its `document`, of
which `table.text` and `chart.svg` make something to look at.
"""

from __future__ import annotations

from normkit.bench.cases import Case, Settings
from normkit.bench.events import Event
from normkit.bench.run import Bench

__all__ = ["Bench", "Case", "Event", "Settings"]
