"""How a method on the weights is put on a layer: through `torch.nn.utils.parametrize`.

The layer stays the object it is, and its class gets the prefix `Parametrized`. Its weight becomes
a property that is computed anew whenever it is read, from what training changes. Assigning to it
sets what it is computed from. `torch.nn.utils.parametrize.remove_parametrizations` takes it off.

PyTorch copies a parametrized layer by `copy.deepcopy` and saves it by its `state_dict`; it refuses
to pickle it as a whole. A deep copy shares its class with the original, so taking a parametrization
off one takes the weight from the other: take it off before copying.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)

_TRANSPOSED = (
    torch.nn.ConvTranspose1d,
    torch.nn.ConvTranspose2d,
    torch.nn.ConvTranspose3d,
)


def weight_of(function: str, module: torch.nn.Module, name: str) -> Tensor:
    """The tensor of that name.

    Raises:
        ValueError: the module has no tensor of that name, or does not know its shape yet.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        held = ", ".join(key for key, _ in module.named_parameters(recurse=False)) or "none"
        raise ValueError(
            f"{function}: a {type(module).__name__} has no weight {name!r}; its own parameters: "
            f"{held}. Give the convolution or linear layer itself."
        )
    if is_lazy(weight):
        raise ValueError(
            f"{function}: the {type(module).__name__} does not know the shape of its {name!r} yet. "
            "Call it once before."
        )
    return weight


def is_transposed(module: torch.nn.Module) -> bool:
    """Whether a module is a transposed convolution, whose weight is `(C_in, C_out / G, *)`."""
    return isinstance(module, _TRANSPOSED)


def layout(module: torch.nn.Module) -> tuple[bool, int]:
    """Where the outputs are in a weight: whether it is transposed, and the number of groups."""
    return is_transposed(module), int(getattr(module, "groups", 1))
