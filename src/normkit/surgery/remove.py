"""Norms taken out of a model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from normkit.surgery.comparison import largest
from normkit.surgery.dataflow import Flow
from normkit.surgery.identity import become_identity
from normkit.surgery.journal import Journal
from normkit.surgery.linear import LINEAR
from normkit.surgery.norms import layer_class
from normkit.surgery.operation import operation
from normkit.surgery.optimizers import Optimizers, as_list, mend_, no_longer_held
from normkit.surgery.passes import outputs_at
from normkit.surgery.report import Report
from normkit.surgery.sites import called_norms, changed_already, class_name, names_of, only_source
from normkit.surgery.surgery import Surgery, Where
from normkit.surgery.watch import flow


def remove_(
    model: torch.nn.Module,
    example: Tensor,
    *,
    where: Where | None = None,
    optimizers: Optimizers = (),
) -> Surgery:
    """Takes norms out of a model.

    Each becomes an identity, which applies the norm's own activation if it has one. A convolution
    or linear layer before it that has no bias gets one, of zeros, if the norm had one: a network
    without norms needs them. This is not `fold_`: the model computes something else afterwards.

    Args:
        model: changed in place.
        example: what it is called with, one `x`.
        where: chooses norms by name and layer; None takes all.
        optimizers: those that hold the model's parameters, one or several; new biases join the
            group of their layer's weight.

    Returns:
        The sites: every norm that was called.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    >>> surgery = nk.remove_(model, torch.randn(4, 3, 8, 8))
    >>> surgery.sites[0].done, list(model.state_dict())
    ('an identity, and a bias for 0', ['0.weight', '0.bias'])
    >>> surgery.undo()
    """
    optimizers = as_list(optimizers)
    with operation("remove_", model) as journal:
        seen, names = flow(model, example), names_of(model)
        norms = called_norms(seen, names, where)
        before, report = outputs_at(model, example, norms), Report(norms, names)
        for norm in norms:
            reason = changed_already(norm)
            if reason is None and layer_class(norm) is None:
                reason = f"{class_name(norm)} has a forward pass of its own"
            if reason is not None:
                report.refused[norm] = reason
                continue
            lacking = _without_bias(seen, norm)
            had = list(norm.parameters())
            become_identity(norm, journal)
            replaced = no_longer_held(model, had)
            added = {_give_bias(layer, journal): layer.get_parameter("weight") for layer in lacking}
            mend_(optimizers, replaced, journal, added)
            biases = ", and a bias for " + ", ".join(names[layer] for layer in lacking)
            report.done[norm] = f"an identity{biases if lacking else ''}"
        after = outputs_at(model, example, norms)
        difference = largest(after.output, before.output)
        return Surgery("remove_", report.sites(after, before), journal, difference)


def _without_bias(seen: Flow, norm: torch.nn.Module) -> list[torch.nn.Module]:
    """The layers before a norm with a β that have no bias, and whose outputs go to it alone."""
    if not isinstance(getattr(norm, "bias", None), Tensor):
        return []
    sources = [only_source(seen, call) for call in seen.calls_of(norm)]
    layers = dict.fromkeys(source.module for source in sources if not isinstance(source, str))
    return [
        layer
        for layer in layers
        if isinstance(layer, LINEAR)
        and layer.bias is None
        and isinstance(layer._parameters.get("weight"), Parameter)
    ]


def _give_bias(layer: torch.nn.Module, journal: Journal) -> Parameter:
    weight = layer.get_parameter("weight")
    channels = getattr(layer, "out_channels", getattr(layer, "out_features", 0))
    bias = Parameter(weight.new_zeros(channels), weight.requires_grad)
    journal.set(layer, "bias", bias)
    return bias
