"""Residual branches without a norm: Fixup and SkipInit."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils.parametrize import is_parametrized

from normkit.models import BRANCHES, ResidualNetwork, build
from normkit.models.branch import ScalarBias, ScalarMultiplier


def residual(branch: str, **arguments: object) -> ResidualNetwork:
    defaults = {"num_classes": 3, "in_channels": 1, "image_size": (8, 8), "width": 16, "depth": 8}
    model = build("residual", **defaults | arguments, branch=branch)
    assert isinstance(model, ResidualNetwork)
    return model


def test_plain_is_the_network_as_it_is() -> None:
    torch.manual_seed(3)
    plain = residual("plain").state_dict()
    torch.manual_seed(3)
    default = build(
        "residual", num_classes=3, in_channels=1, image_size=(8, 8), width=16, depth=8
    ).state_dict()
    assert list(plain) == list(default)
    torch.testing.assert_close(plain, default, rtol=0, atol=0)


@pytest.mark.parametrize("branch", ["fixup", "skipinit"])
def test_every_branch_is_zero_at_first(branch: str) -> None:
    model = residual(branch)
    for unit in model.units:
        x = torch.relu(torch.randn(2, unit.first.linear.in_channels, 8, 8))
        assert torch.equal(unit(x), torch.relu(unit.shortcut(x)))


@pytest.mark.parametrize("branch", ["fixup", "skipinit"])
def test_a_deep_network_learns(branch: str) -> None:
    model = residual(branch, depth=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    x, y = torch.randn(16, 1, 8, 8), torch.randint(3, (16,))
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_skipinit_is_one_learnable_scalar_at_the_end_of_every_branch() -> None:
    model, plain = residual("skipinit"), residual("plain")
    scalars = [module for module in model.modules() if isinstance(module, ScalarMultiplier)]
    assert scalars == [unit.second.norm for unit in model.units]
    assert all(scalar.scale.requires_grad and not scalar.scale for scalar in scalars)
    assert len(list(model.parameters())) == len(list(plain.parameters())) + len(model.units)
    for scalar in scalars:
        torch.nn.init.ones_(scalar.scale)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "scale" not in k})
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(model(x), plain(x))


def test_fixup_has_the_scalars_and_the_first_weights_of_its_paper() -> None:
    torch.manual_seed(0)
    model = residual("fixup", width=32)
    branches = len(model.units)
    for unit in model.units:
        fan_in = unit.first.linear.weight[0].numel()
        expected = math.sqrt(2 / fan_in) / math.sqrt(branches)
        assert unit.first.linear.weight.std().item() == pytest.approx(expected, rel=0.05)
        assert not unit.second.linear.weight.any()
        biases = [module for module in unit.modules() if isinstance(module, ScalarBias)]
        # In front of two convolutions and two activations.
        assert len(biases) == 4
        (scale,) = (m.scale for m in unit.modules() if isinstance(m, ScalarMultiplier))
        assert scale == 1
    # And in front of the first convolution, its activation, and the classifier.
    biases = [module for module in model.modules() if isinstance(module, ScalarBias)]
    assert len(biases) == 4 * branches + 3
    assert not any(module.bias for module in biases)
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(convolution.bias is None for convolution in convolutions)
    assert not model.classifier.weight.any()
    assert not model.classifier.bias.any()


def test_fixup_scales_what_another_rule_draws() -> None:
    torch.manual_seed(0)
    model = residual("fixup", width=32, init="gaussian", init_gain=10.0)
    for unit in model.units:
        fan_in = unit.first.linear.weight[0].numel()
        expected = 10 * math.sqrt(2 / fan_in) / math.sqrt(len(model.units))
        assert unit.first.linear.weight.std().item() == pytest.approx(expected, rel=0.05)
        assert not unit.second.linear.weight.any()


def test_skipinit_goes_with_a_method_on_the_weights() -> None:
    model = residual("skipinit", norm="scaled_weight_standardization")
    assert all(is_parametrized(block.linear, "weight") for block in model.blocks)
    assert isinstance(model.units[0].second.norm, ScalarMultiplier)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"branch": "fixup", "norm": "batch"}, "without norms; got norm='batch'"),
        ({"branch": "skipinit", "norm": "batch"}, "or a method on the weights"),
        ({"branch": "fixup", "norm": "weight_norm"}, "Use norm='none', or branch='plain'"),
        ({"branch": "skipinit", "placement": "after"}, "Leave placement out"),
        ({"branch": "fixpu"}, "Did you mean 'fixup'"),
    ],
)
def test_what_makes_no_sense_together_is_refused(arguments: dict[str, str], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        residual(**arguments)


@pytest.mark.parametrize("name", ["plain", "vgg", "mlp"])
def test_a_model_without_branches_takes_none(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name!r} has no residual branches.*Use 'residual'"):
        build(name, num_classes=3, in_channels=1, image_size=(8, 8), branch="fixup")


def test_every_branch_has_its_line() -> None:
    assert list(BRANCHES) == ["plain", "fixup", "skipinit"]
    assert all(BRANCHES.values())
