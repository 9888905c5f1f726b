"""The contract that every layer of normkit keeps, for layers of your own too.

See `normkit.testing.contract` for how a plug-in is tested. The items need the extra `testing`:
`pip install normkit[testing]`.
"""

from __future__ import annotations

from importlib import import_module

from normkit.functional.names import unknown_name
from normkit.nn.catalogue import catalogue
from normkit.testing.contract import Case, Item, cases, contract
from normkit.testing.problem import Problem

__all__ = ["Case", "Item", "Problem", "cases", "contract", "problems"]


def problems(*names: str) -> list[Problem]:
    """The problems of the methods of that name, or of the whole catalogue.

    Raises:
        ValueError: a name that is not in the catalogue.

    >>> [problem.id for problem in problems("batch")]
    ['batch-features', 'batch-1d', 'batch-2d', 'batch-3d']
    """
    known = catalogue()
    for name in names:
        if name not in known:
            raise ValueError(unknown_name("method", name, known))
    return [
        problem
        for name in names or known
        for problem in import_module(f"normkit.testing.methods.{name}").PROBLEMS
    ]
