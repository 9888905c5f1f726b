"""Scaled weight standardization of a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from normkit.functional import scaled_weight_standardization as standardise
from normkit.functional.weights import by_output
from normkit.nn.method import Method
from normkit.nn.parametrization import ModuleT, layout, weight_of


class ScaledWeightStandardization(torch.nn.Module):
    """Weights → standardised and scaled weights; see `scaled_weight_standardization`.

    Args:
        out_channels: C_out.
        gain: whether g exists.
        gamma: γ.
        eps: ε, the least that is divided by, squared.
        transposed: whether the weight is of a transposed convolution.
        groups: those of the layer.
        device: as in PyTorch.
        dtype: as in PyTorch.

    >>> ScaledWeightStandardization(1)(torch.tensor([[1.0, 3.0]]))
    tensor([[-0.7071,  0.7071]], grad_fn=<ViewBackward0>)
    """

    gain: Tensor | None

    def __init__(
        self,
        out_channels: int,
        gain: bool = True,
        gamma: float = 1.0,
        eps: float = 1e-4,
        *,
        transposed: bool = False,
        groups: int = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.eps = eps
        self.transposed = transposed
        self.groups = groups
        made = torch.nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        self.register_parameter("gain", made if gain else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets g to 1."""
        if self.gain is not None:
            torch.nn.init.ones_(self.gain)

    def forward(self, weight: Tensor) -> Tensor:
        """Returns Ŵ."""
        return standardise(
            weight,
            self.gain,
            self.eps,
            self.gamma,
            transposed=self.transposed,
            groups=self.groups,
        )

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What an assigned weight is kept as: itself, to be standardised; g is left as it is."""
        return weight

    def extra_repr(self) -> str:
        text = f"gain={self.gain is not None}, gamma={self.gamma}, eps={self.eps}"
        return f"{text}, transposed=True, groups={self.groups}" if self.transposed else text


def scaled_weight_standardization(
    module: ModuleT,
    name: str = "weight",
    gain: bool = True,
    gamma: float = 1.0,
    eps: float = 1e-4,
) -> ModuleT:
    """Standardises the weights of a layer for each output channel, and keeps a variance.

    Ŵ = g · γ · (W − μ) / √max(N · σ², ε), with μ and σ² per output channel over its fan-in N. W is
    what is trained, under the key `parametrizations.weight.original`, and g, initially 1, under
    `parametrizations.weight.0.gain`. Meant for networks without norms on the activations.

    Args:
        module: a convolution, transposed convolution or linear layer; changed in place.
        name: of its weight.
        gain: whether g exists, one per output channel.
        gamma: γ, which makes up for the activation in front of the layer: 1 without one, and
            √(2 / (1 − 1 / π)) ≈ 1.71 for a ReLU.
        eps: ε, the least that is divided by, squared.

    Returns:
        The module.

    Raises:
        TypeError: a weight that is not floating-point.
        ValueError: no weight of that name; one with one single input per output channel.

    >>> conv = scaled_weight_standardization(torch.nn.Conv2d(8, 16, 3))
    >>> torch.allclose(conv.weight.square().sum((1, 2, 3)), torch.ones(16))
    True

    Papers: Brock, De and Smith, "Characterizing Signal Propagation to Close the Performance Gap in
    Unnormalized ResNets", 2021, https://arxiv.org/abs/2101.08692; Brock, De, Smith and Simonyan,
    "High-Performance Large-Scale Image Recognition Without Normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    weight = weight_of("scaled_weight_standardization", module, name)
    transposed, groups = layout(module)
    grouped, inputs = by_output("scaled_weight_standardization", weight, transposed, groups)
    outputs = grouped.sum(inputs).numel()
    parametrization = ScaledWeightStandardization(
        outputs,
        gain,
        gamma,
        eps,
        transposed=transposed,
        groups=groups,
        device=weight.device,
        dtype=weight.dtype,
    ).requires_grad_(weight.requires_grad)
    parametrize.register_parametrization(module, name, parametrization)
    return module


METHOD = Method(
    name="scaled_weight_standardization",
    title="scaled weight standardization",
    year=2021,
    paper="Brock, De and Smith, Characterizing Signal Propagation to Close the Performance Gap in "
    "Unnormalized ResNets, https://arxiv.org/abs/2101.08692",
    axes="weights: C_in / G, *",
    state_dict=("parametrizations.weight.original", "parametrizations.weight.0.gain"),
    layers={
        1: scaled_weight_standardization,
        2: scaled_weight_standardization,
        3: scaled_weight_standardization,
    },
    needs="more than one weight per output channel",
    when="Residual networks without norms on the activations.",
    on="weights",
    channels=None,
    affine=None,
)
