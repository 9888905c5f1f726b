"""What all verbs have in common: a model is changed as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from normkit.seeding import restored
from normkit.surgery.journal import Journal
from normkit.surgery.values import Values


@contextmanager
def operation(verb: str, model: torch.nn.Module, values: bool = True) -> Iterator[Journal]:
    """Around all that a verb does; after an exception the model is as before.

    Random number generators are as before in any case.

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
    held = Values(model) if values else None
    device = next((tensor.device.type for tensor in model.parameters()), "cpu")
    try:
        if held is not None:
            journal.call(held.give_back)
        # Parameters that are made in inference mode could never be trained.
        with restored(device), torch.inference_mode(False):
            yield journal
        if held is not None:
            held.leave()
            journal.call(held.follow)
        journal.close(model)
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


def _own_tensors(module: torch.nn.Module) -> list[object]:
    return [*module._parameters.values(), *module._buffers.values()]


_WITHOUT_SHAPE = (UninitializedParameter, UninitializedBuffer)
_SHARDED = ("FullyShardedDataParallel", "FSDPModule")
"""Classes that would take long to import, by their names."""


def _fix(module: torch.nn.Module) -> str | None:
    if isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None:
        return (
            "A graph that was compiled would not see the change: give the model that was compiled "
            "(model._orig_mod, or one that was not compiled in place), and compile it afterwards."
        )
    if any(
        isinstance(p, UninitializedParameter | UninitializedBuffer) for p in _own_tensors(module)
    ):
        return "Its shapes come with the first batch: call the model once before."
    if isinstance(module, torch.nn.parallel.DistributedDataParallel):
        return (
            "It keeps a list of the parameters that it was made with: give model.module, and wrap "
            "it again afterwards."
        )
    if any(cls.__name__ in _SHARDED for cls in type(module).__mro__):
        return "Its parameters are in parts elsewhere: shard it after the surgery."
    if isinstance(module, torch.nn.DataParallel):
        return "Give model.module, and wrap it again afterwards."
    if isinstance(module, torch.jit.ScriptModule):
        return "A script cannot be changed: give the model that it was made from."
    return None
