"""What every model does."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import normkit as nk
from normkit.models import MODELS, PLACEMENTS, Block, build

every_model = pytest.mark.parametrize("name", MODELS)


def small(name: str, **arguments: object) -> torch.nn.Module:
    defaults = {"num_classes": 10, "in_channels": 1, "image_size": (8, 8), "depth": 4, "width": 8}
    return build(name, **defaults | arguments)


def needs_positions(name: str, norm: str, placement: str) -> bool:
    """Whether a norm that needs positions would meet a hidden linear layer."""
    linear = name == "mlp" or (name == "vgg" and placement == "before_and_linear")
    return nk.catalogue()[norm].needs_positions and linear


@every_model
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (9, 20)], ids=str)
def test_images_of_any_size_give_one_logit_per_class(
    name: str, channels: int, size: tuple[int, int]
) -> None:
    model = small(name, num_classes=7, in_channels=channels, image_size=size)
    assert model(torch.randn(2, channels, *size)).shape == (2, 7)


@every_model
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("norm", nk.catalogue())
def test_a_step_of_training_has_finite_gradients_for_every_parameter(
    name: str, norm: str, placement: str
) -> None:
    torch.manual_seed(0)
    if needs_positions(name, norm, placement):
        with pytest.raises(ValueError, match="normalization needs positions"):
            small(name, norm=norm, placement=placement)
        return
    model = small(name, norm=norm, placement=placement)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [parameter.clone() for parameter in model.parameters()]
    F.cross_entropy(model(torch.randn(16, 1, 8, 8)), torch.randint(10, (16,))).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    optimizer.step()
    assert any(
        not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)
    )


@every_model
def test_the_same_seed_gives_identical_weights(name: str) -> None:
    states = []
    for init in ("default", "default", "he", "he"):
        torch.manual_seed(3)
        states.append(small(name, norm="batch", init=init).state_dict())
    for first, second in ((0, 1), (2, 3)):
        for key, value in states[first].items():
            assert torch.equal(value, states[second][key]), key


@every_model
def test_the_norm_does_not_change_the_initial_weights(name: str) -> None:
    weights = []
    for norm in ("none", "batch"):
        torch.manual_seed(3)
        model = small(name, norm=norm)
        weights.append([block.linear.weight for block in model.blocks])
    for without, with_batch in zip(*weights, strict=True):
        assert torch.equal(without, with_batch)


@every_model
def test_all_linear_maps_keep_their_bias_whatever_the_norm(name: str) -> None:
    for norm in ("none", "batch"):
        for block in small(name, norm=norm).blocks:
            assert block.linear.bias is not None


@every_model
def test_blocks_are_met_in_the_order_of_depth(name: str) -> None:
    model = small(name, norm="group")
    met: list[torch.nn.Module] = []
    for block in model.blocks:
        assert isinstance(block, Block)
        block.register_forward_hook(lambda module, *_: met.append(module))
    model(torch.randn(2, 1, 8, 8))
    assert met == list(model.blocks)


@every_model
def test_the_depth_counts_the_hidden_layers(name: str) -> None:
    besides = {"plain": 0, "vgg": 1, "residual": 1, "mlp": 0}
    assert len(list(small(name, depth=6).blocks)) == 6 + besides[name]


@every_model
def test_the_norm_may_be_a_callable(name: str) -> None:
    def norm(channels: int, dims: int = 2) -> torch.nn.Module:
        return nk.make("batch", channels, dims=dims, eps=0.5)

    epsilons = {
        block.norm.eps for block in small(name, norm=norm).blocks if hasattr(block.norm, "eps")
    }
    assert epsilons == {0.5}


@every_model
def test_dropout_is_in_front_of_the_classifier_alone(name: str) -> None:
    model = small(name, dropout=0.5)
    dropouts = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert dropouts == [model.dropout]
    seen: list[Tensor] = []
    model.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        x = torch.randn(64, 1, 8, 8)
        model(x), model.eval()(x)
    assert (seen[0] == 0).float().mean() > (seen[1] == 0).float().mean() + 0.1


@every_model
def test_without_dropout_no_random_number_is_drawn_in_training(name: str) -> None:
    model = small(name, norm="batch")
    before = torch.get_rng_state()
    model(torch.zeros(2, 1, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)


@every_model
def test_the_activation_is_chosen_by_name(name: str) -> None:
    assert {block.act.act for block in small(name, activation="tanh").blocks} == {"tanh"}


@every_model
@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("depth", 0, "depth must be at least 1"),
        ("width", 0, "width must be at least 1"),
        ("num_classes", 0, "num_classes must be at least 1"),
        ("in_channels", 0, "in_channels must be at least 1"),
        ("image_size", (0, 8), "height in image_size must be at least 1"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("norm", "bacth", "Did you mean 'batch'"),
        ("placement", "befor", "Did you mean 'before'"),
        ("init", "hee", "Did you mean 'he'"),
        ("activation", "rleu", "Did you mean 'relu'"),
    ],
)
def test_an_argument_outside_its_range_is_refused(
    name: str, argument: str, value: object, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        small(name, **{argument: value})


def test_an_unknown_model_lists_the_close_matches() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'plain'\?.*plain, vgg, residual, mlp"):
        small("plane")


@every_model
def test_an_unknown_argument_lists_the_close_matches(name: str) -> None:
    with pytest.raises(TypeError, match=r"'widht'\. Did you mean 'width'"):
        small(name, widht=8)
