"""Which modules are norms, and which layer of normkit's computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.derived import Derived, derived
from normkit.surgery.norms import is_norm, layer_class


class Nothing(Derived):
    prefix = "Nothing"


THEIRS = [
    nn.BatchNorm1d(4),
    nn.BatchNorm2d(4),
    nn.BatchNorm3d(4),
    nn.SyncBatchNorm(4),
    nn.InstanceNorm1d(4),
    nn.InstanceNorm2d(4),
    nn.InstanceNorm3d(4),
    nn.GroupNorm(2, 4),
    nn.LayerNorm(4),
    nn.RMSNorm(4),
]


@pytest.mark.parametrize("norm", THEIRS, ids=lambda norm: type(norm).__name__)
def test_each_of_pytorchs_is_a_norm_and_normkits_of_the_same_name(norm: nn.Module) -> None:
    assert is_norm(norm)
    assert layer_class(norm) is getattr(nk.nn, type(norm).__name__)


def test_each_method_of_the_catalogue_is_a_norm_and_its_own_layer() -> None:
    for name, method in nk.catalogue().items():
        if method.on == "weights" or name == "none":
            continue
        norm = nk.make(name, 4, dims=2)
        assert is_norm(norm), name
        assert layer_class(norm) is type(norm), name


@pytest.mark.parametrize("other", [nn.ReLU(), nn.Conv2d(3, 4, 1), nn.Identity(), nk.nn.Identity()])
def test_other_layers_are_none(other: nn.Module) -> None:
    assert not is_norm(other)
    assert layer_class(other) is None or isinstance(other, nk.nn.Identity)


def test_local_response_norm_of_pytorch_has_a_twin_too() -> None:
    assert is_norm(nn.LocalResponseNorm(2))
    assert layer_class(nn.LocalResponseNorm(2)) is nk.nn.LocalResponseNorm


def test_what_a_surgery_has_added_does_not_count() -> None:
    norm = nn.BatchNorm2d(4)
    norm.__class__ = derived(Nothing, nn.BatchNorm2d)
    assert is_norm(norm)
    assert layer_class(norm) is nk.nn.BatchNorm2d


def test_a_forward_pass_of_its_own_may_do_anything() -> None:
    class Doubled(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    class DoubledOfNormkit(nk.nn.GroupNorm):
        def forward(self, *arguments: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(*arguments) * 2

    patched = nn.BatchNorm2d(4)
    patched.forward = lambda x: x * 2  # type: ignore[method-assign]
    for norm in (Doubled(4), DoubledOfNormkit(2, 4), patched):
        assert is_norm(norm)
        assert layer_class(norm) is None


def test_a_subclass_that_computes_the_same_counts_as_its_base() -> None:
    class Named(nn.BatchNorm2d):
        """As torch.nn.BatchNorm2d."""

    assert layer_class(Named(4)) is nk.nn.BatchNorm2d


def test_the_twin_has_the_same_attributes() -> None:
    for norm in THEIRS:
        cls = layer_class(norm)
        assert cls is not None
        x = torch.randn(3, 4, *[4] * (2 if "2d" in cls.__name__ else 1))
        if "3d" not in cls.__name__:
            expected = norm.eval()(x)
            norm.__class__ = cls
            norm.act = None
            torch.testing.assert_close(norm(x), expected)
