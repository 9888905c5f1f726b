"""The ending act(y + residual)."""

from __future__ import annotations

import pytest
import torch

from normkit import functional as F


@pytest.mark.parametrize("name", F.ACTIVATIONS)
def test_a_name_is_the_function_of_that_name_in_pytorch(name: str) -> None:
    x = torch.linspace(-4, 4, 17)
    expected = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    assert torch.equal(F.finish(x, act=name), expected(x))


def test_without_activation_or_residual_the_tensor_itself_comes_back() -> None:
    x = torch.randn(3)
    assert F.finish(x) is x


def test_the_residual_is_added_before_the_activation() -> None:
    x, residual = torch.tensor([-1.0, -1.0]), torch.tensor([3.0, 0.0])
    assert F.finish(x, "relu", residual).tolist() == [2.0, 0.0]


def test_the_residual_is_not_broadcast() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\); got \(1, 3, 1, 1\)"):
        F.finish(torch.zeros(2, 3, 4, 4), residual=torch.zeros(1, 3, 1, 1))


def test_modules_and_functions_are_taken() -> None:
    x = torch.tensor([-1.0, 1.0])
    assert F.finish(x, act=torch.nn.LeakyReLU(0.5)).tolist() == [-0.5, 1.0]
    assert F.finish(x, act=torch.abs).tolist() == [1.0, 1.0]


def test_an_unknown_name_lists_the_close_matches() -> None:
    with pytest.raises(ValueError, match=r"'leaky_rellu'\. Did you mean 'leaky_relu'"):
        F.resolve_activation("leaky_rellu")


@pytest.mark.parametrize("act", [torch.nn.ReLU, 3, ["relu"]], ids=str)
def test_what_is_not_an_activation_is_refused_with_the_likely_fix(act: object) -> None:
    with pytest.raises(TypeError, match="pass the module itself"):
        F.resolve_activation(act)  # type: ignore[arg-type]


def test_the_names_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        F.ACTIVATIONS["mine"] = torch.abs  # type: ignore[index]
