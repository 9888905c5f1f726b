"""What a training step costs: seconds, and bytes held for the backward pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import unchanged

Step = Callable[[], object]
Taken = TypeVar("Taken")


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
    steps: Mapping[str, Step], rounds: int, warm_up: int = 3
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
    return in_turns(steps, rounds, warm_up, seconds)


def seconds(step: Step) -> float:
    """How long a step takes by the clock on the wall.

    >>> seconds(lambda: None) < 1
    True
    """
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def in_turns(
    steps: Mapping[str, Step], rounds: int, warm_up: int, timed: Callable[[Step], Taken]
) -> dict[str, list[Taken]]:
    """Take several steps in turns, each timed by a clock that is given.

    Args:
        steps: name → a function that performs one step.
        rounds: how many times each is timed.
        warm_up: how many times each runs before.
        timed: performs a step and returns what it took.

    Returns:
        Name → what each round took.

    >>> in_turns({"a": lambda: 1, "b": lambda: 2}, 3, 0, lambda step: step())
    {'a': [1, 1, 1], 'b': [2, 2, 2]}
    """
    for step in steps.values():
        for _ in range(warm_up):
            step()
    taken: dict[str, list[Taken]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(rounds):
        # Another one goes first each round: none always follows the same neighbour.
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken[name].append(timed(steps[name]))
    return taken
