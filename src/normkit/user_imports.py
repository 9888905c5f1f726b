"""Which of the user's files a function depends on, read from their imports; nothing is run."""

from __future__ import annotations

import ast
import hashlib
import importlib
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from normkit.user_code import UserCodeError, is_library, path_with, split

File = tuple[str, Path]
"""A module's name, and the file that it is in."""


def digest(*specs: str) -> str:
    """A digest of the files that define these functions, and of the user's that they import.

    They are searched where Python would find them. What is Python's own or an installed package's
    is not read, nor what is imported under a name made at run time.

    Raises:
        UserCodeError: a spec names no file or module.

    >>> digest("normkit.user_code:split") == digest("normkit.user_code:load")
    True
    """
    return digest_of(listed(*specs))


def listed(*specs: str) -> list[File]:
    """The files that `digest` reads, in its order.

    Raises:
        UserCodeError: a spec names no file or module.
    """
    importlib.invalidate_caches()
    return [file for spec in specs for file in files(spec).items()]


def digest_of(found: Sequence[File]) -> str:
    """The digest of files as they are now, by the names of their modules and their content."""
    total = hashlib.sha256()
    for name, file in found:
        content = file.read_bytes() if file.is_file() else b"gone"
        total.update(f"{name} ".encode() + hashlib.sha256(content).digest())
    return total.hexdigest()[:20]


def states(found: Sequence[File]) -> list[object]:
    """What changes whenever one of the files is written or replaced, without reading any."""
    return [_state(file) for _, file in found]


def _state(file: Path) -> object:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def is_there(spec: str) -> bool:
    """Whether the file or module that a spec names is there.

    >>> is_there("normkit.user_code:split"), is_there("normkit.no_such:split")
    (True, False)
    """
    home, _ = split(spec)
    if home.endswith(".py"):
        return Path(home).is_file()
    importlib.invalidate_caches()
    return _find(home, path_with(Path.cwd())) is not None


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
        start, search = {path.stem: path.resolve()}, path_with(path.resolve().parent)
    else:
        search = path_with(Path.cwd())
        found = _find(home, search)
        if found is None:
            raise UserCodeError(
                f"{home} is not a module that can be imported from {Path.cwd()}: run from the "
                "folder that holds it, or name its file as path/to/file.py:name"
            )
        start = found
    # An installed package is followed within itself alone.
    installed = all(is_library(file) for file in start.values())
    search = [entry for entry in search if installed or not is_library(Path(entry))]
    known = dict(start)
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        for imported in _imports(name, known[name]):
            if installed and imported.split(".")[0] != home.split(".")[0]:
                continue
            for new, file in (_find(imported, search) or {}).items():
                if new not in known and (installed or not is_library(file)):
                    known[new] = file
                    waiting.append(new)
    return dict(sorted(known.items()))


def _find(home: str, path: list[str]) -> dict[str, Path] | None:
    """The files of a module and of the packages around it; None where there is no such module."""
    found: dict[str, Path] = {}
    search: list[str] = path
    parts = home.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = PathFinder.find_spec(name, search)
        if spec is None:
            return None
        # Not what lies in an archive, which has no file of its own.
        if spec.origin and spec.origin.endswith(".py") and Path(spec.origin).is_file():
            found[name] = Path(spec.origin).resolve()
        search = list(spec.submodule_search_locations or [])
    return found


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
