"""The user's own functions, named by a spec: found, loaded and digested without unpickling.

A spec is `package.module:name` or `path/to/file.py:name`. It runs the user's code as Python itself
would run a module or a file: with the current folder, or the file's, on the path.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

_FORM = re.compile(
    r"(?P<home>.+\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)"
)

FORMS = "package.module:name or path/to/file.py:name"

_NORMKIT = Path(__file__).parent

_LIBRARIES = [
    folder
    for file in (Path(os.__file__), Path(__file__))
    for folder in {file.parent, file.resolve().parent}
]

_loading = 0


class UserCodeError(ValueError):
    """The user's own code cannot be found or loaded, or does not give what it should."""


def is_spec(text: str) -> bool:
    """Whether a text has the form of a spec.

    >>> is_spec("nets.mine:make"), is_spec("nets/mine.py:make"), is_spec("plain")
    (True, True, False)
    """
    return _FORM.fullmatch(text) is not None


def split(spec: str) -> tuple[str, str]:
    """The module or file that a spec names, and what it names in there.

    Raises:
        UserCodeError: the text has not the form of a spec.

    >>> split("nets/mine.py:make")
    ('nets/mine.py', 'make')
    """
    found = _FORM.fullmatch(spec)
    if found is None:
        raise UserCodeError(f"a function of your own is named as {FORMS}; got {spec!r}")
    return found["home"], found["name"]


def short(spec: str) -> str:
    """A spec without the folders that the file lies in, for a title.

    >>> short("nets/mine.py:make"), short("nets.mine:make")
    ('mine.py:make', 'nets.mine:make')
    """
    home, name = split(spec)
    return f"{Path(home).name}:{name}"


def spec_of(function: Callable[..., Any]) -> str:
    """The spec by which another process finds a function or class again.

    Raises:
        UserCodeError: it cannot be found by name: a lambda, a closure, an object that is called,
            or a function typed into a prompt.

    >>> spec_of(split)
    'normkit.user_code:split'
    >>> spec_of(lambda: None)
    Traceback (most recent call last):
        ...
    normkit.user_code.UserCodeError: worker processes find a function by its name in a file; got \
a lambda or a function within a function: define it with `def` at the top level of a file
    """
    rule = "worker processes find a function by its name in a file; got"
    name = getattr(function, "__qualname__", None)
    home = getattr(function, "__module__", None)
    if not isinstance(name, str) or not isinstance(home, str):
        raise UserCodeError(
            f"{rule} {type(function).__name__!r}, an object without one: define a function with "
            "`def` at the top level of a file that makes and returns what it should"
        )
    if "<" in name:
        raise UserCodeError(
            f"{rule} a lambda or a function within a function: define it with `def` at the top "
            "level of a file"
        )
    module = sys.modules.get(home)
    if module is None or _attribute(module, name) != function:
        raise UserCodeError(
            f"{rule} {name!r}, which is not what {home} has under that name: give it a name of "
            "its own at the top level of a file"
        )
    if home != "__main__":
        return f"{home}:{name}"
    if module.__spec__ is not None:
        return f"{module.__spec__.name}:{name}"
    file = getattr(module, "__file__", None)
    if not file or not Path(file).is_file():
        raise UserCodeError(f"{rule} {name!r}, typed into a prompt: put it into a file")
    path = Path(file).resolve()
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{name}"


def load(spec: str) -> Callable[..., Any]:
    """The function or class that a spec names; its file is run once, and again once it changed.

    Raises:
        UserCodeError: there is no such file, module or name, it raises when it is run, or what it
            names cannot be called.

    >>> load("normkit.user_code:split").__name__
    'split'
    """
    home, name = split(spec)
    with _told_as_loading():
        module = _file_module(Path(home)) if home.endswith(".py") else _module(home)
    found = _attribute(module, name)
    if found is None:
        close = difflib.get_close_matches(name, vars(module), n=1)
        hint = f"; did you mean {home}:{close[0]}?" if close else ""
        raise UserCodeError(f"{spec} names a function; {home} has no {name!r}{hint}")
    if not callable(found):
        raise UserCodeError(
            f"{spec} must name a function or a class; it is a {type(found).__name__}: "
            "write a function that returns it"
        )
    return found  # type: ignore[no-any-return]


