"""Forward passes that leave a model as it was."""

from __future__ import annotations

import copy
import random
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normkit.surgery.passes import outputs_at, run


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout())


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + random.random() + np.random.rand() + torch.rand_like(x)


def test_every_pass_draws_the_same_numbers_and_leaves_the_generators() -> None:
    model, x = nn.Sequential(network(), Noise()), torch.randn(2, 3, 5, 4)
    first = run(model, x)
    assert torch.equal(first, run(model, x))
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    run(model, x)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert (states[2] == np.random.get_state()[1]).all()


@pytest.mark.parametrize("evaluates", [False, True])
def test_statistics_gradients_and_modes_stay(evaluates: bool) -> None:
    model = network()
    model[3].eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    y = run(model, torch.randn(2, 3, 5, 4), evaluates=evaluates)
    assert not y.requires_grad
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert [m.training for m in model.modules()] == modes
    assert bool((model[0].weight.grad == 1).all())


def test_it_runs_in_the_mode_that_the_model_is_in_or_evaluates() -> None:
    model, x = network(), torch.randn(2, 3, 5, 4)
    evaluated = run(model, x, evaluates=True)
    assert not torch.allclose(run(model, x), evaluated)
    torch.testing.assert_close(run(model.eval(), x), evaluated)


def test_it_runs_inside_what_is_to_be_around() -> None:
    told: list[str] = []

    @contextmanager
    def around():  # type: ignore[no-untyped-def]
        told.append("in")
        yield
        told.append("out")

    model = network()
    model.register_forward_hook(lambda *_: told.append("model"))
    run(model, torch.randn(2, 3, 5, 4), around=around)
    assert told == ["in", "model", "out"]


def test_outputs_are_kept_as_they_were_when_a_layer_returned_them() -> None:
    model, x = network().eval(), torch.randn(2, 3, 5, 4)
    outputs = outputs_at(model, x, {model[0], model[1]})
    with torch.no_grad():
        torch.testing.assert_close(outputs.of[model[0]], [model[0](x)])
        # The activation after it works in place.
        torch.testing.assert_close(outputs.of[model[1]], [model[1](model[0](x))])
        torch.testing.assert_close(outputs.output, model(x))
    assert float(outputs.of[model[1]][0].min()) < 0


def test_each_call_of_a_layer_is_kept() -> None:
    layer = nn.Conv2d(3, 3, 1)
    outputs = outputs_at(nn.Sequential(layer, layer), torch.randn(2, 3, 5, 4), [layer])
    assert len(outputs.of[layer]) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_is_left(fails: bool) -> None:
    model = network()
    if fails:
        with pytest.raises(RuntimeError):
            outputs_at(model, torch.randn(2, 7, 5, 4), model)
    else:
        outputs_at(model, torch.randn(2, 3, 5, 4), model)
    assert not any(module._forward_hooks for module in model.modules())
