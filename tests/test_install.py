"""What is installed: kernels where there is a compiler, and layers that work where there is none.

Everything is built in a copy of the source tree, offline, from what the environment has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ["src", "csrc", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"]
OFFLINE = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet"]

PROGRAM = """
import torch, normkit as nk
x = torch.randn(4, 6, 5, 3, requires_grad=True)
layer = nk.nn.BatchNorm2d(6, act="relu")
y = layer(x, residual=x)
y.sum().backward()
with nk.kernels.disabled():
    print(torch.allclose(nk.nn.BatchNorm2d(6, act="relu")(x, residual=x), y, atol=1e-5))
print(nk.__file__)
print(nk.explain(layer, x))
"""

FOR_ONE_GENERATION = """#!/bin/sh
case " $* " in
  *NORMKIT_ONE_TARGET*) ;;
  *" -c "*) echo "a function for several targets is not known here" >&2; exit 1 ;;
esac
exec {compiler} "$@" -O0
"""
"""A compiler that builds quickly, and not for several generations of a processor at once."""

pytestmark = pytest.mark.skipif(
    find_spec("pip") is None or find_spec("setuptools") is None,
    reason="pip and setuptools are not in this environment",
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints; raises AssertionError with all that it told if it fails."""
    ran = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def pip(*arguments: str | Path, cwd: Path, **environment: str) -> None:
    run(sys.executable, "-m", "pip", *arguments, *OFFLINE, cwd=cwd, **environment)


def tells(target: Path) -> list[str]:
    """What a program prints that has normkit from there."""
    told = run(sys.executable, "-c", PROGRAM, cwd=target.parent, PYTHONPATH=os.fspath(target))
    return told.splitlines()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source tree as it is before anything is built."""
    return copied(tmp_path / "tree")


def copied(to: Path) -> Path:
    left_out = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
    to.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, to / part, ignore=left_out)
        else:
            shutil.copy(ROOT / part, to)
    return to


def test_without_a_compiler_it_installs_and_the_layers_run_the_formulas(
    tree: Path, tmp_path: Path
) -> None:
    nowhere, target = os.fspath(tmp_path / "no-such-compiler"), tmp_path / "target"
    pip("install", "--target", target, tree, cwd=tmp_path, CC=nowhere, CXX=nowhere)
    assert not list(target.rglob("*.so"))
    agrees, file, explained = tells(target)
    assert agrees == "True"
    assert Path(file).is_relative_to(target)
    assert explained.startswith(
        "batch_norm: the plain formula, since normkit was installed without its kernels for the CPU"
    )


def test_without_a_compiler_it_can_be_installed_to_be_edited(tree: Path, tmp_path: Path) -> None:
    nowhere = os.fspath(tmp_path / "no-such-compiler")
    built = run(
        *(sys.executable, "setup.py", "build_ext", "--inplace"), cwd=tree, CC=nowhere, CXX=nowhere
    )
    assert "copying" not in built
    assert not list(tree.rglob("*.so"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the sources."""
    folder = tmp_path_factory.mktemp("sdist")
    program = "from setuptools.build_meta import build_sdist; import sys; build_sdist(sys.argv[1])"
    run(sys.executable, "-W", "ignore", "-c", program, folder, cwd=copied(folder / "tree"))
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built of the archive, by a compiler that does not optimise: that takes long."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler here: no g++ on the path, no CXX in the environment")
    folder = tmp_path_factory.mktemp("wheel")
    quick = folder / "quick-compiler"
    quick.write_text(FOR_ONE_GENERATION.format(compiler=compiler))
    quick.chmod(0o755)
    pip("wheel", "--wheel-dir", folder, sdist, cwd=folder, CXX=os.fspath(quick))
    (built,) = folder.glob("*.whl")
    return built


def test_the_archive_of_the_sources_holds_those_of_the_kernels(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        os.fspath(path.relative_to(ROOT))
        for pattern in ("*.cpp", "*.h")
        for path in (ROOT / "csrc").rglob(pattern)
    }
    assert sources <= names
    assert not [name for name in names if name.endswith(".so")]


def test_a_wheel_is_for_every_later_python_and_holds_the_kernels(wheel: Path) -> None:
    _, _, python, abi, platform = wheel.stem.split("-")
    assert (python, abi) == ("cp311", "abi3")
    assert platform != "any"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "normkit/kernels/_cpu.abi3.so" in names
    assert "normkit/py.typed" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"normkit"}


def test_a_wheel_needs_no_source_tree(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip("install", "--target", target, wheel, cwd=tmp_path)
    agrees, file, explained = tells(target)
    assert agrees == "True"
    assert Path(file).is_relative_to(target)
    assert explained == (
        "batch_norm: a kernel for the CPU, norm + relu in one pass over contiguous float32"
    )
