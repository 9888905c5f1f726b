"""The block: a linear map, a norm and an activation, in the order that the placement says."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

import normkit as nk
from normkit.models import Block

ON_WEIGHTS = [method.name for method in nk.catalogue().values() if method.on == "weights"]


def order_of_calls(block: Block, x: torch.Tensor) -> list[str]:
    order: list[str] = []
    for name in ("linear", "norm", "act"):
        module = getattr(block, name)
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    block(x)
    return order


@pytest.mark.parametrize(
    ("placement", "order"),
    [
        ("before", ["linear", "norm", "act"]),
        ("before_and_linear", ["linear", "norm", "act"]),
        ("after", ["linear", "act", "norm"]),
    ],
)
def test_the_placement_is_the_order_of_calls(placement: str, order: list[str]) -> None:
    convolution = Block(torch.nn.Conv2d(3, 8, 3), norm="batch", placement=placement)
    assert order_of_calls(convolution, torch.randn(4, 3, 5, 5)) == order
    linear = Block(torch.nn.Linear(6, 8), norm="batch", placement=placement)
    assert order_of_calls(linear, torch.randn(4, 6)) == order


@pytest.mark.parametrize("placement", ["before", "after"])
def test_the_residual_is_added_before_the_activation(placement: str) -> None:
    block = Block(torch.nn.Conv2d(3, 8, 3, padding=1), norm="group", placement=placement)
    x, residual = torch.randn(2, 3, 5, 5), torch.randn(2, 8, 5, 5)
    if placement == "before":
        expected = torch.relu(block.norm(block.linear(x)) + residual)
    else:
        expected = block.norm(torch.relu(block.linear(x) + residual))
    torch.testing.assert_close(block(x, residual), expected)


def test_an_instance_norm_on_features_is_refused_also_from_a_callable() -> None:
    def norm(channels: int, dims: int = 2) -> torch.nn.Module:
        return torch.nn.InstanceNorm1d(channels)

    with pytest.raises(ValueError, match="needs positions"):
        Block(torch.nn.Linear(6, 8), norm=norm)


@pytest.mark.parametrize("norm", [3, lambda channels, dims=2: "batch"], ids=["number", "no module"])
def test_a_norm_that_is_no_norm_is_refused(norm: object) -> None:
    with pytest.raises(TypeError, match="norm"):
        Block(torch.nn.Linear(6, 8), norm=norm)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", ON_WEIGHTS)
@pytest.mark.parametrize("placement", ["before", "after"])
def test_a_method_on_the_weights_goes_on_the_linear_map(norm: str, placement: str) -> None:
    for linear, x in (
        (torch.nn.Conv2d(3, 8, 3), torch.randn(2, 3, 5, 5)),
        (torch.nn.Linear(6, 8), torch.randn(2, 6)),
    ):
        block = Block(linear, norm=norm, placement=placement).eval()
        assert block.linear is linear
        assert is_parametrized(linear, "weight")
        assert type(block.norm) is nk.nn.Identity
        torch.testing.assert_close(block(x), torch.relu(linear(x)))


@pytest.mark.parametrize("norm", [m.name for m in nk.catalogue().values() if m.activates])
def test_a_norm_with_an_activation_of_its_own_has_the_place_of_both(norm: str) -> None:
    x, residual = torch.randn(4, 3, 6, 6), -torch.ones(4, 8, 6, 6)
    block = Block(torch.nn.Conv2d(3, 8, 3, padding=1), norm=norm)
    plain = block.norm(block.linear(x))
    torch.testing.assert_close(block(x, residual), plain + residual)
    behind = Block(torch.nn.Conv2d(3, 8, 3, padding=1), norm=norm, placement="after")
    torch.testing.assert_close(behind(x), behind.norm(behind.linear(x).relu()))
