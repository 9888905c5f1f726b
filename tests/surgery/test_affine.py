"""What a norm does in evaluation, as a scale and a shift of each channel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.affine import fixed_affine


def trained(norm: nn.Module) -> nn.Module:
    norm.double().train()
    for name, tensor in norm.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, *((-1, 1) if name in ("bias", "running_mean") else (0.5, 1.5)))
    for _ in range(5):
        norm(torch.randn(6, 4, 5, 3, dtype=torch.float64) * 2 + 1)
    return norm.eval()


FIXED: dict[str, Callable[[], nn.Module]] = {
    "BatchNorm2d": lambda: nn.BatchNorm2d(4, eps=0.1),
    "without affine": lambda: nn.BatchNorm2d(4, affine=False),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(4),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "nk BatchNorm2d": lambda: nk.nn.BatchNorm2d(4),
    "nk BatchNorm2d without β": lambda: nk.nn.BatchNorm2d(4, bias=False),
    "nk SyncBatchNorm": lambda: nk.nn.SyncBatchNorm(4),
    "nk InstanceNorm2d": lambda: nk.nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "ghost_batch": lambda: nk.make("ghost_batch", 4, dims=2),
    "batch_renorm": lambda: nk.make("batch_renorm", 4, dims=2),
    "frozen_batch": lambda: nk.make("frozen_batch", 4, dims=2),
}


@pytest.mark.parametrize("make", FIXED.values(), ids=FIXED)
def test_it_is_what_the_layer_computes(make: Callable[[], nn.Module]) -> None:
    norm = trained(make())
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64) * 3 - 1
    affine = fixed_affine(norm)
    assert not isinstance(affine, str)
    scale, shift = (each.view(-1, 1, 1) for each in affine)
    torch.testing.assert_close(scale * x + shift, norm(x))
    assert not torch.allclose(scale * x + shift, x)


def test_it_is_told_in_double_precision_whatever_the_layers_is() -> None:
    affine = fixed_affine(nn.BatchNorm2d(4).half())
    assert isinstance(affine, tuple)
    assert {each.dtype for each in affine} == {torch.float64}
    assert not any(each.requires_grad for each in affine)


def test_no_method_that_looks_at_its_input_is_told_to_be_fixed() -> None:
    """Whatever is told to be fixed does the same to a sample in any company."""
    x = torch.randn(2, 4, 5, 3)
    for name, method in nk.catalogue().items():
        if method.on == "weights" or name == "none":
            continue
        norm = nk.make(name, 4, dims=2).eval()
        affine = fixed_affine(norm)
        if isinstance(affine, str):
            continue
        scale, shift = (each.view(-1, 1, 1) for each in affine)
        torch.testing.assert_close(norm(x).double(), scale * x + shift, rtol=1e-5, atol=1e-5)


REFUSED: dict[str, Callable[[], nn.Module]] = {
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(4),
    "BatchNorm2d": lambda: nn.BatchNorm2d(4, track_running_stats=False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_norms_are_refused_by_name(name: str) -> None:
    expected = f"{name} takes its statistics from what it is given, in evaluation too"
    assert fixed_affine(REFUSED[name]()) == expected


def test_instance_norm_that_stopped_tracking_looks_at_its_input_again() -> None:
    norm = nn.InstanceNorm2d(4, track_running_stats=True).eval()
    norm.track_running_stats = False
    assert isinstance(fixed_affine(norm), str)


def test_a_layer_with_a_forward_of_its_own_is_refused() -> None:
    norm = nn.BatchNorm2d(4)
    norm.forward = lambda x: x  # type: ignore[method-assign]
    assert fixed_affine(norm) == "BatchNorm2d has a forward pass of its own"


def test_the_layers_own_are_not_touched() -> None:
    norm = nn.BatchNorm2d(4).double()
    before: list[Tensor] = [each.clone() for each in norm.state_dict().values()]
    scale, shift = fixed_affine(norm)
    assert isinstance(scale, Tensor)
    assert isinstance(shift, Tensor)
    scale.zero_()
    shift.fill_(3)
    torch.testing.assert_close(list(norm.state_dict().values()), before, rtol=0, atol=0)
