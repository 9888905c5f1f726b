"""Weight normalization of a layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from normkit.functional import weight_lengths
from normkit.functional import weight_norm as normalise
from normkit.nn.method import Method
from normkit.nn.parametrization import ModuleT, weight_of


class WeightNorm(torch.nn.Module):
    """Lengths and directions → weights; see `weight_norm`.

    Args:
        dim: the axis that keeps a length of its own for each index; None, one length in all.

    >>> WeightNorm()(torch.tensor([[10.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[6., 8.]])
    """

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        """Returns w."""
        return normalise(v, g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What an assigned weight is kept as: its lengths, and itself as the direction."""
        return weight_lengths(weight, self.dim), weight

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def weight_norm(module: ModuleT, name: str = "weight", dim: int | None = 0) -> ModuleT:
    """Trains the length and the direction of a layer's weights apart.

    w = g · v / ‖v‖, with one length for each index of an axis. g and v are what is trained, under
    the keys `parametrizations.weight.original0` and `original1`, as in PyTorch; the older keys
    `weight_g` and `weight_v` are read too. The weight starts as it is. An optimizer made before
    knows the old weight alone, and must be made anew.

    Args:
        module: a convolution, transposed convolution or linear layer; changed in place.
        name: of its weight.
        dim: the axis that keeps a length of its own for each index; None, one length in all. As in
            PyTorch it is 0 for transposed convolutions too, which is their axis of inputs: dim=1
            gives each output channel a length, shared between groups.

    Returns:
        The module.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: no weight of that name, an axis that it does not have, or a weight that is
            parametrized already.

    >>> conv = torch.nn.Conv2d(8, 16, 3)
    >>> before = conv.weight.clone()
    >>> torch.allclose(weight_norm(conv).weight, before)
    True

    Paper: Salimans and Kingma, "Weight Normalization", 2016, https://arxiv.org/abs/1602.07868
    """
    weight_of("weight_norm", module, name)
    if parametrize.is_parametrized(module, name):
        raise ValueError(
            f"weight_norm keeps a weight as two tensors, so it must come before all other "
            f"parametrizations; {name!r} has one already. Remove it, or put weight_norm on first."
        )
    parametrize.register_parametrization(module, name, WeightNorm(dim))
    module.register_load_state_dict_pre_hook(partial(_read_older_keys, name))  # type: ignore[no-untyped-call]
    return module


def _read_older_keys(
    name: str, module: torch.nn.Module, state: dict[str, Any], prefix: str, *_: object
) -> None:
    older = (f"{prefix}{name}_g", f"{prefix}{name}_v")
    if parametrize.is_parametrized(module, name) and all(key in state for key in older):
        for index, key in enumerate(older):
            state[f"{prefix}parametrizations.{name}.original{index}"] = state.pop(key)


METHOD = Method(
    name="weight_norm",
    title="weight normalization",
    year=2016,
    paper="Salimans and Kingma, Weight Normalization, https://arxiv.org/abs/1602.07868",
    axes="weights: C_in / G, *",
    state_dict=("parametrizations.weight.original0", "parametrizations.weight.original1"),
    layers={1: weight_norm, 2: weight_norm, 3: weight_norm},
    needs="nothing",
    when="Recurrent and generative networks; no batch is looked at.",
    on="weights",
    channels=None,
    affine=None,
)
