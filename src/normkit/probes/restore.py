"""Leave a model as it was found, and let its forward passes draw the same random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def same_draws(images: Tensor) -> Callable[[], None]:
    """A function that takes the random number generators back to where they stand now.

    Called ahead of every forward pass, it gives dropout the same mask in each, so that what differs
    between them is not the draw.

    Args:
        images: what the passes are on; their device's generator goes back too.

    >>> again = same_draws(torch.zeros(1))
    >>> first = torch.rand(3)
    >>> again()
    >>> bool((torch.rand(3) == first).all())
    True
    """
    state = torch.get_rng_state()
    there = torch.cuda.get_rng_state(images.device) if images.is_cuda else None

    def again() -> None:
        torch.set_rng_state(state)
        if there is not None:
            torch.cuda.set_rng_state(there, images.device)

    return again


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore whatever a measurement may disturb, exception or not.

    Buffers (running statistics among them), gradients, the training mode of every module and the
    random number generators are as before when the block ends; hooks are the caller's to remove.

    Args:
        model: the live model that is measured.

    >>> layer = nn.BatchNorm1d(3)
    >>> with unchanged(layer):
    ...     _ = layer(torch.randn(8, 3))
    >>> int(layer.num_batches_tracked)
    0
    """
    modes = {module: module.training for module in model.modules()}
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in modes
        for name, buffer in module.named_buffers(recurse=False)
    ]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    devices = [parameter.device for parameter, _ in gradients if parameter.is_cuda][:1]
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        with torch.no_grad():
            for module, name, buffer, value in buffers:
                # A forward pass may write into a buffer or put another tensor in its place.
                setattr(module, name, buffer)
                buffer.copy_(value)
        for module, training in modes.items():
            module.training = training
