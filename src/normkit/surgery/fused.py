"""A layer whose output waits for the sum and the activation that the model calls after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.module import _has_any_global_hook

from normkit.functional import Activation
from normkit.kernels.choice import refused_context
from normkit.nn.running import uncounted
from normkit.surgery.derived import Derived
from normkit.surgery.pending import Pending, Work, act_of_call, acting

Observer = Callable[[torch.nn.Module, Tensor, Tensor | None, Activation, Tensor], None]

_observers: list[Observer] = []


class Fused(Derived):
    """Added to the class of a norm of normkit's."""

    prefix = "Fused"

    sums: bool
    """Whether a sum came after it when the model was watched."""
    acts: bool
    """Whether an activation did."""
    around: tuple[torch.nn.Module, ...] = ()
    """The modules made of others that return its output, and those that take it."""

    @property
    def act(self) -> Activation:
        """The activation of the call that runs in this thread."""
        return None if torch.compiler.is_compiling() else act_of_call()

    def forward(self, input: Tensor, *further: Any, **options: Any) -> Tensor:  # noqa: A002
        """As the layer's own; its output may wait."""
        if isinstance(input, Pending):
            input = input.value()  # noqa: A001
        if further or options or not self._may_wait(input):
            return self._plain(input, *further, **options)
        return Pending.of(Work(self, input, self.sums, self.acts))

    def _plain(self, *arguments: Any, **options: Any) -> Tensor:
        y: Tensor = super().forward(*arguments, **options)  # type: ignore[misc]
        return y

    def _may_wait(self, x: Tensor) -> bool:
        # Where a graph is made, what makes it fuses by itself; hooks are to see what there is.
        return (
            not torch.compiler.is_compiling()
            and type(x) is Tensor
            and refused_context() is None
            and not _has_hooks(self)  # type: ignore[arg-type]
            and not any(map(_has_hooks, self.around))
        )

    def compute(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None,
        act: Activation,
        again: bool,
    ) -> Tensor:
        """`act(norm(input) + residual)`; `again` if the batch was counted before."""
        with acting(act), uncounted(self) if again else nullcontext():  # type: ignore[arg-type]
            y = self._plain(input, residual)
        for observe in _observers:
            observe(self, input, residual, act, y)  # type: ignore[arg-type]
        return y


@contextmanager
def observed(observe: Observer) -> Iterator[None]:
    """Hands what fused layers were given, and what they computed, to a function."""
    _observers.append(observe)
    try:
        yield
    finally:
        _observers.remove(observe)


def _has_hooks(module: torch.nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()  # type: ignore[no-untyped-call]
    )
