"""The machine that something runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_VECTORS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16")


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The name of the processor."""
    return _told("model name") or platform.processor() or platform.machine()


def features() -> list[str]:
    """The vector instructions that Linux says the processor has, by its names for them."""
    told = set((_told("flags") or _told("Features")).split())
    return sorted(flag for flag in told if flag.startswith(_VECTORS))


def _told(key: str) -> str:
    """What Linux tells of the first processor under a name; empty where it tells nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    # The whole name: there are several that begin alike.
    found = (line.split(":", 1) for line in lines if ":" in line)
    return next((told.strip() for name, told in found if name.strip() == key), "")
