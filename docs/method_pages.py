"""The pages of the methods and the table of the contract, from the code.

Everything in them is read from the catalogue, the layers' docstrings and the contract's problems,
so that nothing can drift.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from normkit.nn.catalogue import catalogue
from normkit.nn.method import Method
from normkit.testing import Case, cases, contract, problems

HOLDS, NOT_APPLICABLE = "✓", "–"


def page(method: Method) -> str:
    """The page of one method."""
    first = next(iter(method.layers.values()))
    told = _docstring(first)
    names = list(dict.fromkeys(layer.__name__ for layer in method.layers.values()))
    facts = {
        "key": f"`{method.name}`",
        "layers": ", ".join(f"`nk.nn.{name}`" for name in names),
        "normalises over": method.axes,
        "needs": method.needs,
        "when to use it": method.when,
        "`state_dict`": ", ".join(f"`{key}`" for key in method.state_dict) or "–",
        "paper": f"{method.paper}, {method.year}" if method.paper else "–",
    }
    rows = "".join(f"| {name} | {value} |\n" for name, value in facts.items())
    return (
        f"# {method.title[0].upper()}{method.title[1:]}\n\n"
        f"{told}\n\n"
        f"| | |\n| --- | --- |\n{rows}\n"
        f"## Options\n\n{_options(method)}\n"
        f"## The contract\n\n{_items(method)}\n"
        "[All methods](../catalogue.md) · [the contract](../contract.md)\n"
    )


def _docstring(layer: object) -> str:
    """What a class says before its arguments."""
    text = inspect.getdoc(layer) or ""
    before = re.split(r"\n\n(?:Args|Attributes|Raises|>>>|Paper)", text)[0]
    return before.replace("`normkit.", "`nk.")


def _options(method: Method) -> str:
    taken = inspect.signature(method.layers[2]).parameters
    shown = [name for name in (method.affine, "act", *method.options) if name in taken]
    if not shown:
        return "None.\n"
    documented = _arguments(method)
    rows = []
    for name in shown:
        default = taken[name].default
        value = "–" if default is inspect.Parameter.empty else f"`{default!r}`"
        rows.append(f"| `{name}` | {value} | {documented.get(name, '')} |")
    return "| option | default | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _arguments(method: Method) -> dict[str, str]:
    """What the docstrings say of the arguments."""
    text = inspect.getdoc(next(iter(method.layers.values()))) or ""
    section = re.search(r"\nArgs:\n(.*?)(?:\n\n|\Z)", text, re.S)
    if section is None:
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in section[1].splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name:
            found[name] += " " + line.strip()
    return found


def _items(method: Method) -> str:
    rows = []
    for name, item in contract().items():
        reason = _reason(cases(*problems(method.name), items=[name]))
        rows.append(f"| `{name}` | {item.title} | {reason or 'holds'} |")
    return "| item | what | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _reason(of_all: Iterable[Case]) -> str | None:
    """Why an item applies to none of a method's problems; None where it holds for some."""
    reasons = [case.reason for case in of_all]
    if any(reason is None for reason in reasons):
        return None
    return "not applicable: " + "; ".join(dict.fromkeys(str(reason) for reason in reasons))


def contract_table() -> str:
    """Method × item, and the reasons of what does not apply."""
    names = list(contract())
    notes: dict[str, int] = {}
    lines = [
        "| method | " + " | ".join(f"`{name}`" for name in names) + " |",
        "| --- |" + " :-: |" * len(names),
    ]
    for method in catalogue():
        cells = []
        for name in names:
            reason = _reason(cases(*problems(method), items=[name]))
            if reason is None:
                cells.append(HOLDS)
            else:
                told = reason.removeprefix("not applicable: ")
                number = notes.setdefault(told, len(notes) + 1)
                cells.append(f"{NOT_APPLICABLE} ({number})")
        lines.append(f"| [`{method}`](methods/{method}.md) | " + " | ".join(cells) + " |")
    told = "\n".join(f"{number}. {reason}." for reason, number in notes.items())
    return "\n".join(lines) + "\n\nNot applicable, because it:\n\n" + told + "\n"


def item_table() -> str:
    """What each item of the contract asks."""
    rows = [f"| `{name}` | {item.title} |" for name, item in contract().items()]
    return "| item | what holds |\n| --- | --- |\n" + "\n".join(rows) + "\n"
