"""A layer can be made without memory, on the meta device and by `skip_init`."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch.nn.utils import skip_init

from normkit.testing.problem import Problem, close, state_of


def check(problem: Problem) -> None:
    """Made so, given memory and loaded, it computes what the original does."""
    layer = problem.layer_in_use().eval()
    x = problem.sample(torch.float32)
    expected = layer(x)
    meta = problem.make(device="meta").eval()
    for name, tensor in (*meta.named_parameters(), *meta.named_buffers()):
        if not tensor.is_meta:
            raise AssertionError(f"{name} has memory on {tensor.device}")
    y = meta(x.to("meta"))
    if not (y.is_meta and y.shape == expected.shape):
        raise AssertionError(f"on the meta device the output is {y}")
    meta.to_empty(device="cpu").load_state_dict(layer.state_dict())
    close(meta(x), expected, told="from the meta device")

    fresh = problem.make(device="meta").to_empty(device="cpu")
    reset = getattr(fresh, "reset_parameters", None)
    if reset is None and state_of(fresh):
        raise AssertionError("there is no reset_parameters() to give it its first values")
    if reset is not None:
        # Where first values are random, they are those of the same random state.
        torch.manual_seed(1)
        reset()
        torch.manual_seed(1)
        first = problem.make().state_dict()
        close(dict(fresh.state_dict()), dict(first), told="reset_parameters")

    if inspect.isclass(problem.layer):
        make: Callable[..., torch.nn.Module] = skip_init
        skipped = make(problem.layer, **problem.arguments(problem.shape[1])).eval()
        skipped.load_state_dict(layer.state_dict())
        close(skipped(x), expected, told="skip_init")
