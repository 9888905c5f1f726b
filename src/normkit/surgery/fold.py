"""Norms folded into the layers beside them, for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from normkit.nn import Activated
from normkit.surgery.affine import fixed_affine
from normkit.surgery.comparison import check_close, difference_at, largest
from normkit.surgery.dataflow import Flow
from normkit.surgery.derived import derived
from normkit.surgery.identity import become_identity
from normkit.surgery.inserted import Normalised
from normkit.surgery.journal import Journal
from normkit.surgery.linear import LINEAR, objection_to, scaled_inputs, scaled_outputs
from normkit.surgery.operation import operation
from normkit.surgery.optimizers import Optimizers, as_list, mend_
from normkit.surgery.passes import disturbed, outputs_at, run
from normkit.surgery.seam import Folded, Seam
from normkit.surgery.sites import (
    Names,
    called_norms,
    class_name,
    names_of,
    only_reader,
    only_source,
)
from normkit.surgery.surgery import Site, Surgery, Where
from normkit.surgery.watch import flow


def fold_(
    model: torch.nn.Module,
    example: Tensor,
    *,
    where: Where | None = None,
    optimizers: Optimizers = (),
) -> Surgery:
    """Folds norms with fixed statistics into the convolution or linear layer before or after them.

    In evaluation such a norm is y = scale · x + shift for each channel, which the weights and the
    bias of a layer beside it can take over: W' = scale · W and b' = scale · b + shift in the layer
    before, or b' = b + Σ W · shift in the one after, where no padding is in between. The norm is
    then an identity, which applies the layer's own `act` if it has one.

    A layer is folded only where the model's forward pass shows that what is between it and the norm
    is read by nothing else. A later pass that reads it all the same, or that runs in training mode,
    raises. An exported graph holds one flow of data, and is not checked.

    Args:
        model: changed in place; in evaluation mode.
        example: what it is called with, one `x`.
        where: chooses norms by name and layer; None takes all.
        optimizers: those that hold the model's parameters, one or several.

    Returns:
        The sites: every norm that was called.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.
        ValueError: a model in training mode; outputs that would differ by more than rounding.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> surgery = nk.fold_(model, torch.randn(4, 3, 8, 8))
    >>> [(site.name, site.done) for site in surgery.sites]
    [('1', 'folded into 0, before it')]
    >>> list(model.state_dict())
    ['0.weight', '0.bias']
    >>> surgery.undo()
    """
    optimizers = as_list(optimizers)
    with operation("fold_", model) as journal:
        if model.training:
            raise ValueError(
                "fold_ is for evaluation, where statistics are fixed; this model is in training "
                "mode. Call model.eval() first."
            )
        seen, names = flow(model, example), names_of(model)
        plans = {norm: _plan(seen, norm, names) for norm in called_norms(seen, names, where)}
        folds = {norm: plan for norm, plan in plans.items() if isinstance(plan, _Fold)}
        witnesses = {norm: _witness(norm, folds) for norm in folds}
        before = outputs_at(model, example, set(witnesses.values()))
        sites = [
            Site(names[norm], class_name(norm), plan.done, plan.refused)
            for norm, plan in plans.items()
        ]
        for norm, fold in folds.items():
            _apply(model, fold, norm, journal, optimizers)
        after = outputs_at(model, example, set(witnesses.values()))
        difference = largest(after.output, before.output)
        check_close(
            "fold_",
            difference,
            before.output,
            rounding=lambda: largest(run(model, disturbed(example)), after.output),
        )
        for index, norm in enumerate(plans):
            if norm in folds:
                moved = difference_at(witnesses[norm], after, before)
                sites[index] = sites[index].with_difference(moved)
        return Surgery("fold_", sites, journal, difference)


@dataclass
class _Fold:
    """How a norm is folded.

    Attributes:
        before: whether the layers that take over what it does are before it; else after it.
        layers: these layers, and their names.
        seam: between the two.
    """

    before: bool
    layers: dict[torch.nn.Module, str]
    seam: Seam
    refused: str | None = None

    @property
    def done(self) -> str:
        """What the table says."""
        into = ", ".join(self.layers.values())
        return f"folded into {into}, {'before' if self.before else 'after'} it"


@dataclass
class _Refusal:
    refused: str
    done: None = None


def _plan(seen: Flow, norm: torch.nn.Module, names: Names) -> _Fold | _Refusal:
    affine = fixed_affine(norm)
    if isinstance(affine, str):
        return _Refusal(affine)
    if norm.training:
        return _Refusal("it is in training mode")
    reasons = []
    for before in (True, False):
        layers = _beside(seen, norm, names, affine, before)
        if not isinstance(layers, str):
            reshapes = all(isinstance(layer, torch.nn.Linear) for layer in layers)
            seam = Seam(names[norm], ", ".join(layers.values()), reshapes)
            return _Fold(before, layers, seam)
        reasons.append(layers)
    return _Refusal("; ".join(reasons))


def _beside(
    seen: Flow,
    norm: torch.nn.Module,
    names: Names,
    affine: tuple[Tensor, Tensor],
    before: bool,
) -> dict[torch.nn.Module, str] | str:
    """The layers on one side into which a norm can be folded, or why it cannot."""
    if not before and isinstance(norm, Activated) and norm.act is not None:
        return "its own activation is between it and what follows"
    layers: dict[torch.nn.Module, str] = {}
    for call in seen.calls_of(norm):
        beside = only_source(seen, call) if before else only_reader(seen, call)
        if isinstance(beside, str):
            return beside
        layer = beside.module
        if not isinstance(layer, LINEAR):
            return f"{beside} is {'before' if before else 'after'} it"
        if isinstance(layer, torch.nn.Linear) and len(call.shapes[0]) != 2:
            return (
                "its channels are on axis 1, those of the fully connected layer on the last of "
                f"{len(call.shapes[0])}"
            )
        between = (
            (beside.shapes, call.input_shapes) if before else (call.shapes, beside.input_shapes)
        )
        if not isinstance(layer, torch.nn.Linear) and between[0][0] != between[1][0]:
            return "what is between the two is reshaped"
        if layer not in names:
            return f"the {class_name(layer)} beside it is not registered in the model"
        layers[layer] = names[layer]
    compute = scaled_outputs if before else scaled_inputs
    for layer, name in layers.items():
        for call in seen.calls_of(layer):
            other = only_reader(seen, call) if before else only_source(seen, call)
            if isinstance(other, str) or other.module is not norm:
                return f"{name} is called without it, too"
        first, second = (layer, norm) if before else (norm, layer)
        if _has_hooks(first) or second._forward_pre_hooks or second._backward_hooks:
            return f"a hook reads what is between {name} and it"
        new = objection_to(layer) or compute(layer, *affine)
        if isinstance(new, str):
            return new
    return layers


def _has_hooks(layer: torch.nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._backward_hooks or layer._backward_pre_hooks)


def _witness(norm: torch.nn.Module, folds: dict[torch.nn.Module, _Fold]) -> torch.nn.Module:
    """The layer whose output is to be what it was: where nothing is folded any more."""
    while not folds[norm].before:
        layer = next(iter(folds[norm].layers))
        other = (each for each, fold in folds.items() if fold.before and layer in fold.layers)
        if (norm := next(other, layer)) not in folds:
            break
    return norm


def _apply(
    model: torch.nn.Module,
    fold: _Fold,
    norm: torch.nn.Module,
    journal: Journal,
    optimizers: Optimizers,
) -> None:
    affine = fixed_affine(norm)
    assert not isinstance(affine, str)
    made: list[tuple[Parameter, Parameter | None, Parameter]] = []
    of_norm = list(norm.parameters(recurse=False))
    for layer in fold.layers:
        new = (scaled_outputs if fold.before else scaled_inputs)(layer, *affine)
        assert not isinstance(new, str)
        weight = layer.get_parameter("weight")
        for name, values in zip(("weight", "bias"), new, strict=True):
            old = layer._parameters.get(name)
            like = weight if old is None else old
            empty = torch.empty_like(like) if old is not None else like.new_empty(values.shape)
            parameter = Parameter(empty.copy_(values), like.requires_grad)
            made.append((parameter, old, like))
            journal.set(layer, name, parameter)
    become_identity(norm, journal)
    journal.become(norm, derived(Folded, type(norm)))
    if not any(isinstance(layer, Normalised) and layer.inserted is norm for layer in fold.layers):
        # What calls its norm by itself hands it to nobody else.
        for layer in fold.layers:
            _tie(layer, fold.seam, journal, hands=fold.before)
        _tie(norm, fold.seam, journal, hands=not fold.before)
    # A parameter may be another layer's too, which goes on with it.
    kept = set(model.parameters())
    replaced: dict[Parameter, Parameter | None] = dict.fromkeys(set(of_norm) - kept)
    added: dict[Parameter, Parameter] = {}
    for parameter, old, like in made:
        if old is None or old in kept or old in replaced:
            added[parameter] = like
        else:
            replaced[old] = parameter
    mend_(optimizers, replaced, journal, added)


def _tie(module: torch.nn.Module, seam: Seam, journal: Journal, hands: bool) -> None:
    if not isinstance(module, Folded):
        journal.become(module, derived(Folded, type(module)))
    journal.set(module, "hands_to" if hands else "takes_from", seam)
