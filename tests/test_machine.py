"""The machine that a study or a bench runs on, as a report names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from normkit import machine


def linux_tells(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_: text)


def test_there_is_a_processor() -> None:
    assert machine.processors() >= 1


def test_a_processor_has_the_name_that_linux_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    linux_tells(monkeypatch, "model\t\t: 85\nmodel name\t: Fast: one\nmodel name\t: Other\n")
    assert machine.processor() == "Fast: one"


def test_a_processor_has_a_name_where_linux_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    linux_tells(monkeypatch, "no such line")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv")
    assert machine.processor() == "riscv"


def test_the_features_are_those_of_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    linux_tells(monkeypatch, "flags : fpu vme avx2 avx512f fma sse4_2 ht\nvmx flags : avx_no\n")
    assert machine.features() == ["avx2", "avx512f", "fma", "sse4_2"]


def test_there_are_no_features_where_linux_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    linux_tells(monkeypatch, "no such line")
    assert machine.features() == []
