"""Which of the user's files a function depends on, read from their imports; nothing is run."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from normkit.user_code import UserCodeError, split

_INSTALLED = {"site-packages", "dist-packages"}


def digest(*specs: str) -> str:
    """A digest of the files that define these functions, and of those beside them they import.

    "Beside" is the folder that the file is in, or that the package is in. What comes from
    elsewhere, installed packages say, is not read, nor what is imported under a name made at run
    time.

    Raises:
        UserCodeError: a spec names no file or module.

    >>> digest("normkit.user_code:split") == digest("normkit.user_code:load")
    True
    """
    importlib.invalidate_caches()
    found = hashlib.sha256()
    for spec in specs:
        for name, file in files(spec).items():
            found.update(f"{name} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:20]


def is_there(spec: str) -> bool:
    """Whether the file or module that a spec names is there.

    >>> is_there("normkit.user_code:split"), is_there("normkit.no_such:split")
    (True, False)
    """
    home, _ = split(spec)
    if home.endswith(".py"):
        return Path(home).is_file()
    importlib.invalidate_caches()
    return _find(home, [str(Path.cwd()), *sys.path]) is not None


def files(spec: str) -> dict[str, Path]:
    """The user's files that a function depends on, by the names of their modules, in order.

    Raises:
        UserCodeError: a spec names no file or module.
    """
    home, _ = split(spec)
    if home.endswith(".py"):
        path = Path(home)
        if not path.is_file():
            raise UserCodeError(f"{path} is not a file: check the path, from {Path.cwd()}")
        start, root = {path.stem: path.resolve()}, path.resolve().parent
    else:
        found = _find(home, [str(Path.cwd()), *sys.path])
        if found is None:
            raise UserCodeError(
                f"{home} is not a module that can be imported from {Path.cwd()}: run from the "
                "folder that holds it, or name its file as path/to/file.py:name"
            )
        start, root = found
    known = dict(start)
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        for imported in _imports(name, known[name]):
            if _INSTALLED & set(root.parts) and imported.split(".")[0] != home.split(".")[0]:
                continue
            for new, file in (_find(imported, [str(root)]) or ({}, root))[0].items():
                if new not in known:
                    known[new] = file
                    waiting.append(new)
    return dict(sorted(known.items()))


def _find(home: str, path: list[str]) -> tuple[dict[str, Path], Path] | None:
    """The files of a module and of the packages around it, and the folder that holds them all."""
    found: dict[str, Path] = {}
    root: Path | None = None
    search: list[str] = path
    parts = home.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = PathFinder.find_spec(name, search)
        if spec is None:
            return None
        if root is None:
            root = _folder(spec)
        if spec.origin and spec.origin.endswith(".py"):
            found[name] = Path(spec.origin).resolve()
        search = list(spec.submodule_search_locations or [])
    return (found, root) if root is not None else None


def _folder(spec: ModuleSpec) -> Path | None:
    """The folder that a top module or package lies in."""
    for location in spec.submodule_search_locations or []:
        return Path(location).resolve().parent
    return Path(spec.origin).resolve().parent if spec.has_location and spec.origin else None


def _imports(name: str, file: Path) -> Iterator[str]:
    """Names that a module imports and that may be modules; a name in a module is tried as one."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # Running it will tell.
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield from _prefixes(base)
            for alias in node.names:
                yield f"{base}.{alias.name}" if base else alias.name


def _prefixes(name: str) -> Iterator[str]:
    """A module and the packages around it, since importing it runs them all."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        yield ".".join(parts[:depth])
