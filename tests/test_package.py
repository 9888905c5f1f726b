"""What `import normkit` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import normkit as nk

HEAVY = ["scipy", "sklearn", "matplotlib", "typer", "rich", "jinja2", "PIL", "psutil"]


def test_the_import_and_the_layers_load_torch_and_nothing_heavier() -> None:
    program = (
        "import normkit as nk, sys; nk.make('batch', 4); nk.functional.batch_norm; "
        f"print('torch' in sys.modules, [n for n in {HEAVY} if n in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True []\n"


@pytest.mark.parametrize("name", nk.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(nk, name) is not None
    assert name in dir(nk)


@pytest.mark.parametrize(
    "name", ["StoreError", "Study", "StudyComparison", "StudyResult", "WorkerError"]
)
def test_every_public_name_of_the_study_resolves(name: str) -> None:
    import normkit.study

    assert getattr(normkit.study, name).__name__ == name
    assert name in dir(normkit.study)


def test_an_unknown_name_tells_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Stduy'; it has Study, StudyResult,"):
        nk.Stduy  # noqa: B018


def test_an_unknown_name_of_the_study_tells_what_there_is() -> None:
    import normkit.study

    with pytest.raises(AttributeError, match=r"no attribute 'Stduy'; it has StoreError, Study,"):
        normkit.study.Stduy  # noqa: B018
