"""What a process uses, and what there is."""

from __future__ import annotations

import mmap
import os

from normkit.study import memory


def test_a_process_uses_more_once_it_holds_more() -> None:
    before = memory.used_by(os.getpid())
    # New pages: what the allocator gives may be memory that the process had before.
    with mmap.mmap(-1, 1 << 26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"x" * len(held))
        assert memory.used_by(os.getpid()) > before + len(held) // 2


def test_a_process_that_has_ended_uses_nothing() -> None:
    process = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitpid(process, 0)
    assert memory.used_by(process) == 0


def test_something_is_available() -> None:
    assert memory.available() > 1 << 20
