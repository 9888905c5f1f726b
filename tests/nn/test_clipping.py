"""Adaptive gradient clipping, against the formula of its paper."""

from __future__ import annotations

import pytest
import torch

from normkit.nn import clip_grad_adaptive_


def with_gradient(*shape: int, weight: float = 1.0, gradient: float = 1.0) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(torch.randn(shape) * weight)
    parameter.grad = torch.randn(shape) * gradient
    return parameter


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 3, 3), (5, 4, 2, 3, 3)])
def test_each_unit_is_clipped_by_equation_3(shape: tuple[int, ...]) -> None:
    parameter = with_gradient(*shape)
    with torch.no_grad():
        parameter.mul_(
            torch.tensor([1e3, 1.0, 1e-5, 0.0, 30.0]).reshape(-1, *(1,) * len(shape[1:]))
        )
    before = parameter.grad.clone()
    clip_grad_adaptive_(parameter, clipping=0.1, eps=1e-3)
    for w, g, got in zip(parameter, before, parameter.grad, strict=True):
        least = max(w.norm().item(), 1e-3)
        ratio = g.norm().item() / least
        expected = g * (0.1 * least / g.norm().item()) if ratio > 0.1 else g
        torch.testing.assert_close(got, expected)
    assert torch.equal(parameter.grad[0], before[0])


@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_bias_or_a_number_is_one_unit(shape: tuple[int, ...]) -> None:
    parameter = with_gradient(*shape, gradient=100.0)
    before = parameter.grad.clone()
    clip_grad_adaptive_([parameter])
    factor = 0.01 * max(parameter.norm().item(), 1e-3) / before.norm().item()
    torch.testing.assert_close(parameter.grad, before * factor)


def test_weights_of_zero_can_grow() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    parameter.grad = torch.ones(2, 3)
    clip_grad_adaptive_([parameter])
    torch.testing.assert_close(parameter.grad.norm(dim=1), torch.full((2,), 1e-5))


def test_gradients_that_are_missing_zero_or_not_finite_are_left() -> None:
    without = torch.nn.Parameter(torch.randn(2, 3))
    zero = with_gradient(2, 3, gradient=0.0)
    spoilt = with_gradient(2, 3)
    spoilt.grad[0, 0], spoilt.grad[1, 1] = float("nan"), float("inf")
    before = spoilt.grad.clone()
    clip_grad_adaptive_(iter([without, zero, spoilt]))
    assert without.grad is None
    assert not zero.grad.any()
    torch.testing.assert_close(spoilt.grad, before, rtol=0, atol=0, equal_nan=True)


def test_half_precision_is_measured_in_float32() -> None:
    parameter = torch.nn.Parameter(torch.full((1, 3), 300.0, dtype=torch.float16))
    parameter.grad = torch.full((1, 3), 300.0, dtype=torch.float16)
    clip_grad_adaptive_(parameter, clipping=0.5)
    torch.testing.assert_close(parameter.grad, torch.full((1, 3), 150.0, dtype=torch.float16))


@pytest.mark.parametrize("arguments", [{"clipping": 0.0}, {"eps": -1.0}, {"eps": float("nan")}])
def test_arguments_outside_their_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        clip_grad_adaptive_([], **arguments)
