"""What a surgery did, site by site, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from normkit.surgery.journal import Journal
from normkit.surgery.table import text_table


@dataclass(frozen=True)
class Site:
    """One place in a model.

    Attributes:
        name: of the layer in the model.
        layer: its class before.
        done: what was done; None where it was left as it was.
        refused: why it was left as it was, or what could not be done of it; None otherwise.
        difference: the largest difference of its output on the example from what it was before,
            relative to the largest value of that; None where there is none to tell.
    """

    name: str
    layer: str
    done: str | None = None
    refused: str | None = None
    difference: float | None = None

    def with_difference(self, difference: float | None) -> Site:
        """The same, with its difference told."""
        return replace(self, difference=difference)


class Surgery:
    """What a verb did to a model; printed, a table.

    Attributes:
        verb: the name of the function.
        sites: the places that it looked at, in the order of the model's calls.
        difference: the largest difference of the model's output on the example from what it was
            before, relative to the largest value of that; None where it was not called.
    """

    def __init__(
        self,
        verb: str,
        sites: Sequence[Site],
        journal: Journal,
        difference: float | None = None,
    ) -> None:
        self.verb = verb
        self.sites = tuple(sites)
        self.difference = difference
        self._journal = journal

    @property
    def done(self) -> tuple[Site, ...]:
        """The sites at which something was done."""
        return tuple(site for site in self.sites if site.done is not None)

    @property
    def refused(self) -> tuple[Site, ...]:
        """The sites that were left as they were."""
        return tuple(site for site in self.sites if site.done is None)

    def undo(self) -> None:
        """Takes the surgery back.

        Surgeries that came after it and changed layers of any part of the model are undone with
        it, since the model of before had none of them.

        Raises:
            RuntimeError: it was undone already; or something else, such as a parametrization, has
                changed the class of one of its layers since.
        """
        if self._journal.is_undone:
            raise RuntimeError(
                f"this {self.verb} was undone already, by itself or with one before it. Nothing "
                "was changed."
            )
        self._journal.undo()

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    def __str__(self) -> str:
        rows = [
            (
                site.name,
                site.layer,
                site.done or "left as it was",
                "" if site.difference is None else f"{site.difference:.1e}",
                site.refused or "",
            )
            for site in self.sites
        ]
        table = text_table(("site", "layer", "done", "difference", "why not"), rows)
        told = "" if self.difference is None else f"; the output differs by {self.difference:.1e}"
        return f"{table}\n{self.verb}: {len(self.done)} of {len(self.sites)} sites{told}"

    def __repr__(self) -> str:
        return f"<Surgery {self.verb}: {len(self.done)} of {len(self.sites)} sites>"


Where = Callable[[str, torch.nn.Module], bool]
"""Chooses sites by the name and the layer."""
