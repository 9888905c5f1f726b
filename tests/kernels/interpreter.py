"""Triton's interpreter, in which the kernels for GPUs run on the CPU: `make triton`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

IS_ON = os.environ.get("NORMKIT_KERNELS") == "interpreter"
OFF = pytest.mark.skipif(not IS_ON, reason="it is about Triton's interpreter: make triton")


def not_in_interpreter(reason: str) -> pytest.MarkDecorator:
    """Skips a test where the kernels are interpreted, and says why."""
    return pytest.mark.skipif(IS_ON, reason=reason)


HOLDS = not_in_interpreter("Triton's interpreter holds the tensors that it was given for a while")


@contextmanager
def computes_as_a_gpu_does() -> Iterator[None]:
    """It warns of NaN and infinity, by NumPy, and cuts bfloat16 off where GPUs round."""
    if not IS_ON:
        yield
        return
    from triton.runtime import interpreter

    builder, tl = interpreter.InterpreterBuilder, interpreter.tl
    casts = builder.cast_impl

    def cast(self: Any, source: Any, to: Any) -> Any:
        if (source.dtype.scalar, to.scalar) != (tl.float32, tl.bfloat16):
            return casts(self, source, to)
        rounded = torch.from_numpy(source.data.copy()).bfloat16().view(torch.uint16)
        return interpreter.TensorHandle(rounded.numpy(), to.scalar)

    builder.cast_impl = cast
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning, "triton.*")
            yield
    finally:
        builder.cast_impl = casts
