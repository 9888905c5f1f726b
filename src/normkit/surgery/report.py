"""What is told of the sites of a verb, collected while it works."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from normkit.surgery.comparison import difference_at
from normkit.surgery.passes import Outputs
from normkit.surgery.sites import Names, class_name
from normkit.surgery.surgery import Site


class Report:
    """Of layers that a verb looks at: what they were, and what it did or why it did not.

    Args:
        layers: in the order of the table.
        names: of them.
    """

    def __init__(self, layers: Iterable[torch.nn.Module], names: Names) -> None:
        self.names = names
        self.classes = {layer: class_name(layer) for layer in layers}
        self.done: dict[torch.nn.Module, str] = {}
        self.refused: dict[torch.nn.Module, str] = {}

    def sites(self, after: Outputs, before: Outputs) -> list[Site]:
        """The table's rows, with how far each layer's output moved from one pass to the other."""
        return [
            Site(
                self.names[layer],
                cls,
                self.done.get(layer),
                self.refused.get(layer),
                difference_at(layer, after, before) if layer in self.done else None,
            )
            for layer, cls in self.classes.items()
        ]
