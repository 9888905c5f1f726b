"""The pages of the methods and the table of the contract, from the code.

Everything in them is read from the catalogue, the layers' docstrings and the contract's problems,
so that nothing can drift.
"""

from __future__ import annotations

import inspect
import re

from normkit.nn.catalogue import catalogue
from normkit.nn.method import Method
from normkit.testing import Case, contract, problems

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
    if len(names) > 1:
        told += "\n\nOn one or two more axes of positions the classes in 2d and 3d do the same."
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
        rows.append(f"| `{name}` | {item.title} | {told(method.name, name)} |")
    return "| item | what | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def told(method: str, item: str) -> str:
    """What is known of an item for a method: that it holds, how far, or why not."""
    known = contract()[item]
    # Features have no positions, so that little can be seen on them.
    on_maps = [problem for problem in problems(method) if len(problem.shape) > 2]
    reasons = {p.id: Case(p, known).reason for p in on_maps}
    partly = [p.partly[item] for p in problems(method) if item in p.partly]
    missing = list(dict.fromkeys(reason for reason in reasons.values() if reason is not None))
    if all(reason is not None for reason in reasons.values()):
        return "not applicable: " + "; ".join(missing)
    limits = dict.fromkeys([*missing, *partly])
    return "holds" + (" but: " + "; ".join(limits) if limits else "")


def contract_table() -> str:
    """Method × item, and the reasons of what does not apply, or not in full."""
    names = list(contract())
    notes: dict[str, int] = {}
    lines = [
        "| method | " + " | ".join(f"`{name}`" for name in names) + " |",
        "| --- |" + " :-: |" * len(names),
    ]
    for method in catalogue():
        cells = []
        for name in names:
            found = told(method, name)
            word, _, reason = found.partition(": ")
            mark = HOLDS if word.startswith("holds") else NOT_APPLICABLE
            number = notes.setdefault(reason, len(notes) + 1) if reason else None
            cells.append(mark if number is None else f"{mark} ({number})")
        lines.append(f"| [`{method}`](methods/{method}.md) | " + " | ".join(cells) + " |")
    reasons = "\n".join(f"{number}. {reason}." for reason, number in notes.items())
    legend = (
        f"\n\n{HOLDS}: holds. {NOT_APPLICABLE}: does not apply. With a number: why, or how far.\n\n"
    )
    return "\n".join(lines) + legend + reasons + "\n"


def item_table() -> str:
    """What each item of the contract asks."""
    rows = [f"| `{name}` | {item.title} |" for name, item in contract().items()]
    return "| item | what holds |\n| --- | --- |\n" + "\n".join(rows) + "\n"
