"""First and second derivatives are those of the function that is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.testing.problem import Problem


def check(problem: Problem) -> None:
    """Compares with finite differences, in training and in evaluation.

    What is kept of the weights moves with them in training and is taken as constant, so there it
    is in evaluation alone that the derivatives are those of the function.
    """
    constant = problem.on == "weights" and problem.statistics is not None
    for training in (False,) if constant else (True, False):
        layer = problem.layer_in_use(torch.float64, act="tanh").train(training)
        x = problem.sample(torch.float64, (problem.fewest + 1, *problem.shape[1:])).requires_grad_()
        residual = torch.randn_like(x).requires_grad_()
        names = [name for name, _ in layer.named_parameters()]
        kept = {name: buffer.clone() for name, buffer in layer.named_buffers()}

        def call(
            x: Tensor,
            residual: Tensor,
            *parameters: Tensor,
            layer: torch.nn.Module = layer,
            names: list[str] = names,
            kept: dict[str, Tensor] = kept,
        ) -> Tensor:
            # Buffers anew in every call, so that it is one function that is called each time.
            state = {name: buffer.clone() for name, buffer in kept.items()}
            state.update(zip(names, parameters, strict=True))
            y: Tensor = torch.func.functional_call(layer, state, (x, residual))
            return y

        arguments = (x, residual, *layer.parameters())
        # fast_mode projects on random directions: the full Jacobian would take minutes.
        torch.autograd.gradcheck(call, arguments, fast_mode=True)
        torch.autograd.gradgradcheck(call, arguments, fast_mode=True)
