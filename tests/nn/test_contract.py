"""What every layer must do, whatever its method: one contract, run over all problems."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from tests.nn.conftest import Problem


def random_affine_(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def gradients(y: Tensor, upstream: Tensor, x: Tensor, layer: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(y, [x, *layer.parameters()], upstream))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_output_and_gradients_are_those_of_pytorch(problem: Problem, dtype: torch.dtype) -> None:
    theirs = random_affine_(problem.theirs(dtype=dtype))
    ours = problem.ours(dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    x = problem.sample(dtype).requires_grad_()
    expected = problem.run_theirs(theirs, x)
    upstream = torch.randn_like(expected)
    y = ours(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        gradients(y, upstream, x, ours),
        gradients(expected, upstream, x, theirs),
        rtol=1e-4 if dtype is torch.float32 else 1e-9,
        atol=1e-4 if dtype is torch.float32 else 1e-9,
    )


def test_output_and_gradients_are_those_of_the_formula_in_float64(problem: Problem) -> None:
    layer = random_affine_(problem.ours(dtype=torch.float64))
    x = problem.sample().requires_grad_()
    expected = problem.formula(x, layer.weight, getattr(layer, "bias", None))
    upstream = torch.randn_like(expected)
    y = layer(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        gradients(y, upstream, x, layer),
        gradients(expected, upstream, x, layer),
        rtol=1e-10,
        atol=1e-10,
    )


def test_first_and_second_derivatives_are_right(problem: Problem) -> None:
    layer = random_affine_(problem.ours(dtype=torch.float64, act="tanh"))
    x = torch.randn(3, *problem.shape[1:], dtype=torch.float64).requires_grad_()
    residual = torch.randn_like(x).requires_grad_()
    arguments = (x, residual, *layer.parameters())
    names = [name for name, _ in layer.named_parameters()]

    def call(x: Tensor, residual: Tensor, *parameters: Tensor) -> Tensor:
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(layer, state, (x, residual))

    # fast_mode projects on random directions: the full Jacobian would take minutes.
    assert torch.autograd.gradcheck(call, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, arguments, fast_mode=True)


def test_in_evaluation_after_training_steps_it_still_equals_pytorch(problem: Problem) -> None:
    theirs, ours = problem.theirs(), problem.ours()
    for _ in range(3):
        x = problem.sample(torch.float32)
        ours(x), problem.run_theirs(theirs, x)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    ours.eval(), theirs.eval()
    x = problem.sample(torch.float32)
    before = copy.deepcopy(ours.state_dict())
    torch.testing.assert_close(ours(x), problem.run_theirs(theirs, x))
    torch.testing.assert_close(ours.state_dict(), before, rtol=0, atol=0)


def test_state_dicts_load_both_ways(problem: Problem) -> None:
    theirs, ours = random_affine_(problem.theirs()), random_affine_(problem.ours(act="relu"))
    trained = ours.state_dict()
    assert list(trained) == list(theirs.state_dict())
    theirs.load_state_dict(trained, strict=True)
    fresh = problem.ours()
    fresh.load_state_dict(theirs.state_dict(), strict=True)
    for key, value in trained.items():
        assert torch.equal(fresh.state_dict()[key], value)


def test_it_is_an_instance_of_pytorchs_layer(problem: Problem) -> None:
    assert isinstance(problem.ours(), type(problem.theirs()))


def test_the_residual_is_added_before_the_activation(problem: Problem) -> None:
    plain = random_affine_(problem.ours())
    layer = problem.ours(act="leaky_relu")
    layer.load_state_dict(plain.state_dict())
    x, residual = problem.sample(torch.float32), problem.sample(torch.float32)
    torch.testing.assert_close(layer(x, residual), F.leaky_relu(plain(x) + residual))
    torch.testing.assert_close(layer(x), F.leaky_relu(plain(x)))


def test_an_activation_with_parameters_is_trained_with_the_layer(problem: Problem) -> None:
    layer = problem.ours(act=torch.nn.PReLU())
    assert "act.weight" in layer.state_dict()
    layer(problem.sample(torch.float32)).sum().backward()
    assert layer.act.weight.grad.abs() > 0


def test_a_wrong_activation_is_refused_when_the_layer_is_made(problem: Problem) -> None:
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        problem.ours(act="rleu")


def test_a_residual_of_another_shape_is_refused_and_leaves_no_trace(problem: Problem) -> None:
    layer = problem.ours()
    before = copy.deepcopy(layer.state_dict())
    x = problem.sample(torch.float32)
    with pytest.raises(ValueError, match="projection on its shortcut"):
        layer(x, x[:1])
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same(
    problem: Problem, clone: Callable[[torch.nn.Module], torch.nn.Module]
) -> None:
    layer = random_affine_(problem.ours(act="gelu"))
    twin = clone(layer)
    x = problem.sample(torch.float32)
    assert torch.equal(twin(x), layer(x))
    assert twin.weight is not layer.weight


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_inputs_are_computed_in_float32(problem: Problem, dtype: torch.dtype) -> None:
    layer = random_affine_(problem.ours())
    half = copy.deepcopy(layer).to(dtype)
    layer = copy.deepcopy(half).to(torch.float32)
    x = problem.sample(dtype) * 100  # Squares beyond float16's largest number.
    y = half(x)
    assert y.dtype is dtype
    assert torch.equal(y, layer(x.float()).to(dtype))


def test_a_half_input_may_meet_float32_parameters(problem: Problem) -> None:
    layer = random_affine_(problem.ours())
    x = problem.sample(torch.bfloat16)
    assert torch.equal(layer(x), layer(x.float()).bfloat16())


def test_an_integer_input_is_refused(problem: Problem) -> None:
    with pytest.raises(TypeError, match=r"x\.float\(\)"):
        problem.ours()(torch.zeros(problem.shape, dtype=torch.int64))


def test_the_order_of_the_memory_is_kept(problem: Problem) -> None:
    layer = random_affine_(problem.ours(act="relu"))
    x = problem.sample(torch.float32)
    expected = layer(x, x)
    last = x.movedim(1, -1).contiguous().movedim(-1, 1).requires_grad_()
    y = layer(last, last)
    torch.testing.assert_close(y, expected)
    assert y.stride() == last.stride()
    y.backward(torch.randn_like(y))
    assert last.grad.stride() == last.stride()


def test_an_empty_batch_gives_an_empty_output_and_finite_gradients(problem: Problem) -> None:
    layer = problem.ours()
    before = copy.deepcopy(layer.state_dict())
    x = torch.empty(0, *problem.shape[1:], requires_grad=True)
    y = layer(x)
    assert y.shape == x.shape
    for gradient in gradients(y, torch.empty_like(y), x, layer):
        assert torch.equal(gradient, torch.zeros_like(gradient))
    before.pop("num_batches_tracked", None)
    after = {key: layer.state_dict()[key] for key in before}
    torch.testing.assert_close(after, dict(before), rtol=0, atol=0)


def test_the_activation_is_shown(problem: Problem) -> None:
    assert "act='relu'" in repr(problem.ours(act="relu"))
    assert "act=" not in repr(problem.ours())
