"""Half precision goes in and comes out; between, all is float32, under autocast too."""

from __future__ import annotations

import copy

import torch

from normkit.testing.problem import Problem, close, state_of

HALVES = (torch.float16, torch.bfloat16)


def check(problem: Problem) -> None:
    """Compares with the layer in float32, on values whose squares float16 cannot hold."""
    for dtype in HALVES:
        layer = problem.layer_in_use()
        with torch.no_grad():  # Numbers that both precisions hold.
            for parameter in layer.parameters():
                parameter.copy_(parameter.to(dtype))
        x = problem.sample(dtype) * 100
        mixed, under_autocast, whole = (copy.deepcopy(layer) for _ in range(3))
        whole_half = copy.deepcopy(layer)
        for parameter in whole_half.parameters():
            parameter.data = parameter.data.to(dtype)
        expected = whole(x.float()).to(dtype)
        for name, made in (("parameters in float32", mixed), ("parameters in half", whole_half)):
            y = made(x)
            if y.dtype is not dtype:
                raise AssertionError(f"{dtype}, {name}: the output is {y.dtype}")
            close(y, expected, told=f"{dtype}, {name}")
            close(_statistics(made), _statistics(whole), told=f"statistics, {dtype}, {name}")
        with torch.autocast("cpu", dtype):
            y = under_autocast(x)
            y32 = under_autocast(x.float())
        close(y, expected, told=f"{dtype} under autocast")
        if y32.dtype is not torch.float32:
            raise AssertionError(f"a float32 input under autocast gives {y32.dtype}")
        # Statistics in half precision are rounded, and what they cannot hold leaves them alone.
        all_half = copy.deepcopy(whole_half).to(dtype)
        y = all_half(x)
        if y.dtype is not dtype or not all(b.isfinite().all() for b in all_half.buffers()):
            raise AssertionError(f"{dtype}, all in half: {y.dtype}, {state_of(all_half)}")
        _evaluated(problem, dtype)
        y = mixed(x.detach().requires_grad_())
        y.backward(torch.randn_like(y))
        for name, parameter in mixed.named_parameters():
            if parameter.grad is None or parameter.grad.dtype is not torch.float32:
                raise AssertionError(f"the gradient of {name} is not float32")


def _evaluated(problem: Problem, dtype: torch.dtype) -> None:
    """Running statistics in half precision do in evaluation about what those in float32 do."""
    layer = problem.make()
    twin = copy.deepcopy(layer).to(dtype)
    mixture = torch.randn(problem.shape[1], problem.shape[1])  # Channels that are correlated.
    for _ in range(20):
        x = problem.sample(torch.float32)
        x = torch.einsum("ij,nj...->ni...", mixture, x)
        layer(x), twin(x.to(dtype))
    y, found = layer.eval()(x), twin.eval()(x.to(dtype)).float()
    close(found, y, 0.2, 0.2 * max(1.0, y.abs().max().item()), f"{dtype}, evaluated")


def _statistics(layer: torch.nn.Module) -> dict[str, torch.Tensor]:
    state = state_of(layer)
    return {name: state[name] for name, _ in layer.named_buffers()}
