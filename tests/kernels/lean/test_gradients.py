"""Inside `lean` gradients are those of outside, bit for bit where the order of sums is the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from tests.kernels.interpreter import HOLDS
from tests.kernels.lean.networks import IMAGES, NORMS, Around, Held, Network, assert_same, gradients
from torch import Tensor, nn

import normkit as nk
from normkit.functional.activation import ACTIVATIONS


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_gradients_are_the_same_bit_for_bit(
    norm: Callable[..., nn.Module], channels_last: bool, way: str
) -> None:
    model, x = Network(norm), IMAGES
    if channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    assert_same(model, x)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_so_they_are_in_evaluation(norm: Callable[..., nn.Module], way: str) -> None:
    assert_same(Network(norm).eval(), IMAGES)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_so_they_are_in_other_precisions(dtype: torch.dtype, way: str) -> None:
    assert_same(Network().to(dtype), IMAGES.to(dtype))


@HOLDS
def test_so_they_are_under_autocast(way: str) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network()

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                result: Tensor = self.network(x)
                return result

    model = Cast()
    held = Held(model)
    with nk.lean():
        y = model(IMAGES)
    assert held.count() == 0
    y.sum().backward()
    assert_same(Cast(), IMAGES)


@pytest.mark.parametrize("act", [None, *ACTIVATIONS, nn.LeakyReLU(0.3), nn.PReLU(), torch.tanh])
@pytest.mark.parametrize("with_residual", [False, True])
def test_so_they_are_with_every_activation(
    act: nk.functional.Activation, with_residual: bool, way: str
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.consumer = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.norm = nk.nn.BatchNorm2d(4, act=act)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            y = self.norm(x, residual=x.sin() if with_residual else None)
            result: Tensor = self.consumer(y)
            return result

    assert_same(Model(), IMAGES)


class Shapes(nn.Module):
    """An output that is consumed many times, as it is and as views of many kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nk.nn.BatchNorm2d(3, act="silu")
        self.twice = nn.ModuleList(nk.nn.GroupNorm(1, 3, act="gelu") for _ in range(2))
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.linear = nn.Linear(3 * 144, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x * 1.5)
        a, b = (norm(self.conv(y), residual=y) for norm in self.twice)
        rows = y[:, 1:, ::2].transpose(1, 3)
        maps = rows * rows.exp() + y[:, :1, :1, :1].expand_as(rows) * y.unfold(2, 6, 6).mean()
        whole = torch.view_as_complex(y.unflatten(3, (6, 2))).abs().square()
        total: Tensor = self.linear((a * b).flatten(1)).sum() + maps.sum() + (whole * whole).sum()
        return total + (y.T.flatten() @ y.T.flatten())


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_so_they_are_for_views_and_an_output_with_many_consumers(way: str) -> None:
    if way == "kernels":
        assert_same(Shapes(), IMAGES)
        return
    # Here the gradients that meet in a tensor may be added up in another order.
    model = Shapes().double()
    x = IMAGES.double()
    pairs = zip(gradients(model, x, nk.lean), gradients(model, x, nullcontext), strict=True)
    for inside, outside in pairs:
        torch.testing.assert_close(inside, outside)


def test_so_they_are_through_a_norm_of_a_norm_added_to_what_it_normalises(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nk.nn.BatchNorm2d(3, act="relu") for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            result: Tensor = self.second(y, residual=y).square()
            return result

    model, x = Model().double(), IMAGES.double()
    pairs = zip(gradients(model, x, nk.lean), gradients(model, x, nullcontext), strict=True)
    for inside, outside in pairs:
        torch.testing.assert_close(inside, outside)


def test_so_they_are_with_a_mask(way: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nk.nn.BatchNorm2d(3, act="relu"), nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.conv(self.norm(x, mask=torch.tensor([True, False])))
            return result

    assert_same(Model(), IMAGES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("autocast", [None, torch.float16, torch.bfloat16])
def test_so_they_are_on_a_gpu(norm: Callable[..., nn.Module], autocast: torch.dtype | None) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network(norm)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cuda", autocast, enabled=autocast is not None):
                result: Tensor = self.network(x)
                return result

    model = Cast().cuda()
    held = Held(model)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True), nk.lean():
        y = model(IMAGES.cuda())
    assert held.count() == 0
    y.sum().backward()
    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        assert_same(Cast().cuda(), IMAGES.cuda())


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_second_derivatives_are_those_of_outside(norm: Callable[..., nn.Module], way: str) -> None:
    model = Network(norm, blocks=1).double()
    parameters = list(model.parameters())

    def penalties(around: Around) -> tuple[Tensor, ...]:
        with around():
            loss = model(IMAGES.double()).square().sum()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        penalty = sum((gradient.square().sum() for gradient in first), torch.zeros(()))
        return torch.autograd.grad(penalty, parameters)

    for inside, outside in zip(penalties(nk.lean), penalties(nullcontext), strict=True):
        torch.testing.assert_close(inside, outside)


def test_gradients_of_many_upstream_at_once(way: str) -> None:
    model = Network(blocks=1).double()
    parameters = list(model.parameters())

    def rows(around: Around) -> tuple[Tensor, ...]:
        with around():
            y = model(IMAGES.double())
        many = torch.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
        return torch.autograd.grad(y, parameters, many, is_grads_batched=True)

    for inside, outside in zip(rows(nk.lean), rows(nullcontext), strict=True):
        torch.testing.assert_close(inside, outside)
