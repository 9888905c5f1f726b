"""The loops of csrc under sanitizers: no access outside, no race, and the right numbers.

tests/csrc/main.cpp runs each of them and compares with the formulas. Whatever they write to holds
NaN before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.kernels.interpreter import not_in_interpreter

pytestmark = not_in_interpreter("it is about the kernels for the CPU")

ROOT = Path(__file__).parents[2]
FLAGS = ["-std=c++20", "-O1", "-g1", "-fopenmp-simd", "-Wno-psabi", f"-I{ROOT / 'csrc'}"]
MACROS = ["-DNORMKIT_ONE_TARGET", "-DNORMKIT_POISON_SCRATCH"]
SANITIZERS = {
    # What takes longest to compile is left out: AddressSanitizer sees it too, or the other build.
    "address": ["-fsanitize=address,undefined", "-fno-sanitize=null,object-size,alignment"],
    "thread": ["-fsanitize=thread,alignment"],
}
TRIVIAL = "#include <thread>\nint main() { std::thread([] {}).join(); }\n"

Outcome = subprocess.CompletedProcess[str] | str
"""How the program ended, or why there is none."""


def attempt(sanitizer: str, folder: Path) -> Outcome:
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if compiler is None:
        return "there is no C++ compiler here: no g++ on the path, no CXX in the environment"
    build = [compiler, *FLAGS, *SANITIZERS[sanitizer]]
    trivial = folder / "trivial"
    trivial.with_suffix(".cpp").write_text(TRIVIAL)
    try:
        run([*build, trivial.with_suffix(".cpp"), "-o", trivial])
        start = way_to_start(trivial)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or error
        return f"no program with the {sanitizer} sanitizer runs here: {told}"
    loops = folder / "loops"
    try:
        run([*build, *MACROS, ROOT / "tests" / "csrc" / "main.cpp", "-o", loops])
    except subprocess.CalledProcessError as error:
        raise AssertionError(error.stderr) from None
    return subprocess.run([*start, loops], capture_output=True, text=True)


def way_to_start(program: Path) -> list[str]:
    """As it is; or at addresses that are not random, which some ThreadSanitizers need."""
    try:
        run([program])
    except subprocess.CalledProcessError:
        run(["setarch", "-R", program])
        return ["setarch", "-R"]
    return []


def run(command: list[str | Path]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.fixture
def needs_kernels() -> None:
    """The loops are built here."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Outcome]]]:
    """Of all sanitizers, which are built and run side by side."""
    with ThreadPoolExecutor() as threads:
        yield {
            name: threads.submit(attempt, name, tmp_path_factory.mktemp(name))
            for name in SANITIZERS
        }


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_the_loops_compute_the_formulas_and_nothing_is_reported(
    sanitizer: str, outcomes: dict[str, Future[Outcome]]
) -> None:
    outcome = outcomes[sanitizer].result()
    if isinstance(outcome, str):
        pytest.skip(outcome)
    assert outcome.stderr == ""
    assert outcome.returncode == 0
    assert outcome.stdout.endswith(" calls\n")
