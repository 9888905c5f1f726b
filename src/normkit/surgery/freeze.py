"""Norms whose statistics stay as they are, whatever mode the model is in."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.nn.running import RunningStatistics
from normkit.surgery.derived import Derived, derived
from normkit.surgery.journal import Journal
from normkit.surgery.operation import operation
from normkit.surgery.sites import class_name
from normkit.surgery.surgery import Site, Surgery, Where


class Frozen(Derived):
    """Added to the class of a norm with running statistics: it is in evaluation mode for good."""

    prefix = "Fixed"

    @property
    def training(self) -> bool:
        """False: `model.train()` does not reach it."""
        return False

    @training.setter
    def training(self, mode: bool) -> None:
        pass


def freeze_(model: torch.nn.Module, *, affine: bool = True, where: Where | None = None) -> Surgery:
    """Freezes norms with running statistics: they normalise with these in training too.

    Neither batches nor `model.train()` change that: a frozen layer is in evaluation mode whatever
    it is told. Its place, names and `state_dict` stay as they are, and `unfreeze_` lets it train
    again; `swap_(model, "frozen_batch")` makes it a layer that has no other mode.

    Args:
        model: changed in place.
        affine: whether γ and β are fixed as well: they ask for no gradient, so that optimizers
            leave them alone.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every norm with running statistics. Undone, the model keeps what its other
        parameters have become in the meantime.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.

    >>> import normkit as nk
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> surgery = nk.freeze_(model)
    >>> y = model.train()(torch.randn(4, 3, 8, 8))
    >>> model[1].num_batches_tracked, model[1].training
    (tensor(0), False)
    >>> nk.unfreeze_(model).sites[0].done
    'BatchNorm2d'

    Paper: as in fine-tuning with small batches, He et al., 2015, appendix A,
    https://arxiv.org/abs/1512.03385
    """
    sites = []
    with operation("freeze_", model, values=False) as journal:
        for name, module in model.named_modules():
            if not keeps_statistics(module) or (where is not None and not where(name, module)):
                continue
            if is_frozen(module):
                sites.append(Site(name, class_name(module), refused="it is frozen already"))
                continue
            _freeze(module, affine, journal, model)
            sites.append(Site(name, class_name(module), type(module).__name__))
        return Surgery("freeze_", sites, journal)


def unfreeze_(model: torch.nn.Module, *, where: Where | None = None) -> Surgery:
    """Lets norms that `freeze_` froze train again, in the mode of the model.

    Args:
        model: changed in place.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every frozen norm.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.BatchNorm2d(8))
    >>> surgery = nk.freeze_(model)
    >>> nk.unfreeze_(model).sites[0].done, model[0].training
    ('BatchNorm2d', True)
    """
    sites = []
    with operation("unfreeze_", model, values=False) as journal:
        for name, module in model.named_modules():
            if not is_frozen(module) or (where is not None and not where(name, module)):
                continue
            for parameter in vars(module)["fixed"]:
                _ask(module, parameter, True, journal)
            journal.become(module, type(module).__bases__[1])
            journal.set(module, "training", model.training)
            sites.append(Site(name, class_name(module), type(module).__name__))
        return Surgery("unfreeze_", sites, journal)


def keeps_statistics(module: torch.nn.Module) -> bool:
    """Whether a layer keeps running statistics that its batches move."""
    if not getattr(module, "track_running_stats", False):
        return False
    if isinstance(module, RunningStatistics):
        return module._kept is not None
    return isinstance(getattr(module, "running_var", None), Tensor)


def is_frozen(module: torch.nn.Module) -> bool:
    """Whether `freeze_` froze a layer."""
    return isinstance(module, Frozen)


def _freeze(
    module: torch.nn.Module, affine: bool, journal: Journal, model: torch.nn.Module
) -> None:
    parameters = module.named_parameters(recurse=False) if affine else ()
    trained = [name for name, parameter in parameters if parameter.requires_grad]
    for name in trained:
        _ask(module, name, False, journal)
    # What is to be trained again one day.
    journal.set(module, "fixed", tuple(trained))
    # Taken back last: by then the class has a mode again, which is to be the model's.
    before = vars(module)["training"]
    as_found = before == model.training
    journal.call(lambda: setattr(module, "training", model.training if as_found else before))
    # What it is if another surgery makes something else of it.
    journal.set(module, "training", False)
    journal.become(module, derived(Frozen, type(module)))


def _ask(module: torch.nn.Module, name: str, gradient: bool, journal: Journal) -> None:
    """Lets a parameter ask for a gradient or not; what is there under its name when undone, too."""
    parameter = module.get_parameter(name)
    before, grad = parameter.requires_grad, parameter.grad

    def back() -> None:
        now = module.get_parameter(name)
        now.requires_grad_(before)
        if now is parameter and now.grad is None:
            now.grad = grad

    journal.call(back)
    parameter.requires_grad_(gradient)
    if not gradient:
        parameter.grad = None
