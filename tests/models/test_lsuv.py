"""LSUV: unit variance layer by layer, and nothing else changed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import normkit as nk
from normkit.models import Reached, build, lsuv_


def variances(model: nn.Module, x: torch.Tensor) -> dict[str, float]:
    found: dict[str, float] = {}
    names = {module: name for name, module in model.named_modules()}

    def look(module: nn.Module, _: object, y: torch.Tensor) -> None:
        found[names[module]] = y.var(correction=0).item()

    handles = [
        module.register_forward_hook(look)
        for module in names
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("name", ["plain", "vgg", "residual", "mlp"])
def test_every_layer_reaches_unit_variance(name: str) -> None:
    model = build(name, num_classes=5, in_channels=1, image_size=(8, 8))
    x = torch.randn(64, 1, 8, 8) * 9 + 4
    reached = lsuv_(model, x)
    found = variances(model, x)
    assert list(reached) == list(found)
    assert all(abs(variance - 1) < 0.1 for variance in found.values())
    for layer, (variance, iterations) in reached.items():
        assert variance == pytest.approx(found[layer], rel=1e-3)
        assert 0 <= iterations <= 10
    assert not any(block.linear.bias.any() for block in model.blocks)


def test_weights_are_orthogonal_up_to_a_factor() -> None:
    model = nn.Sequential(nn.Linear(20, 10), nn.Tanh(), nn.Linear(10, 4))
    lsuv_(model, torch.randn(100, 20))
    gram = model[0].weight @ model[0].weight.T
    torch.testing.assert_close(gram / gram[0, 0], torch.eye(10), rtol=0, atol=1e-5)


def test_layers_are_taken_in_the_order_in_which_they_are_called() -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first, self.never = nn.Linear(8, 3), nn.Linear(4, 8), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.first(x)))

    model = Reversed()
    never = model.never.weight.clone()
    assert list(lsuv_(model, torch.randn(50, 4))) == ["first", "last"]
    assert torch.equal(model.never.weight, never)


def model_with_everything() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nk.nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 36, 3),
    ).eval()


def test_modes_hooks_statistics_and_the_random_state_are_as_before() -> None:
    model = model_with_everything()
    model[1].train()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = torch.get_rng_state()
    lsuv_(
        model,
        torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
        generator=torch.Generator().manual_seed(1),
    )
    assert [module.training for module in model] == [False, True, False, False, False, False]
    assert not any(module._forward_hooks for module in model.modules())
    torch.testing.assert_close(dict(model.named_buffers()), buffers, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    "batch",
    [torch.full((16, 1, 8, 8), float("nan")), torch.randn(16, 1, 3, 3)],
    ids=["not finite", "of another size"],
)
def test_after_an_exception_everything_is_as_before(batch: torch.Tensor) -> None:
    model = model_with_everything()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with pytest.raises((ValueError, RuntimeError)):
        lsuv_(model, batch)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_cannot_be_scaled_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with pytest.raises(ValueError, match=r"output of '0' has the variance 0\.0.*samples that diff"):
        lsuv_(model, torch.zeros(8, 4))


def test_weight_normalization_is_scaled_and_its_parametrization_stays() -> None:
    model = nn.Sequential(nk.nn.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 4))
    x = torch.randn(100, 6) * 5
    reached = lsuv_(model, x)
    assert "0.parametrizations.weight.original0" in model.state_dict()
    assert variances(model, x)["0"] == pytest.approx(reached["0"].variance, rel=1e-3)
    assert abs(reached["0"].variance - 1) < 0.1


def test_where_the_scale_is_ignored_the_result_shows_it() -> None:
    model = nn.Sequential(nk.nn.weight_standardization(nn.Linear(6, 8)), nn.Linear(8, 4))
    reached = lsuv_(model, torch.randn(100, 6) * 5, max_iterations=2)
    assert reached["0"].iterations == 2
    assert reached["0"].variance > 2
    assert isinstance(reached["1"], Reached)


@pytest.mark.parametrize("arguments", [{"tolerance": 0.0}, {"max_iterations": 0}])
def test_arguments_outside_their_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="tolerance must be positive and max_iterations"):
        lsuv_(nn.Linear(4, 4), torch.randn(8, 4), **arguments)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="calls no convolution or linear layer"):
        lsuv_(nn.ReLU(), torch.randn(8, 4))


def test_the_weights_that_there_are_can_be_scaled_instead() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
    before = [layer.weight.detach().clone() for layer in (model[0], model[2])]
    bias = model[0].bias.detach().clone()
    reached = lsuv_(model, torch.randn(256, 20) * 7, orthogonal=False)
    for layer, weight in zip((model[0], model[2]), before, strict=True):
        ratio = layer.weight / weight
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))
    assert torch.equal(model[0].bias, bias)
    assert all(abs(layer.variance - 1) < 0.1 for layer in reached.values())


def test_weights_in_half_precision_are_drawn_in_single() -> None:
    model = nn.Sequential(nn.Linear(8, 6)).bfloat16()
    reached = lsuv_(model, torch.randn(64, 8).bfloat16() * 5)
    assert model[0].weight.dtype == torch.bfloat16
    assert abs(reached["0"].variance - 1) < 0.1
