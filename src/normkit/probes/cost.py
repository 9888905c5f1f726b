"""What a training step costs: seconds, and bytes held for the backward pass."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import unchanged


def bytes_for_backward(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """Bytes that autograd holds between the forward and the backward pass of one batch.

    Each storage counts once; parameters, buffers and the batch itself are left out, since they
    are held anyway.

    >>> bytes_for_backward(nn.Linear(4, 3), torch.randn(8, 4), torch.randint(3, (8,)))
    100
    """
    held = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    held |= {images.untyped_storage().data_ptr(), labels.untyped_storage().data_ptr()}
    kept: dict[int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            # The tensor is kept alive so that no other one can take its address.
            kept[storage.data_ptr()] = (tensor, storage.nbytes())
        return tensor

    with (
        unchanged(model),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        F.cross_entropy(model.train()(images), labels)
        return sum(size for _, size in kept.values())


def seconds_in_turns(
    steps: dict[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Time several steps in turns, so that all see the same disturbances.

    Args:
        steps: name → a function that performs one step.
        rounds: how many times each is timed.
        warm_up: how many times each runs before.

    Returns:
        Name → seconds of each round.

    >>> sorted(seconds_in_turns({"a": lambda: None, "b": lambda: None}, rounds=3))
    ['a', 'b']
    """
    for step in steps.values():
        for _ in range(warm_up):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(rounds):
        # Another one goes first each round: none always follows the same neighbour.
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            steps[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds
