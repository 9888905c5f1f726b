"""What a measurement ran on."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

import normkit
from normkit.machine import processor


def about() -> dict[str, Any]:
    """Versions, the processor and the threads, which stand beside every result."""
    return {
        "normkit": normkit.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
