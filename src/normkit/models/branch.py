"""Residual branches that do without a norm on the activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from normkit.functional.names import unknown_name
from normkit.models.block import Norm
from normkit.models.initialisation import initialise_
from normkit.nn.catalogue import catalogue

BRANCHES = MappingProxyType(
    {
        "plain": "as they are, with the norm that is asked for",
        "fixup": "scalars in place of norms, and first weights that shrink with the depth: Zhang, "
        "Dauphin and Ma, Fixup Initialization, 2019, https://arxiv.org/abs/1901.09321",
        "skipinit": "each ends in a learnable scalar, first 0: De and Smith, Batch Normalization "
        "Biases Residual Blocks Towards the Identity Function in Deep Networks, 2020, "
        "https://arxiv.org/abs/2002.10444",
    }
)
"""Name → what is done to the residual branches of a network, and whose idea it is."""


class ScalarBias(torch.nn.Module):
    """x + b, with one number b for the whole tensor, first 0.

    >>> ScalarBias()(torch.tensor([1.0, 2.0]))
    tensor([1., 2.], grad_fn=<AddBackward0>)
    """

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns x + b."""
        return x + self.bias


class ScalarMultiplier(torch.nn.Module):
    """a · x, with one number a for the whole tensor.

    Args:
        first: what a is first.

    >>> ScalarMultiplier(0.5)(torch.tensor([1.0, 2.0]))
    tensor([0.5000, 1.0000], grad_fn=<MulBackward0>)
    """

    def __init__(self, first: float) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.full((1,), first))

    def forward(self, x: Tensor) -> Tensor:
        """Returns a · x."""
        return x * self.scale


def check_branch(branch: str, norm: Norm, placement: str) -> None:
    """Raises unless a network can have these branches with this norm.

    `skipinit` goes with methods on the weights; `fixup`, which scales the first weights, with
    nothing else.
    """
    if branch not in BRANCHES:
        raise ValueError(unknown_name("branch", branch, BRANCHES))
    if branch == "plain":
        return
    method = catalogue().get(norm) if isinstance(norm, str) else None
    on_weights = method is not None and method.on == "weights"
    if norm != "none" and not (branch == "skipinit" and on_weights):
        raise ValueError(
            f"branch={branch!r} is for networks without norms; got norm={norm!r}. Use norm='none'"
            f"{', or a method on the weights' * (branch == 'skipinit')}, or branch='plain'."
        )
    if placement != "before":
        raise ValueError(
            f"branch={branch!r} has scalars where a norm would be, before the activation; got "
            f"placement={placement!r}. Leave placement out."
        )


def fixup_(
    model: torch.nn.Module,
    branches: Sequence[tuple[torch.nn.Conv2d | torch.nn.Linear, torch.nn.Conv2d | torch.nn.Linear]],
    init: str = "default",
    gain: float = 1.0,
) -> None:
    """Draws the first weights of a residual network without norms, by the rules of Fixup.

    The last layer, the classifier, and the second layer of every branch are 0; all others are
    Kaiming normal, as in the paper, or drawn by another rule, and the first of every branch is
    multiplied by L^(−1 / (2m − 2)), with L branches of m = 2 layers.

    Args:
        model: changed in place. Its last linear layer is the classifier.
        branches: the two layers of every branch.
        init: one of `INITIALISATIONS`; "default" is Kaiming normal.
        gain: multiplies the weights that are drawn.
    """
    initialise_(model, "he" if init == "default" else init, gain)
    with torch.no_grad():
        for first, second in branches:
            first.weight.mul_(1 / math.sqrt(len(branches)))
            second.weight.zero_()
        *_, classifier = (m for m in model.modules() if isinstance(m, torch.nn.Linear))
        classifier.weight.zero_()
        classifier.bias.zero_()
