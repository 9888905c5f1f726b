"""Norm, residual and activation made one call, wherever they follow one another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from normkit.functional import Activation, finish
from normkit.nn import Activated
from normkit.surgery.comparison import check_close, largest, relative
from normkit.surgery.dataflow import Flow
from normkit.surgery.derived import derived
from normkit.surgery.following import Following, activation_name, following
from normkit.surgery.fused import Fused, observed
from normkit.surgery.journal import Journal
from normkit.surgery.norms import layer_class
from normkit.surgery.operation import operation
from normkit.surgery.passes import disturbed, run
from normkit.surgery.sites import called_norms, changed_already, class_name, names_of
from normkit.surgery.surgery import Site, Surgery, Where
from normkit.surgery.watch import flow


def fuse_(model: torch.nn.Module, example: Tensor, *, where: Where | None = None) -> Surgery:
    """Makes norm, residual and activation one call, wherever they follow one another.

    act(norm(x) + residual) is computed by normkit's layers, which read and write each value once.
    The norms stay where they are: same parameters, `state_dict` keys and hooks, and PyTorch's
    become normkit's of the same name. The code of the model is not changed, nor need it be one that
    can be traced: a fused layer's output waits until the model does the next thing with it, a sum
    or an activation, by a module or a function, in place or not. If that is something else than
    when the model was watched, the output is computed first: later forward passes are right
    whatever they do. In `torch.compile` and `torch.export` the layers are plain ones, since what
    makes a graph fuses by itself.

    Args:
        model: changed in place; it is watched in the mode in which it is.
        example: what it is called with, one `x`.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every norm that was called. Undone, the model keeps what its parameters and
        running statistics have become in the meantime.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.
        ValueError: outputs that would differ by more than rounding.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    >>> surgery = nk.fuse_(model, torch.randn(4, 3, 8, 8))
    >>> [(site.name, site.done) for site in surgery.sites]
    [('1', 'norm + relu in one call')]
    >>> surgery.undo()
    """
    with operation("fuse_", model, values=False) as journal:
        plans = _plans(model, flow(model, example), where)
        before = run(model, example)
        originals = {plan.module: type(plan.module) for plan in plans}
        layers = {plan.module: class_name(plan.module) for plan in plans}
        for plan in plans:
            _fuse(plan, journal)
        differences = _Differences(
            {plan.module: originals[plan.module] for plan in plans if plan.done}
        )
        with observed(differences.see):
            after = run(model, example)
        sites = [
            Site(
                plan.name,
                layers[plan.module],
                plan.done,
                plan.refused,
                differences.of.get(plan.module),
            )
            for plan in plans
        ]
        difference = largest(after, before)
        check_close(
            "fuse_",
            difference,
            before,
            rounding=lambda: largest(run(model, disturbed(example)), after),
        )
        return Surgery("fuse_", sites, journal, difference)


@dataclass
class _Plan:
    """What is to be done with a norm, and what was."""

    name: str
    module: torch.nn.Module
    cls: type | None
    """The layer of normkit's that it is to be; None where it is left alone."""
    follows: list[Following]
    """What follows each of its calls."""
    around: list[torch.nn.Module]
    """The modules made of others that return its output, and those that take it."""
    done: str | None = None
    refused: str | None = None


def _plans(model: torch.nn.Module, seen: Flow, where: Where | None) -> list[_Plan]:
    names, taken = names_of(model), set[int]()
    chosen = set(called_norms(seen, names, where))
    plans: dict[torch.nn.Module, _Plan] = {}
    for call in seen:
        if call.module in chosen:
            module = call.module
            plan = _Plan(names[module], module, layer_class(module), [], [])
            plan = plans.setdefault(module, plan)
            plan.follows.append(following(seen, call, taken))
            # Their hooks are to see, and to follow back, what there is.
            takers = (reader.module for reader in seen.readers(call))
            plan.around += [
                *seen.handed_through(call),
                *(each for each in takers if each is not None),
            ]
    return list(plans.values())


def _fuse(plan: _Plan, journal: Journal) -> None:
    module, cls = plan.module, plan.cls
    if (reason := changed_already(module)) is not None or cls is None:
        plan.refused = reason or f"{class_name(module)} has a forward pass of its own"
        return
    if isinstance(module, cls):
        cls = type(module)
    elif _has_members(type(module)):
        plan.refused = f"{class_name(module)} has methods of its own, which normkit's layer has not"
        return
    act = module.act if isinstance(module, Activated) else None
    if not isinstance(module, Activated):
        journal.set(module, "act", None)
    sums = any(each.sum is not None for each in plan.follows)
    acts = any(each.act is not None for each in plan.follows)
    if act is not None and (sums or acts):
        plan.refused = "it has an activation of its own"
    if act is not None or not (sums or acts):
        plan.refused = plan.refused or plan.follows[0].reason
        if not isinstance(module, cls):
            journal.become(module, cls)
            plan.done = "normkit's layer"
        return
    journal.set(module, "sums", sums)
    journal.set(module, "acts", acts)
    journal.set(module, "around", tuple(plan.around))
    journal.become(module, derived(Fused, cls))
    plan.done = _told(next(each for each in plan.follows if each.sum or each.act))
    plan.refused = next((each.reason for each in plan.follows if each.reason), None)


def _has_members(cls: type) -> bool:
    """Whether a class adds to one of PyTorch's what its users may call."""
    added = (name for each in cls.__mro__ if not _is_pytorchs(each) for name in vars(each))
    return any(not name.startswith("__") for name in added)


def _is_pytorchs(cls: type) -> bool:
    return cls is object or cls.__module__.partition(".")[0] == "torch"


def _told(follows: Following) -> str:
    parts = ["norm"]
    if follows.sum is not None:
        parts.append("residual")
    if follows.act is not None:
        parts.append(activation_name(follows.act) or "")
    return f"{' + '.join(parts)} in one call"


class _Differences:
    """How far each fused layer is from what it was before, on what it is called with."""

    def __init__(self, originals: dict[torch.nn.Module, type]) -> None:
        self.originals = originals
        self.of: dict[torch.nn.Module, float] = {}

    def see(
        self,
        layer: torch.nn.Module,
        x: Tensor,
        residual: Tensor | None,
        act: Activation,
        y: Tensor,
    ) -> None:
        """Compares one call."""
        if layer not in self.originals:
            return
        now = type(layer)
        # A class may rely on methods of its own.
        object.__setattr__(layer, "__class__", self.originals[layer])
        try:
            plain = layer.forward(x)
        finally:
            object.__setattr__(layer, "__class__", now)
        difference = relative(y, finish(plain, act, residual))
        self.of[layer] = max(difference, self.of.get(layer, 0.0))
