"""What all verbs have in common: a model is changed as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from normkit.surgery.journal import Journal


@contextmanager
def operation(verb: str, model: torch.nn.Module, values: bool = True) -> Iterator[Journal]:
    """Around all that a verb does; after an exception the model is as before.

    Args:
        verb: its name, for errors.
        model: that it works on.
        values: whether undoing is to give parameters and buffers back what they held, too.
            Otherwise they keep what training makes of them in the meantime.

    Raises:
        TypeError: something that is no module, or a module that wraps or compiles another one.
    """
    check_model(verb, model)
    journal = Journal()
    if values:
        journal.keep_values(_tensors(model))
    try:
        # Parameters that are made in inference mode could never be trained.
        with torch.inference_mode(False):
            yield journal
    except BaseException:
        journal.undo()
        raise


def check_model(verb: str, model: torch.nn.Module) -> None:
    """Refuses a model that a verb would miss the inside of.

    Raises:
        TypeError: something that is no module, or a module that wraps or compiles another one.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(
            f"{verb} changes a torch.nn.Module; got a {type(model).__name__}. Give the network "
            "itself."
        )
    for name, module in model.named_modules():
        fix = _fix(module)
        if fix is not None:
            where = f"{name!r} in it" if name else "the model"
            raise TypeError(
                f"{verb} changes a model before it is wrapped; {where} is a "
                f"{type(module).__name__}. {fix}"
            )


def _fix(module: torch.nn.Module) -> str | None:
    if isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None:
        return (
            "A graph that was compiled would not see the change: give the model that was compiled "
            "(model._orig_mod, or one that was not compiled in place), and compile it afterwards."
        )
    if isinstance(module, torch.nn.parallel.DistributedDataParallel):
        return (
            "It keeps a list of the parameters that it was made with: give model.module, and wrap "
            "it again afterwards."
        )
    if isinstance(module, torch.nn.DataParallel):
        return "Give model.module, and wrap it again afterwards."
    if isinstance(module, torch.jit.ScriptModule):
        return "A script cannot be changed: give the model that it was made from."
    return None


def _tensors(model: torch.nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
