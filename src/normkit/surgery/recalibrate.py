"""Running statistics taken anew from data, as those of the whole population."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from normkit import nn
from normkit.functional.running import update_running_
from normkit.functional.statistics import Moments
from normkit.nn.batch import BatchNormLayer
from normkit.nn.running import Pool, RunningStatistics
from normkit.probes.restore import unchanged
from normkit.seeding import restored
from normkit.surgery.batches import Data, inputs
from normkit.surgery.comparison import difference_at, largest
from normkit.surgery.freeze import is_frozen, keeps_statistics
from normkit.surgery.journal import Journal
from normkit.surgery.norms import layer_class
from normkit.surgery.operation import operation
from normkit.surgery.passes import outputs_at
from normkit.surgery.sites import class_name
from normkit.surgery.surgery import Site, Surgery, Where


def recalibrate_(model: torch.nn.Module, data: Data, *, where: Where | None = None) -> Surgery:
    """Takes running statistics anew from data: the mean and the variance of all of it together.

    Running statistics lag behind the weights, and are wrong once these were averaged, pruned or
    moved to another domain. The model runs on each batch with its norms as in training and all
    else, dropout above all, as in evaluation; what each norm is called with counts by its size, so
    a smaller last batch weighs less and a layer that is called several times sees all its calls.
    Over several processes of `torch.distributed` all are taken together, so that all get the same.

    Args:
        model: its running statistics are changed in place, and nothing else.
        data: batches, `x` or `(x, y)`; a thousand to ten thousand samples serve.
        where: chooses norms by name and layer; None takes all.

    Returns:
        The sites: every norm with running statistics, and how far its output and the model's moved
        in evaluation, on the first batch. Left as they are: those that are frozen, and
        those in evaluation mode in a model that is in training mode.

    Raises:
        TypeError: a model that is compiled, or wrapped for training on several devices; no batches.
        RuntimeError: it failed in another process; the model is as before in all of them.
        ValueError: no batch came, or one that gives a norm a single value per channel.
        Exception: whatever the model raises. It is then as before.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    >>> surgery = nk.recalibrate_(model, [torch.randn(100, 3) + 7, torch.randn(20, 3) + 7])
    >>> model[0].running_mean.round()
    tensor([7., 7., 7.])

    Paper: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021,
    https://arxiv.org/abs/2105.07576
    """
    with operation("recalibrate_", model) as journal:
        sites: list[Site] = []
        layers: dict[torch.nn.Module, str] = {}
        for name, module in model.named_modules():
            if not keeps_statistics(module) or (where is not None and not where(name, module)):
                continue
            reason = _refusal(module, model)
            if reason is None:
                layers[module] = name
            else:
                sites.append(Site(name, class_name(module), refused=reason))
        first: list[Tensor] = []
        pools = _pools(model, data, list(layers), first)
        before = [outputs_at(model, x, layers, evaluates=True) for x in first]
        told: dict[torch.nn.Module, str] = {}
        for layer, name in layers.items():
            pool, calls = pools[layer]
            if calls and not bool(pool.size):
                reason = "it was called with nothing but single values, or with some not finite"
                sites.append(Site(name, class_name(layer), refused=reason))
            elif calls:
                told[layer] = f"statistics of {calls} calls{_move_(layer, pool, calls)}"
            else:
                sites.append(Site(name, class_name(layer), refused="it was not called"))
        after = [outputs_at(model, x, layers, evaluates=True) for x in first]
        for layer, done in told.items():
            moved = [difference_at(layer, *pair) for pair in zip(after, before, strict=True)]
            sites.append(Site(layers[layer], class_name(layer), done, None, *moved))
        order = {name: index for index, (name, _) in enumerate(model.named_modules())}
        sites.sort(key=lambda site: order[site.name])
        differences = [
            largest(now.output, then.output) for now, then in zip(after, before, strict=True)
        ]
        return Surgery("recalibrate_", sites, journal, *differences)


def _refusal(module: torch.nn.Module, model: torch.nn.Module) -> str | None:
    if is_frozen(module):
        return "it is frozen"
    if model.training and not module.training:
        return "it is in evaluation mode, in a model in training mode"
    cls = layer_class(module)
    if cls is None or not issubclass(cls, RunningStatistics):
        return f"{class_name(module)} has a forward pass of its own"
    return None


def _pools(
    model: torch.nn.Module, data: Data, layers: list[torch.nn.Module], first: list[Tensor]
) -> dict[torch.nn.Module, tuple[Pool, int]]:
    """What each layer is called with, in all processes together, and in how many calls.

    The first batch of this process, if there is one, is put into `first`.
    """
    calls = dict.fromkeys(layers, 0)

    def count(layer: torch.nn.Module, _: object) -> None:
        calls[layer] += 1

    journal, handles = Journal(), []
    pools: dict[torch.nn.Module, Pool] = {}
    batches = 0
    try:
        with restored(), unchanged(model), torch.no_grad():
            model.eval()
            for layer in layers:
                ours = layer_class(layer)
                if ours is nn.SyncBatchNorm:
                    ours = _Alone
                if not isinstance(layer, ours or RunningStatistics):
                    assert ours is not None
                    journal.become(layer, ours)
                    if not hasattr(layer, "act"):
                        journal.set(layer, "act", None)
                assert isinstance(layer, RunningStatistics)
                pool = layer.new_pool()
                assert pool is not None
                pools[layer] = pool
                journal.set(layer, "_pool", pool)
                layer.training = True
                handles.append(layer.register_forward_pre_hook(count))
            for x in inputs("recalibrate_", data, model):
                batches += 1
                if not first:
                    first.append(x)
                model(x)
    except Exception:
        _of_all(model, [1, batches, *calls.values()])
        raise
    finally:
        for handle in handles:
            handle.remove()
        journal.undo()
    failures, batches, *called = _of_all(model, [0, batches, *calls.values()])
    if failures:
        raise RuntimeError(
            f"recalibrate_ takes the data of all processes together, and failed in {failures} of "
            "them, which tell why. Nothing was changed."
        )
    if not batches:
        raise ValueError("recalibrate_ takes statistics from data, of which none came.")
    if _several():
        for pool in pools.values():
            pool.join_processes()
    return {layer: (pools[layer], count) for layer, count in zip(layers, called, strict=True)}


class _Alone(nn.SyncBatchNorm):
    """Sees the batches of its own process alone: the others may have more of them, or fewer."""

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments | None]:
        return BatchNormLayer._of_batch(self, x, ending)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def _of_all(model: torch.nn.Module, numbers: list[int]) -> list[int]:
    """The sums of numbers over all processes, which come here whatever happened in them."""
    if not _several():
        return numbers
    tensors = chain(model.parameters(), model.buffers())
    device = next((tensor.device for tensor in tensors), torch.device("cpu"))
    sums = torch.tensor(numbers, device=device)
    dist.all_reduce(sums)
    return [int(each) for each in sums.tolist()]


def _move_(layer: torch.nn.Module, pool: Pool, calls: int) -> str:
    """Sets the running statistics of a layer; tells how far its means were off."""
    moments = pool.moments()
    mean = layer._buffers.get("running_mean")
    before = None if mean is None else mean.detach().clone()
    with torch.no_grad():
        if isinstance(layer, RunningStatistics):
            layer._move_(moments, 1.0)
        else:
            update_running_(mean, layer._buffers.get("running_var"), moments, 1.0)
        tracked = layer._buffers.get("num_batches_tracked")
        if tracked is not None:
            tracked.fill_(calls)
    if before is None or mean is None or moments.variance.shape != mean.shape:
        return ""
    deviation = moments.variance.sqrt().clamp(min=1e-12)
    off = float(((mean - before).abs() / deviation).max())
    return f"; a mean was off by up to {off:.2g} standard deviations"
