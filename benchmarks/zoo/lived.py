"""A model whose norms have seen data: fresh ones do next to nothing in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from zoo.entry import Entry


def randomised(norm: nn.Module) -> None:
    """Draws the parameters of a norm of any class, and its statistics where they are constants."""
    tensors: dict[str, Tensor | None] = {**norm._parameters, **norm._buffers}
    scale, shift = tensors.get("weight"), tensors.get("bias")
    if scale is not None:
        scale.uniform_(0.5, 1.5)
    if shift is not None:
        shift.normal_(0, 0.2)
    mean, var = tensors.get("running_mean"), tensors.get("running_var")
    if mean is not None and var is not None:
        mean.normal_(0, 0.2)
        var.uniform_(0.5, 1.5)


@torch.no_grad()
def lived(entry: Entry, seed: int = 0) -> nn.Module:
    """A model in evaluation whose norms have parameters and statistics as if it had been trained.

    The parameters are drawn at random, the statistics are those of the example; where a norm's
    statistics are constants, they are drawn too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, example = entry.make(), entry.example()
        counting = []
        for module in model.modules():
            frozen = "running_mean" in module._buffers  # By whichever library.
            if frozen or isinstance(module, nn.GroupNorm | nn.LayerNorm | _NormBase):
                randomised(module)
            if isinstance(module, _NormBase):
                module.reset_running_stats()
                counting.append((module, module.momentum))
                # Batch norm takes the mean of all it sees, others what they see last.
                module.momentum = None if isinstance(module, _BatchNorm) else 1.0
        for _ in range(2):
            model.train()(example)
        for norm, momentum in counting:
            norm.momentum = momentum
        return model.eval()
