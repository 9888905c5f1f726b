"""Weight standardization of a layer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from normkit.functional import weight_standardization as standardise
from normkit.nn.method import Method
from normkit.nn.parametrization import ModuleT, layout, weight_of


class WeightStandardization(torch.nn.Module):
    """Weights → standardised weights; see `weight_standardization`.

    Args:
        eps: ε, added to the variance.
        transposed: whether the weight is of a transposed convolution.
        groups: those of the layer.

    >>> WeightStandardization()(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(self, eps: float = 1e-5, *, transposed: bool = False, groups: int = 1) -> None:
        super().__init__()
        self.eps = eps
        self.transposed = transposed
        self.groups = groups

    def forward(self, weight: Tensor) -> Tensor:
        """Returns Ŵ."""
        return standardise(weight, self.eps, transposed=self.transposed, groups=self.groups)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What an assigned weight is kept as: itself, to be standardised."""
        return weight

    def extra_repr(self) -> str:
        text = f"eps={self.eps}"
        return f"{text}, transposed=True, groups={self.groups}" if self.transposed else text


def weight_standardization(module: ModuleT, name: str = "weight", eps: float = 1e-5) -> ModuleT:
    """Standardises the weights of a layer, for each output channel over its inputs.

    Ŵ = (W − μ) / √(σ² + ε), with μ and σ² per output channel over its fan-in. W is what is trained,
    under the key `parametrizations.weight.original`. Meant for convolutions in front of a norm: it
    does not keep the scale of the activations.

    Args:
        module: a convolution, transposed convolution or linear layer; changed in place.
        name: of its weight.
        eps: ε, added to the variance.

    Returns:
        The module.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: no weight of that name; one with one single input per output channel.

    >>> conv = weight_standardization(torch.nn.Conv2d(8, 16, 3))
    >>> torch.allclose(conv.weight.mean((1, 2, 3)), torch.zeros(16), atol=1e-6)
    True

    Paper: Qiao, Wang, Liu, Shen and Yuille, "Micro-Batch Training with Batch-Channel Normalization
    and Weight Standardization", 2019, https://arxiv.org/abs/1903.10520
    """
    weight_of("weight_standardization", module, name)
    transposed, groups = layout(module)
    parametrization = WeightStandardization(eps, transposed=transposed, groups=groups)
    parametrize.register_parametrization(module, name, parametrization)
    return module


METHOD = Method(
    name="weight_standardization",
    title="weight standardization",
    year=2019,
    paper="Qiao, Wang, Liu, Shen and Yuille, Weight Standardization, "
    "https://arxiv.org/abs/1903.10520",
    axes="weights: C_in / G, *",
    state_dict=("parametrizations.weight.original",),
    layers={1: weight_standardization, 2: weight_standardization, 3: weight_standardization},
    needs="more than one weight per output channel",
    when="Beside group, where batches are too small for batch.",
    on="weights",
    channels=None,
    affine=None,
)
