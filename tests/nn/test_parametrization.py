"""What all methods on the weights do to a layer."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.nn.utils import parametrize

import normkit as nk

ON_WEIGHTS = [method for method in nk.catalogue().values() if method.on == "weights"]

every_method = pytest.mark.parametrize(
    "put_on", [m.layers[2] for m in ON_WEIGHTS], ids=[m.name for m in ON_WEIGHTS]
)
every_layer = pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: torch.nn.Linear(6, 4), (2, 6)),
        (lambda: torch.nn.Conv1d(6, 4, 3, groups=2), (2, 6, 8)),
        (lambda: torch.nn.Conv2d(6, 4, 3), (2, 6, 8, 8)),
        (lambda: torch.nn.Conv3d(6, 4, 3), (2, 6, 4, 4, 4)),
        (lambda: torch.nn.ConvTranspose1d(6, 4, 3), (2, 6, 8)),
        (lambda: torch.nn.ConvTranspose2d(6, 4, 3, groups=2), (2, 6, 8, 8)),
        (lambda: torch.nn.ConvTranspose3d(6, 4, 3), (2, 6, 4, 4, 4)),
    ],
    ids=[
        "linear",
        "1d-groups",
        "2d",
        "3d",
        "transposed-1d",
        "transposed-2d-groups",
        "transposed-3d",
    ],
)


@every_method
@every_layer
def test_it_goes_on_every_layer_and_off_again(put_on, make, shape) -> None:  # type: ignore[no-untyped-def]
    layer = make()
    kind, weight_shape = type(layer), layer.weight.shape
    assert put_on(layer) is layer
    x = torch.randn(shape)
    layer(x).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    layer.eval()
    y = layer(x)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind
    assert layer.weight.shape == weight_shape
    assert set(layer.state_dict()) == {"weight", "bias"}
    torch.testing.assert_close(layer(x), y)


@every_method
def test_putting_it_on_leaves_torchs_random_state(put_on) -> None:  # type: ignore[no-untyped-def]
    layer = torch.nn.Conv2d(4, 4, 3)
    before = torch.get_rng_state()
    put_on(layer)
    assert torch.equal(torch.get_rng_state(), before)


@every_method
def test_a_deep_copy_and_a_state_dict_give_the_same_layer_back(put_on) -> None:  # type: ignore[no-untyped-def]
    layer = put_on(torch.nn.Conv2d(4, 4, 3))
    x = torch.randn(2, 4, 5, 5)
    layer(x)
    twin, loaded = copy.deepcopy(layer), put_on(torch.nn.Conv2d(4, 4, 3))
    loaded.load_state_dict(copy.deepcopy(layer.state_dict()))
    y = layer(x)
    for other in (twin, loaded):
        assert torch.equal(other(x), y)
        assert not set(map(id, other.parameters())) & set(map(id, layer.parameters()))


@every_method
def test_pytorch_does_not_pickle_the_layer_as_a_whole(put_on) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(put_on(torch.nn.Conv2d(4, 4, 3)))


@every_method
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_weight_in_half_precision_is_computed_in_float32(put_on, dtype) -> None:  # type: ignore[no-untyped-def]
    half, single = (put_on(torch.nn.Conv2d(64, 4, 3)).eval() for _ in range(2))
    half.load_state_dict({name: 300 * t for name, t in half.state_dict().items()})
    half = half.to(dtype)
    single.load_state_dict({name: t.float() for name, t in half.state_dict().items()})
    assert half.weight.dtype is dtype
    assert torch.equal(half.weight, single.weight.to(dtype))
    with torch.autocast("cpu", dtype):
        assert torch.equal(single.weight.to(dtype), half.weight)
        assert single.weight.dtype is torch.float32


@every_method
def test_a_channels_last_weight_stays_channels_last(put_on) -> None:  # type: ignore[no-untyped-def]
    layer = put_on(torch.nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


@every_method
def test_what_has_no_weight_is_refused(put_on) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"Sequential has no weight 'weight'.*layer itself"):
        put_on(torch.nn.Sequential(torch.nn.Linear(2, 3)))
    with pytest.raises(ValueError, match="its own parameters: weight, bias"):
        put_on(torch.nn.Linear(2, 3), name="wieght")
    with pytest.raises(ValueError, match="Call it once before"):
        put_on(torch.nn.LazyLinear(3))
    with pytest.raises(ValueError, match="Leave biases and gains out"):
        put_on(torch.nn.Linear(2, 3), name="bias")
