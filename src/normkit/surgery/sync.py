"""Batch normalization over all processes, and back."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from normkit import nn
from normkit.surgery.comparison import largest
from normkit.surgery.journal import Journal
from normkit.surgery.norms import layer_class
from normkit.surgery.operation import operation
from normkit.surgery.passes import outputs_at, run
from normkit.surgery.report import Report
from normkit.surgery.sites import changed_already, class_name
from normkit.surgery.surgery import Site, Surgery, Where

_OF_DIMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def sync_(
    model: torch.nn.Module,
    *,
    process_group: dist.ProcessGroup | None = None,
    where: Where | None = None,
) -> Surgery:
    """Lets batch normalization see the batches of all processes.

    Each layer becomes `nk.nn.SyncBatchNorm` where it stands: the same parameters, buffers, hooks
    and sharing, its own activation kept. It runs on the CPU too.

    Args:
        model: changed in place, before it is wrapped for training on several devices.
        process_group: the processes; None means all.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every batch normalization layer. Undone, the model keeps what its parameters
        have become in the meantime.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    >>> nk.sync_(model).sites[0].done
    'SyncBatchNorm'
    >>> nk.unsync_(model, torch.randn(2, 3, 8, 8)).sites[0].done
    'BatchNorm2d'
    """
    sites = []
    with operation("sync_", model, values=False) as journal:
        for name, module in model.named_modules():
            if not isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                continue
            if isinstance(module, torch.nn.SyncBatchNorm | nn.SyncBatchNorm) or (
                where is not None and not where(name, module)
            ):
                continue
            layer, reason = class_name(module), _refusal(module)
            if reason is None:
                journal.set(module, "process_group", process_group)
                _become(module, nn.SyncBatchNorm, journal)
            done = None if reason else type(module).__name__
            sites.append(Site(name, layer, done, reason))
        return Surgery("sync_", sites, journal)


def unsync_(model: torch.nn.Module, example: Tensor, *, where: Where | None = None) -> Surgery:
    """Lets batch normalization see the batches of its own process alone, as `BatchNorm2d` does.

    Args:
        model: changed in place.
        example: what it is called with, one `x`, which tells the number of dimensions; it runs in
            evaluation mode.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every synchronised layer, PyTorch's and normkit's.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), nk.nn.SyncBatchNorm(8))
    >>> nk.unsync_(model, torch.randn(2, 3, 8, 8)).sites[0].done
    'BatchNorm2d'
    """
    with operation("unsync_", model, values=False) as journal:
        layers: dict[torch.nn.Module, str] = {
            module: name
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.SyncBatchNorm | nn.SyncBatchNorm)
            and (where is None or where(name, module))
        }
        ranks, report = _ranks(model, example, layers), Report(layers, layers)
        before = outputs_at(model, example, layers, evaluates=True)
        for module in layers:
            reason = changed_already(module)
            if module not in ranks:
                reason = reason or "it was not called, and nothing else tells its dimensions"
            if reason is None:
                _become(module, _OF_DIMS[ranks[module]], journal)
                report.done[module] = type(module).__name__
            else:
                report.refused[module] = reason
        after = outputs_at(model, example, layers, evaluates=True)
        difference = largest(after.output, before.output)
        return Surgery("unsync_", report.sites(after, before), journal, difference)


def _refusal(module: torch.nn.Module) -> str | None:
    if layer_class(module) not in _BATCH:
        return f"{class_name(module)} is more than batch normalization"
    return changed_already(module)


def _become(module: torch.nn.Module, cls: type, journal: Journal) -> None:
    if not isinstance(module, nn.Activated):
        journal.set(module, "act", None)
    journal.become(module, cls)


def _ranks(
    model: torch.nn.Module, example: Tensor, layers: dict[torch.nn.Module, str]
) -> dict[torch.nn.Module, int]:
    ranks: dict[torch.nn.Module, int] = {}

    def see(
        module: torch.nn.Module, arguments: tuple[Tensor, ...], options: dict[str, Tensor]
    ) -> None:
        ranks[module] = (arguments[0] if arguments else options["input"]).ndim

    handles = [layer.register_forward_pre_hook(see, with_kwargs=True) for layer in layers]
    try:
        run(model, example, evaluates=True)
    finally:
        for handle in handles:
            handle.remove()
    return ranks
