"""Norms changed to those of another method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from normkit.nn import Activated, LayerNorm, RMSNorm
from normkit.nn.catalogue import catalogue
from normkit.surgery.affine import SAME_IN_EVALUATION
from normkit.surgery.batches import Data, as_batches, inputs
from normkit.surgery.calibrate import Fit, calibrate_
from normkit.surgery.comparison import largest
from normkit.surgery.dataflow import Flow
from normkit.surgery.journal import Journal
from normkit.surgery.making import Norm, check_norm, maps_of, new_norm, open_groups
from normkit.surgery.norms import METHODS, layer_class
from normkit.surgery.operation import operation
from normkit.surgery.optimizers import Optimizers, as_list, mend_, no_longer_held
from normkit.surgery.passes import outputs_at
from normkit.surgery.report import Report
from normkit.surgery.sites import called_norms, changed_already, class_name, names_of
from normkit.surgery.states import LayerState, state_of
from normkit.surgery.surgery import Surgery, Where
from normkit.surgery.watch import flow


def swap_(
    model: torch.nn.Module,
    norm: Norm,
    *,
    example: Tensor | None = None,
    data: Data | None = None,
    where: Where | None = None,
    optimizers: Optimizers = (),
    **options: Any,
) -> Surgery:
    """Makes the norms of a model those of another method.

    Between methods that mean the same by their running statistics, γ and β (batch, sync_batch,
    ghost_batch, batch_renorm and frozen_batch), all of these are carried over, and evaluation
    computes what it did. **Any other swap is lossy**: a norm over the sample cannot compute what
    one over the batch did. γ and β are copied, and with `data` fitted, in the order in which the
    model calls its norms, such that each computes on these batches what the old one did, as well as
    it can; the table says how much is left over. A few hundred samples serve. Training afterwards
    serves better.

    The layers keep their places, names, hooks and their own activations, and γ and β stay the same
    parameters wherever both methods have them.

    Args:
        model: changed in place.
        norm: a key of `nk.catalogue()`, or a function `norm(channels, dims=2)`.
        example: what the model is called with, one `x`; None takes the first batch of `data`.
        data: batches to calibrate on, `x` or `(x, y)`; all are held in memory.
        where: chooses norms by name and layer; None takes all.
        optimizers: those that hold the model's parameters, one or several. What they remember of
            parameters that were fitted is forgotten. New parameters join the group of γ and β, or
            where there were none that of the layer before.
        options: for `nk.make`; ε and momentum are those of the old norm where both mean the same,
            unless they are among them. `num_groups` becomes the next smaller number that is legal
            where it is not: a divisor of the channels that leaves a group at least 2 of them, and
            16 values over its channels and positions. Left open, it is the largest legal one up to
            32; with `data`, the legal one that leaves least over.

    Returns:
        The sites: every norm that was called.

    Raises:
        ValueError: an unknown method, or one on the weights; neither an example nor data.
        TypeError: a model that is compiled, or wrapped for training on several devices; an option
            that the method does not take.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> surgery = nk.swap_(model, "group", example=torch.randn(4, 3, 8, 8))
    >>> model[1]
    GroupNorm(4, 8, eps=1e-05, affine=True, bias=True)
    >>> surgery.undo()
    """
    check_norm("swap_", norm)
    optimizers = as_list(optimizers)
    with operation("swap_", model) as journal:
        batches = None if data is None else as_batches("swap_", data)
        example = _example(example, batches, model)
        seen, names = flow(model, example), names_of(model)
        norms = called_norms(seen, names, where)
        report = Report(norms, names)
        before, plain = outputs_at(model, example, norms), state_of(norms)
        fits: list[Fit] = []
        for layer in norms:
            made = _refusal(layer) or _made(norm, seen, layer, options)
            if isinstance(made, str):
                report.refused[layer] = made
                continue
            same = _means_the_same(layer, made)
            _become(layer, made, same, options, journal)
            report.done[layer] = _told(layer)
            if not same:
                fits.append(Fit(layer, layer, _open_groups(norm, seen, layer, options)))
        if batches is not None and fits:
            calibrate_("swap_", model, fits, plain, batches)
        for fit in fits:
            how = fit.told if batches is not None else "not calibrated"
            report.done[fit.norm] = f"{_told(fit.norm)}; {how}"
        fitted = {fit.norm for fit in fits}
        for layer in report.done:
            _keep_parameters(model, layer, plain[layer], journal, optimizers)
            if layer in fitted:
                _forget(layer, optimizers, journal)
        after = outputs_at(model, example, norms)
        difference = largest(after.output, before.output)
        return Surgery("swap_", report.sites(after, before), journal, difference)


def _example(example: Tensor | None, batches: list[Any] | None, model: torch.nn.Module) -> Tensor:
    if example is not None:
        return example
    first = next(inputs("swap_", batches or [], model), None)
    if first is None:
        raise ValueError(
            "swap_ watches the model once: give it an example=x, or data=batches to calibrate on."
        )
    return first


def _refusal(layer: torch.nn.Module) -> str | None:
    cls = layer_class(layer)
    if cls is None:
        return f"{class_name(layer)} has a forward pass of its own"
    if issubclass(cls, LayerNorm | RMSNorm):
        return "it normalises the last axes, whatever they are, and not channels on axis 1"
    return changed_already(layer)


def _made(
    norm: Norm, seen: Flow, layer: torch.nn.Module, options: dict[str, Any]
) -> torch.nn.Module | str:
    maps = maps_of(seen.calls_of(layer), of_output=False)
    if isinstance(maps, str):
        return maps
    made = new_norm(norm, maps, options, layer)
    if isinstance(made, torch.nn.Module) and isinstance(layer, Activated):
        if not isinstance(made, Activated):
            return "it has an activation of its own, which the new one could not take over"
        made.act = layer.act
    return made


def _open_groups(
    norm: Norm, seen: Flow, layer: torch.nn.Module, options: dict[str, Any]
) -> tuple[int, ...]:
    maps = maps_of(seen.calls_of(layer), of_output=False)
    return () if isinstance(maps, str) else open_groups(norm, maps, options)


def _told(layer: torch.nn.Module) -> str:
    """What a layer is, as the table says it."""
    groups = getattr(layer, "num_groups", None)
    if groups is None:
        return type(layer).__name__
    return f"{type(layer).__name__} of {groups} group{'s' if groups > 1 else ''}"


def _means_the_same(layer: torch.nn.Module, made: torch.nn.Module) -> bool:
    """Whether the two compute the same in evaluation, given the same tensors."""
    methods = [METHODS.get(layer_class(each) or object) for each in (layer, made)]
    if any(method is None for method in methods):
        return False
    for name in ("weight", "bias"):
        if isinstance(getattr(layer, name, None), Tensor) and getattr(made, name, None) is None:
            return False
    first, second = (method.name for method in methods if method is not None)
    keep = all(isinstance(each._buffers.get("running_var"), Tensor) for each in (layer, made))
    if keep and first in SAME_IN_EVALUATION and second in SAME_IN_EVALUATION:
        return True
    options = set(catalogue()[second].options).difference(_CARRIED, ("bias",))
    return first == second and all(
        getattr(layer, option, None) == getattr(made, option, None) for option in options
    )


_CARRIED = ("eps", "momentum")
"""Options that layers which mean the same take over, unless others are asked for."""


def _become(
    layer: torch.nn.Module,
    made: torch.nn.Module,
    same: bool,
    options: Mapping[str, Any],
    journal: Journal,
) -> None:
    """Makes a layer what another one is; it stays where it is, with its hooks and its mode."""
    with torch.no_grad():
        for name in ("weight", "bias"):
            old, new = getattr(layer, name, None), getattr(made, name, None)
            if isinstance(old, Tensor) and isinstance(new, Tensor) and old.shape == new.shape:
                new.copy_(old)
        for name, buffer in layer.named_buffers(recurse=False):
            if same and isinstance(made._buffers.get(name), Tensor):
                made.get_buffer(name).copy_(buffer)
    for name in _CARRIED:
        if same and name not in options and hasattr(layer, name) and hasattr(made, name):
            setattr(made, name, getattr(layer, name))
    for name, value in vars(made).items():
        if "hook" not in name and name != "training":
            journal.set(layer, name, value)
    journal.become(layer, type(made))


def _keep_parameters(
    model: torch.nn.Module,
    layer: torch.nn.Module,
    before: LayerState,
    journal: Journal,
    optimizers: Optimizers,
) -> None:
    """Lets γ and β stay the parameters that they were, with what they hold now."""
    own: dict[str, Parameter | None] = before.contents["_parameters"]
    for name, old in own.items():
        now = layer._parameters.get(name)
        if old is None or now is None:
            continue
        if now.shape == old.shape:
            with torch.no_grad():
                old.copy_(now)
            journal.set(layer, name, old)
        else:
            now.requires_grad_(old.requires_grad)
    children: dict[str, torch.nn.Module | None] = before.contents["_modules"]
    held = [parameter for parameter in own.values() if parameter is not None]
    held += [p for child in children.values() if child is not None for p in child.parameters()]
    new = [parameter for parameter in layer.parameters() if all(parameter is not p for p in held)]
    beside = held[0] if held else _parameter_before(layer, model)
    added = {} if beside is None else dict.fromkeys(new, beside)
    mend_(optimizers, no_longer_held(model, held), journal, added)


def _parameter_before(layer: torch.nn.Module, model: torch.nn.Module) -> Parameter | None:
    """The last parameter ahead of a layer in the order of the model's modules."""
    last = None
    for module in model.modules():
        if module is layer:
            break
        for parameter in module.parameters(recurse=False):
            last = parameter
    return last


def _forget(layer: torch.nn.Module, optimizers: Optimizers, journal: Journal) -> None:
    parameters = list(layer.parameters(recurse=False))
    mend_(optimizers, {}, journal, forget=parameters)
