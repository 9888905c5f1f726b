"""What a process uses, and what there is."""

from __future__ import annotations

import os

from normkit.study import memory


def test_a_process_uses_more_once_it_holds_more() -> None:
    before = memory.used_by(os.getpid())
    held = b"x" * (1 << 26)
    assert memory.used_by(os.getpid()) > before + len(held) // 2


def test_a_process_that_has_ended_uses_nothing() -> None:
    process = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitpid(process, 0)
    assert memory.used_by(process) == 0


def test_something_is_available() -> None:
    assert memory.available() > 1 << 20
