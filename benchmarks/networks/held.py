"""Bytes that are held from the start of a forward pass to its end, as the allocator sees them."""

from __future__ import annotations

import gc
from collections.abc import Callable

from torch import Tensor
from torch.profiler import ProfilerActivity, profile


def bytes_held(forward: Callable[[], Tensor]) -> int:
    """Bytes allocated and not freed while `forward` runs and its output, a loss, is alive.

    Every storage counts once, whoever holds it: autograd, an object in Python or C++. Parameters,
    buffers and the batch were there before and do not count. Hooks on what autograd saves, and
    walks over its graph, would see tensors as they are handed out, not what is held in their place.

    >>> import torch
    >>> x = torch.randn(8, 4, requires_grad=True)
    >>> bytes_held(lambda: x.exp().sum())  # exp keeps its output, 8 × 4 floats; the sum is one more
    132
    """
    gc.collect()  # What is freed on the way must not be of before.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        loss = forward()
        gc.collect()
    assert profiled.profiler is not None
    results = profiled.profiler.kineto_results
    assert results is not None
    held: int = sum(event.nbytes() for event in results.events() if event.name() == "[memory]")
    del loss  # Alive until here, and its graph with it.
    return held
