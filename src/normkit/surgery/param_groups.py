"""Parameters in groups, so that norms and biases are not decayed."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.parametrize import ParametrizationList

from normkit.nn import WeightNorm
from normkit.surgery.norms import is_norm

_WEIGHT_NORMS = (_WeightNorm, WeightNorm)


def param_groups(
    model: torch.nn.Module, weight_decay: float, **options: Any
) -> list[dict[str, Any]]:
    """The parameters of a model in two groups for an optimizer, of which one is not decayed.

    Decay is for the weights of convolutions, linear layers and the like. It is not for γ and β of
    norms, nor for biases and other vectors: pulling them to 0 takes the scale of a network's
    activations from it and no over-fitting.

    Args:
        model: whose parameters that ask for a gradient are meant, each once.
        weight_decay: of the first group; that of the second is 0.
        options: for both groups, such as `lr`.

    Returns:
        The groups, as `torch.optim.Optimizer` takes them; one that would be empty is left out.

    Raises:
        ValueError: a negative decay; a model in which nothing is to be trained.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    >>> groups = nk.param_groups(model, weight_decay=1e-4)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.0001), (3, 0.0)]

    Paper: He et al., "Bag of Tricks for Image Classification", 2019, section 3.1,
    https://arxiv.org/abs/1812.01187
    """
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay must be at least 0; got {weight_decay}.")
    of_norms = {
        parameter
        for module in model.modules()
        if is_norm(module)
        for parameter in module.parameters()
    } | {
        module.original0
        for module in model.modules()
        # The gains of a weight norm, which are a norm's too.
        if isinstance(module, ParametrizationList) and isinstance(module[0], _WEIGHT_NORMS)
    }
    decayed: list[torch.nn.Parameter] = []
    spared: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            spare = parameter.ndim < 2 or parameter in of_norms
            (spared if spare else decayed).append(parameter)
    if not decayed and not spared:
        raise ValueError(
            "param_groups takes the parameters that ask for a gradient; this model has none."
        )
    groups = ((decayed, weight_decay), (spared, 0.0))
    return [
        {"params": parameters, "weight_decay": decay, **options}
        for parameters, decay in groups
        if parameters
    ]
