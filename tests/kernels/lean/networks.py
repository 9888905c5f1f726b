"""Networks with norms, their gradients inside and outside `lean`, and what they hold."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

import normkit as nk

Around = Callable[[], AbstractContextManager[object]]


class Block(nn.Module):
    """A residual block, whose last norm adds the shortcut."""

    def __init__(self, norm: Callable[..., nn.Module], channels: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels, act="relu")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm(channels, act="relu")

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x))
        result: Tensor = self.norm2(self.conv2(y), residual=x)
        return result


class Network(nn.Module):
    """A stem, a max pool, residual blocks, one with a norm on its shortcut, and a linear layer."""

    def __init__(self, norm: Callable[..., nn.Module] = nk.nn.BatchNorm2d, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), norm(4, act="relu"), nn.MaxPool2d(2))
        self.shortcut = nn.Sequential(nn.Conv2d(4, 4, 1), norm(4))
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1))
        self.meet = norm(4, act="relu")
        self.blocks = nn.Sequential(*(Block(norm) for _ in range(blocks)))
        self.head = nn.Linear(4 * 25, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.blocks(self.meet(self.branch(x), residual=self.shortcut(x)))
        result: Tensor = self.head(x.flatten(1))
        return result


def group_norm(channels: int, **options: object) -> nn.Module:
    return nk.nn.GroupNorm(2, channels, **options)


def instance_norm(channels: int, **options: object) -> nn.Module:
    return nk.nn.InstanceNorm2d(channels, affine=True, track_running_stats=True, **options)


NORMS: dict[str, Callable[..., nn.Module]] = {
    "batch": nk.nn.BatchNorm2d,
    "group": group_norm,
    "instance": instance_norm,
}


def gradients(model: nn.Module, x: Tensor, around: Around) -> list[Tensor | None]:
    """Those of the input and all parameters of a copy of the model, and its buffers."""
    model, x = copy.deepcopy(model), x.detach().clone().requires_grad_()
    with around():
        y = model(x)
    y.backward(torch.randn(y.shape, generator=torch.manual_seed(1)).to(y))
    found = [x.grad, *(parameter.grad for parameter in model.parameters())]
    return [*found, *model.buffers()]


def assert_same(model: nn.Module, x: Tensor, around: Around = nk.lean) -> None:
    for inside, outside in zip(
        gradients(model, x, around), gradients(model, x, nullcontext), strict=True
    ):
        if outside is None:
            assert inside is None
        else:
            assert inside is not None
            assert torch.equal(inside, outside)


class Held:
    """Which outputs of a model's norms are still in memory."""

    def __init__(self, model: nn.Module) -> None:
        self._storages: list[StorageWeakRef] = []
        for module in model.modules():
            if hasattr(module, "act"):
                module.register_forward_hook(self._see)

    def _see(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        self._storages.append(StorageWeakRef(output.untyped_storage()))

    def count(self) -> int:
        return sum(not storage.expired() for storage in self._storages)


IMAGES = torch.randn(2, 3, 12, 12, generator=torch.manual_seed(7))


def consumed(weight: Tensor, y: Tensor) -> Tensor:
    """A consumer that saves `y` for the gradient of `weight`."""
    return (weight * y).sum()
