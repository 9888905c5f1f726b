"""The weights a network starts from."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import init
from torch.nn.utils.parametrize import is_parametrized

from normkit.functional.names import unknown_name

INITIALISATIONS = ("default", "he", "xavier", "lecun", "orthogonal", "gaussian")
"""The names that `initialise_` takes."""


def initialise_(
    model: torch.nn.Module,
    name: str,
    gain: float = 1.0,
    generator: Generator | None = None,
) -> None:
    """Draws the hidden convolution and linear weights of a model anew, and sets their biases to 0.

    The standard deviation of each weight is

    - `he`: gain · √(2 / fan_in), Kaiming normal for a ReLU;
    - `gaussian`: the same, meant for a gain far from 1;
    - `xavier`: gain · √(2 / (fan_in + fan_out));
    - `lecun`: gain · √(1 / fan_in);
    - `orthogonal`: a (semi-)orthogonal matrix times gain · √2;
    - `default`: PyTorch's own weights and biases are left as they are.

    Where a method on the weights is on a layer, what is drawn is what that method then normalises.

    Args:
        model: changed in place. Its last convolution or linear layer, in the order of
            `model.modules()`, is taken for the classifier and left as it is.
        name: one of `INITIALISATIONS`.
        gain: multiplies the weights; must be 1 for `default`.
        generator: where the random numbers come from; None is torch's own.

    Raises:
        ValueError: an unknown name; a gain that is not positive, or not 1 with `default`.

    >>> model = torch.nn.Sequential(torch.nn.Linear(100, 400), torch.nn.Linear(400, 10))
    >>> initialise_(model, "lecun", generator=torch.Generator().manual_seed(0))
    >>> round(model[0].weight.std().item(), 2)
    0.1

    Papers: He et al., 2015, https://arxiv.org/abs/1502.01852; Glorot and Bengio, 2010; LeCun et
    al., "Efficient BackProp", 1998; Saxe et al., 2014, https://arxiv.org/abs/1312.6120
    """
    if name not in INITIALISATIONS:
        raise ValueError(unknown_name("initialisation", name, INITIALISATIONS))
    if not (gain > 0 and math.isfinite(gain)):
        raise ValueError(f"gain must be positive and finite; got {gain}.")
    if name == "default":
        if gain != 1:
            raise ValueError(
                f"'default' keeps PyTorch's own weights and takes no gain; got gain={gain}. "
                "Use 'gaussian' with this gain."
            )
        return
    layers = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.Linear)
    ]
    # Not the last one, the classifier: so initialisations differ in the hidden stack alone, and
    # not also in the scale of the logits, which by itself changes the first losses.
    for layer in layers[:-1]:
        if is_parametrized(layer, "weight"):
            # Read, the weight is a new tensor every time; assigned, it is what is normalised.
            weight = torch.empty_like(layer.weight, requires_grad=False)
            _draw_(weight, name, gain, generator)
            layer.weight = weight
        else:
            _draw_(layer.weight, name, gain, generator)
        if layer.bias is not None:
            init.zeros_(layer.bias)


def _draw_(weight: Tensor, name: str, gain: float, generator: Generator | None) -> None:
    fan_in = weight[0].numel()
    if name == "xavier":
        init.xavier_normal_(weight, gain=gain, generator=generator)
    elif name == "orthogonal":
        init.orthogonal_(weight, gain=gain * math.sqrt(2), generator=generator)
    elif name == "lecun":
        init.normal_(weight, std=gain * math.sqrt(1 / fan_in), generator=generator)
    else:
        init.normal_(weight, std=gain * math.sqrt(2 / fan_in), generator=generator)
