"""A step of training one of the networks, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks import LAYERS, NETWORKS

Batch = tuple[Tensor, Tensor]

LAYOUTS: Mapping[str, torch.memory_format] = MappingProxyType(
    {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
)

CLASSES = 10
"""That occur in the batches. Networks have the usual thousand outputs."""


def batches(count: int, batch: int, size: int, layout: str, device: str = "cpu") -> list[Batch]:
    """Images made of a pattern per class and noise, so that there is something to learn."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(CLASSES, 3, size, size, generator=generator)
    made = []
    for _ in range(count):
        labels = torch.randint(CLASSES, (batch,), generator=generator)
        images = patterns[labels] + torch.randn(batch, 3, size, size, generator=generator)
        images = images.contiguous(memory_format=LAYOUTS[layout])
        made.append((images.to(device), labels.to(device)))
    return made


def network(name: str, layers: str, layout: str) -> nn.Module:
    """A network in training mode; its first weights are the same over every set of layers."""
    torch.manual_seed(0)
    model = NETWORKS[name](LAYERS[layers])
    return model.to(memory_format=LAYOUTS[layout])  # type: ignore[call-overload, no-any-return]


def disturb_(model: nn.Module) -> nn.Module:
    """Moves every parameter by about a rounding, and returns the model.

    Training multiplies roundings: how far two runs that differ by nothing else come apart is the
    scale for every difference of losses.
    """
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            rounding = torch.finfo(parameter.dtype).eps * torch.randn_like(parameter)
            parameter.mul_(1 + rounding)
    return model


class Training:
    """The training of one network on given batches, a step at a time.

    Args:
        model: the network.
        data: the batches, one a step.
        around: what the forward pass runs in.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Sequence[Batch],
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.model, self.data, self.around = model, data, around
        self._losses: list[Tensor] = []
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, foreach=True)

    @property
    def losses(self) -> list[float]:
        """The loss of each step so far; asked for at the end, it makes no step wait."""
        return [loss.item() for loss in self._losses]

    def forward(self, step: int = 0) -> Tensor:
        """The loss of a step's batch."""
        torch.manual_seed(step)  # Dropout draws the same over every set of layers.
        images, labels = self.data[step]
        with self.around():
            return F.cross_entropy(self.model(images), labels)

    def step(self) -> None:
        """One step on the next batch: forward, backward, SGD with momentum."""
        loss = self.forward(len(self._losses))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._losses.append(loss.detach())

    def gradients(self) -> dict[str, Tensor]:
        """The parameters' gradients on the first batch, at the weights as they are."""
        parameters = dict(self.model.named_parameters())
        found = torch.autograd.grad(self.forward(), list(parameters.values()))
        return dict(zip(parameters, found, strict=True))


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """The median, and the quartiles beside it."""
    low, median, high = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high}


def ratios(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Quartiles of the ratio, taken round by round."""
    return quartiles([a / b for a, b in zip(over, under, strict=True)])
