"""Norms put into a model that has none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized

from normkit.surgery.batches import Data, as_batches
from normkit.surgery.calibrate import Fit, calibrate_
from normkit.surgery.comparison import largest
from normkit.surgery.dataflow import Call, Flow
from normkit.surgery.derived import derived
from normkit.surgery.following import activation_name
from normkit.surgery.inserted import Normalised
from normkit.surgery.journal import Journal
from normkit.surgery.linear import LINEAR
from normkit.surgery.making import Norm, check_norm, maps_of, new_norm
from normkit.surgery.norms import METHODS, is_norm, layer_class
from normkit.surgery.operation import operation
from normkit.surgery.optimizers import Optimizers, as_list, mend_, no_longer_held
from normkit.surgery.passes import outputs_at
from normkit.surgery.report import Report
from normkit.surgery.sites import Names, changed_already, names_of
from normkit.surgery.states import state_of
from normkit.surgery.surgery import Surgery, Where
from normkit.surgery.watch import flow


def insert_(
    model: torch.nn.Module,
    norm: Norm,
    example: Tensor,
    *,
    where: Where | None = None,
    data: Data | None = None,
    optimizers: Optimizers = (),
    **options: Any,
) -> Surgery:
    """Puts a norm between convolutions and their activations.

    A norm goes after every convolution whose output comes to an activation, be it at once, or
    through a sum, a pooling, dropout or a concatenation; in a model without convolutions, after
    such fully connected layers. `where` chooses others. It becomes a child of the layer, named
    `norm`, which the layer calls on its output: so the layer's parameters keep their names, and it
    is normalised whatever the model does with it. A bias that the norm takes away again is removed.

    Args:
        model: changed in place.
        norm: a key of `nk.catalogue()`, or a function `norm(channels, dims=2)`.
        example: what the model is called with, one `x`.
        where: chooses convolutions, linear layers and their subclasses by name and layer.
        data: batches, `x` or `(x, y)`. With them the norms start such that the model computes in
            evaluation what it did before: γ and β undo the normalization on these batches, exactly
            for methods over the batch, as well as they can for others. Without, they start as
            they are made. All are held in memory.
        optimizers: those that hold the model's parameters, one or several; new parameters join the
            group of their layer's weight.
        options: for `nk.make`, such as `num_groups`: the next smaller one that is legal where it
            is not.

    Returns:
        The sites: every convolution, and every other layer that `where` chose.

    Raises:
        ValueError: an unknown method, or one on the weights.
        TypeError: a model that is compiled, or wrapped for training on several devices; an option
            that the method does not take.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    >>> surgery = nk.insert_(model, "batch", torch.randn(4, 3, 8, 8))
    >>> [(site.name, site.done) for site in surgery.sites]
    [('0', 'BatchNorm2d after it, without the bias that it cancels')]
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.norm.weight', '0.norm.bias', '3.weight', '3.bias']
    >>> surgery.undo()
    """
    check_norm("insert_", norm)
    optimizers = as_list(optimizers)
    with operation("insert_", model) as journal:
        seen = flow(model, example)
        names = names_of(model)
        candidates = _candidates(seen, names, where)
        report = Report(candidates, names)
        before, plain = outputs_at(model, example, candidates), state_of(candidates)
        norms: dict[torch.nn.Module, torch.nn.Module] = {}
        for layer in candidates:
            made = _refusal(seen, layer, where is not None) or _made(norm, seen, layer, options)
            if isinstance(made, str):
                report.refused[layer] = made
            else:
                report.done[layer] = _insert(model, layer, made, journal, optimizers)
                norms[layer] = made
        if data is not None:
            fits = [Fit(layer, made) for layer, made in norms.items()]
            calibrate_("insert_", model, fits, plain, as_batches("insert_", data))
            for fit in fits:
                report.done[fit.source] += f"; {fit.told}"
        after = outputs_at(model, example, candidates)
        difference = largest(after.output, before.output)
        return Surgery("insert_", report.sites(after, before), journal, difference)


def _candidates(seen: Flow, names: Names, where: Where | None) -> list[torch.nn.Module]:
    called = dict.fromkeys(call.module for call in seen if isinstance(call.module, LINEAR))
    usual = _ConvNd if any(isinstance(layer, _ConvNd) for layer in called) else LINEAR
    return [
        layer
        for layer in called
        if layer is not None
        and layer in names
        and (where(names[layer], layer) if where else isinstance(layer, usual))
    ]


def _refusal(seen: Flow, layer: torch.nn.Module, chosen: bool) -> str | None:
    """Why there is to be no norm after a layer; None where there may be one."""
    calls = seen.calls_of(layer)
    if isinstance(layer, Normalised):
        return "it has one already"
    if (reason := changed_already(layer)) is not None:
        return reason
    if is_parametrized(layer):
        return "a parametrization is on it: insert the norm first, and put that on afterwards"
    if hasattr(layer, "norm"):
        return "it has an attribute named 'norm' already"
    readers = [reader for call in calls for reader in seen.readers(call)]
    if any(reader.module is not None and is_norm(reader.module) for reader in readers):
        return "a norm follows it"
    if chosen:
        return None
    if len(calls) > 1:
        return f"it is called {len(calls)} times, and the calls would share a norm's statistics"
    positions = calls[0].shapes[0][2:]
    if positions and all(size == 1 for size in positions):
        return "its maps are of one position, as those of a gate; choose it with where= if need be"
    return _comes_to(seen, calls[0])


def _comes_to(seen: Flow, call: Call) -> str | None:
    """Why no norm is to follow a call, by what it comes to; None where that is an activation.

    What it computes is followed through calls that have no weights, up to an activation and, but
    for sums, after it.
    """
    comes_to_activation = False
    waiting, met = [(call, False)], {call.index}
    while waiting:
        source, activated = waiting.pop()
        for reader in seen.readers(source):
            if reader.module is not None and is_norm(reader.module):
                return f"{reader} follows it"
            activates = activation_name(reader) is not None
            comes_to_activation |= activates and not activated
            goes_on = activates or _passes_on(reader, with_sums=not activated)
            if goes_on and reader.index not in met:
                met.add(reader.index)
                waiting.append((reader, activated or activates))
    return None if comes_to_activation else "what it computes comes to no activation"


_POOLINGS_AND_DROPOUTS = (
    torch.nn.modules.pooling._MaxPoolNd,
    torch.nn.modules.pooling._AvgPoolNd,
    torch.nn.modules.dropout._DropoutNd,
)
_FUNCTIONS = ("max_pool", "avg_pool", "dropout")
_SUMS = ("add", "cat", "concat")
"""What the names of functions begin with that pool neighbours, drop, add or concatenate."""


def _passes_on(call: Call, with_sums: bool) -> bool:
    """Whether a call hands on what a layer computed, though not as it is."""
    if call.module is not None:
        return isinstance(call.module, _POOLINGS_AND_DROPOUTS)
    return call.what.startswith(_FUNCTIONS + (_SUMS if with_sums else ()))


def _made(
    norm: Norm, seen: Flow, layer: torch.nn.Module, options: dict[str, Any]
) -> torch.nn.Module | str:
    calls = seen.calls_of(layer)
    if isinstance(layer, torch.nn.Linear) and len(calls[0].shapes[0]) != 2:
        return "its channels are on the last axis, and a norm takes them on axis 1"
    maps = maps_of(calls, of_output=True)
    return maps if isinstance(maps, str) else new_norm(norm, maps, options, layer)


def _insert(
    model: torch.nn.Module,
    layer: torch.nn.Module,
    made: torch.nn.Module,
    journal: Journal,
    optimizers: Optimizers,
) -> str:
    told = f"{type(made).__name__} after it"
    replaced: dict[Parameter, Parameter | None] = {}
    bias = layer._parameters.get("bias")
    method = METHODS.get(layer_class(made) or type(made))
    cancels = method is not None and method.standardises in ("batch", "instance")
    weight = layer._parameters.get("weight")
    if cancels and bias is not None and _ends_with_its_bias(layer):
        journal.set(layer, "bias", None)
        replaced = no_longer_held(model, [bias])
        told += ", without the bias that it cancels"
    made.train(layer.training)
    journal.set(layer, "norm", made)
    journal.become(layer, derived(Normalised, type(layer)))
    beside = weight if weight is not None else next(layer.parameters(), None)
    added = {} if beside is None else dict.fromkeys(made.parameters(), beside)
    mend_(optimizers, replaced, journal, added)
    return told


def _ends_with_its_bias(layer: torch.nn.Module) -> bool:
    """Whether adding the bias is the last that a layer does, so that a norm takes it away again."""
    cls = type(layer)
    pytorchs = next(each for each in cls.__mro__ if each.__module__.startswith("torch.nn.modules."))
    return not (layer._forward_pre_hooks or "forward" in vars(layer)) and all(
        getattr(cls, name, None) is getattr(pytorchs, name, None)
        for name in ("forward", "_conv_forward")
    )