def refuse_while_loading(what: str) -> None:
    """Raises where a file starts again, when loaded, what it was loaded for.

    Raises:
        UserCodeError: the file of a factory is being loaded.
    """
    if _loading:
        raise UserCodeError(
            f"a file must define its functions without starting {what} when it is loaded: put the "
            'call under `if __name__ == "__main__":`'
        )


@contextmanager
def path_restored() -> Iterator[None]:
    """Import in the block as from the user's folder, and leave Python's path as it was."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


def raised(error: BaseException) -> str:
    """What the user's code raised, in one line: the error and the line of theirs it came from.

    >>> try:
    ...     split("nothing")
    ... except UserCodeError as error:
    ...     print(raised(error).split(":")[0])
    UserCodeError
    """
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if message else ''}{message}{_place(error)}"


def _place(error: BaseException) -> str:
    """Where the user's own code was last, not where in a library it ended.

    An error that none of it is under was raised by a library for normkit: told is normkit's line.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_library(Path(frame.filename))]
    if own:
        return f" ({Path(own[-1].filename).name}:{own[-1].lineno})"
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_NORMKIT)]
    # A file that Python cannot read has no frame, and its place is in the message.
    if isinstance(error, SyntaxError) or not ours:
        return ""
    return f" ({Path(ours[-1].filename).relative_to(_NORMKIT.parent).as_posix()}:{ours[-1].lineno})"


@contextmanager
def _told_as_loading() -> Iterator[None]:
    global _loading
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1


def _attribute(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def path_with(folder: Path) -> list[str]:
    """Python's path as it is when a module in a folder is loaded."""
    return sys.path if str(folder) in sys.path else [str(folder), *sys.path]


def _on_path(folder: Path) -> None:
    sys.path[:] = path_with(folder)


def _module(home: str) -> ModuleType:
    _on_path(Path.cwd())
    importlib.invalidate_caches()
    try:
        return importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name and (home == error.name or home.startswith(f"{error.name}.")):
            raise UserCodeError(
                f"{home} is not a module that can be imported from {Path.cwd()}: run from the "
                "folder that holds it, or name its file as path/to/file.py:name"
            ) from error
        raise UserCodeError(f"{home} could not be imported: {raised(error)}") from error
    except UserCodeError:
        raise
    except (Exception, SystemExit) as error:
        raise UserCodeError(f"{home} could not be imported: {raised(error)}") from error


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserCodeError(f"{path} is not a file: check the path, from {Path.cwd()}")
    path = path.resolve()
    main = sys.modules.get("__main__")
    if main is not None and getattr(main, "__file__", None):
        with_main = Path(str(main.__file__))
        if with_main.is_file() and with_main.samefile(path):
            return main
    return _run_file(path, path.read_bytes())


@functools.cache
def _run_file(path: Path, content: bytes) -> ModuleType:
    """Run a file as a module; one that was changed since is another."""
    _on_path(path.parent)
    key = hashlib.sha256(f"{path} ".encode() + content).hexdigest()[:8]
    name = f"_normkit_{key}_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    # Known by its name while it runs, as a dataclass in it needs.
    sys.modules[name] = module
    try:
        # What was read, whatever the file holds by now, and no bytecode of an earlier one.
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except UserCodeError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserCodeError(f"{path.name} could not be run: {raised(error)}") from error
    return module


def is_library(path: Path) -> bool:
    """Whether a file or folder is Python's, normkit's or an installed package's, not the user's."""
    if {"site-packages", "dist-packages"} & set(path.parts) or path.name.startswith("<"):
        return True
    return any(path.is_relative_to(folder) for folder in _LIBRARIES)
