"""What cannot be right is refused, with the rule, what came and the likely fix."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch

from normkit.testing.problem import Problem, close, state_of


def check(problem: Problem) -> None:
    """Wrong inputs and options raise, and leave no trace."""
    layer = problem.layer_in_use()
    before = state_of(layer)
    x = problem.sample(torch.float32)
    _refused(lambda: layer(x.long()), TypeError, "an integer input")
    _refused(lambda: layer(x.flatten()), ValueError, "an input without a channel axis")
    if any(tensor.ndim == 1 for tensor in before.values()):
        more = problem.sample(torch.float32, (x.shape[0], x.shape[1] * 2, *x.shape[2:]))
        _refused(lambda: layer(more), ValueError, "another number of channels")
    _refused(lambda: problem.make(act="rleu"), ValueError, "an unknown activation")
    _refused(lambda: problem.make(act=torch.nn.ReLU), TypeError, "an activation's class")
    _refused(lambda: problem.make(epsilon=1e-5), TypeError, "an unknown keyword")
    close(state_of(layer), before, told="state after what was refused")


def _refused(call: Callable[[], object], kind: type[Exception], what: str) -> None:
    try:
        call()
    except kind as error:
        told = str(error)
        if isinstance(error, KeyError) or len(told) < 20:
            raise AssertionError(f"{what} is refused without a word: {error!r}") from error
        frame = inspect.trace()[-1]
        if "assert " in "".join(frame.code_context or ()):
            raise AssertionError(f"{what} is refused by an assert") from error
        return
    raise AssertionError(f"{what} is not refused with a {kind.__name__}")
