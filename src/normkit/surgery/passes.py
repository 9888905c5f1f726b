"""Forward passes that leave a model as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from normkit.probes.restore import unchanged
from normkit.seeding import restored


def run(
    model: torch.nn.Module,
    example: Tensor,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    evaluates: bool = False,
) -> Any:
    """What a model returns, in the mode it is in and without gradients; it is left as it was.

    Every pass draws the same random numbers, so that two of them can be compared.

    Args:
        model: any model.
        example: what it is called with.
        around: what the call runs in.
        evaluates: whether it runs in evaluation mode, whatever mode it is in.
    """
    example = trackable(example)
    with (
        restored(example.device.type),
        unchanged(model),
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        if evaluates:
            model.eval()
        with around():
            return model(example)


def trackable(example: Tensor) -> Tensor:
    """The example, or a copy where it is of inference mode, in which no change can be told.

    >>> with torch.inference_mode():
    ...     example = torch.zeros(1)
    >>> trackable(example).is_inference()
    False
    """
    if not isinstance(example, Tensor):
        raise TypeError(
            "an example is one tensor x, which the model is called with as model(x); got a "
            f"{type(example).__name__}. For a model that takes more, write a module whose forward "
            "takes x and calls it."
        )
    if not example.is_inference():
        return example
    with torch.inference_mode(False):
        return example.clone()


@dataclass(frozen=True)
class Outputs:
    """What one pass gave.

    Attributes:
        output: of the model.
        of: layer → the tensors that it returned, one for each call.
    """

    output: Any
    of: dict[torch.nn.Module, list[Tensor]]


def outputs_at(
    model: torch.nn.Module,
    example: Tensor,
    modules: Iterable[torch.nn.Module],
    evaluates: bool = False,
) -> Outputs:
    """As `run`, and what some of the layers return."""
    of: dict[torch.nn.Module, list[Tensor]] = {}

    def keep(module: torch.nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            with torch._C.DisableTorchFunctionSubclass():
                # A later layer may change it in place.
                of.setdefault(module, []).append(output.detach().clone())

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        output = run(model, example, evaluates=evaluates)
    finally:
        for handle in handles:
            handle.remove()
    return Outputs(output, of)


def disturbed(example: Tensor) -> Tensor:
    """The example, each value off by about a rounding.

    >>> x = torch.ones(1000)
    >>> 0 < float((disturbed(x) - x).abs().max()) < 1e-6
    True
    """
    if not example.is_floating_point():
        return example
    return example * (1 + torch.finfo(example.dtype).eps * torch.randn_like(example))
