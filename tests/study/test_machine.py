"""The machine that a study runs on, as a report names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from normkit.study import machine


def test_there_is_a_processor() -> None:
    assert machine.processors() >= 1


def test_a_processor_has_a_name_where_linux_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_: "no such line")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv")
    assert machine.processor() == "riscv"
