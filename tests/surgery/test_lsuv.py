"""First weights that do without a norm, on any model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import normkit as nk

Differences = Callable[[], list[str]]


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 5),
    )


def images() -> Tensor:
    return torch.randn(64, 3, 8, 8) * 7 + 3


def test_every_layers_output_has_unit_variance() -> None:
    model, x = net(), images()
    outputs: dict[str, Tensor] = {}
    for name in ("0", "2", "5"):
        model.get_submodule(name).register_forward_hook(
            lambda _, __, y, name=name: outputs.update({name: y})
        )
    surgery = nk.lsuv_(model, x)
    model(x)
    assert list(outputs) == [site.name for site in surgery.sites] == ["0", "2", "5"]
    for name, site in zip(outputs, surgery.sites, strict=True):
        variance = float(outputs[name].detach().var(unbiased=False))
        assert variance == pytest.approx(1, abs=0.11)
        assert site.done == f"variance {variance:.2f}"


def test_biases_are_zero_and_the_difference_is_told() -> None:
    model, x = net(), images()
    before = model(x)
    surgery = nk.lsuv_(model, x)
    assert not model[0].bias.any()
    wanted = (model(x) - before).abs().max() / before.abs().max()
    assert surgery.difference == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_options_are_those_of_the_initialisation() -> None:
    model = net()
    bias = model[0].bias.detach().clone()
    nk.lsuv_(model, images(), orthogonal=False, tolerance=0.01)
    assert torch.equal(model[0].bias, bias)


def test_it_is_the_same_for_the_same_generator() -> None:
    x = images()
    one, other = net(), net()
    nk.lsuv_(one, x, generator=torch.Generator().manual_seed(3))
    nk.lsuv_(other, x, generator=torch.Generator().manual_seed(3))
    assert torch.equal(one[2].weight, other[2].weight)


def test_it_is_taken_back_exactly(remember: Callable[..., Differences]) -> None:
    model, x = nn.Sequential(net(), nn.Dropout()), images()
    model[0][0].eval()
    differences = remember(model)
    surgery = nk.lsuv_(model, x)
    assert {each.partition(" ")[0] for each in differences()} == {
        f"0.{index}.{name}" for index in (0, 2, 5) for name in ("weight", "bias")
    }
    surgery.undo()
    assert differences() == []


def test_a_constant_batch_is_refused_with_the_layer_and_nothing_changed(
    remember: Callable[..., Differences],
) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    differences = remember(model)
    with pytest.raises(ValueError, match="the output of '0' has the variance"):
        nk.lsuv_(model, torch.zeros(5, 3))
    assert differences() == []


def test_a_model_without_such_a_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="calls no convolution or linear layer"):
        nk.lsuv_(nn.Sequential(nn.ReLU()), torch.randn(2, 3))


def test_a_wrapped_model_is_refused_with_the_fix() -> None:
    with pytest.raises(
        TypeError, match=r"lsuv_ changes a model before it is wrapped.*model\.module"
    ):
        nk.lsuv_(nn.DataParallel(net()), images())
