"""The contract: what every layer must do, item by item.

A plug-in's tests are

    import pytest
    from normkit.testing import Problem, cases

    MINE = Problem("mine", MyNorm2d, my_reference)

    @pytest.mark.parametrize("case", cases(MINE), ids=str)
    def test_contract(case):
        case.check()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch

from normkit.functional.names import unknown_name
from normkit.testing.problem import Problem

SEED = 0


@dataclass(frozen=True)
class Item:
    """One thing that every layer must do.

    Attributes:
        name: its key in `CONTRACT`.
        title: what holds where it holds.
        check: raises unless a problem's layer does it.
        reason: why it cannot apply to a problem's layer, or None where it can.
    """

    name: str
    title: str
    check: Callable[[Problem], None]
    reason: Callable[[Problem], str | None] = lambda problem: None


@dataclass(frozen=True)
class Case:
    """One item tried on one problem."""

    problem: Problem
    item: Item

    def __str__(self) -> str:
        return f"{self.problem.id}-{self.item.name}"

    @property
    def stated(self) -> str | None:
        """Why the problem says that the item does not apply; it must then fail."""
        return self.problem.not_applicable.get(self.item.name)

    @property
    def reason(self) -> str | None:
        """Why the item does not apply; None where it holds."""
        return self.item.reason(self.problem) if self.stated is None else self.stated

    def check(self) -> None:
        """Raises AssertionError, or what the layer raises, unless the item holds.

        Where the problem states that it does not apply, it must not hold. torch's random state is
        set from a fixed seed, and put back.
        """
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            if self.stated is None:
                self.item.check(self.problem)
                return
            try:
                self.item.check(self.problem)
            except (ImportError, NameError):
                raise  # Nothing was tried.
            except Exception:
                return
        raise AssertionError(
            f"{self.problem.id} states that {self.item.name!r} does not apply, and it holds: take "
            "it out of not_applicable."
        )


def contract() -> Mapping[str, Item]:
    """All items by name, read-only, in the order in which they are best tried.

    >>> list(contract())[:3]
    ['values', 'derivatives', 'invariants']
    """
    from normkit.testing.items import ITEMS

    return MappingProxyType({item.name: item for item in ITEMS})


def cases(*problems: Problem, items: Sequence[str] | None = None) -> list[Case]:
    """Every item of the contract, or those named, to be tried on every problem.

    What cannot apply as the problem stands, such as the memory format of features without
    positions, is left out; what the problem states not to apply is in, and must fail.

    Raises:
        ValueError: an unknown item, in `items` or in what a problem states as not applicable.

    >>> from normkit.testing import problems
    >>> [str(case) for case in cases(*problems("batch")[:1], items=["values", "onnx"])]
    ['batch-features-values', 'batch-features-onnx']
    """
    known = contract()
    stated = [name for problem in problems for name in problem.not_applicable]
    for name in [*(items or ()), *stated]:
        if name not in known:
            raise ValueError(unknown_name("item of the contract", name, known))
    chosen = known if items is None else items
    every = [Case(problem, known[name]) for problem in problems for name in chosen]
    return [case for case in every if case.stated is not None or case.reason is None]
