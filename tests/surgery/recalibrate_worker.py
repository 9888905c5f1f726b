"""One of two processes that check `recalibrate_` against one process with all the data.

    torchrun --nproc-per-node 2 recalibrate_worker.py RESULTS

The first process writes, for each check, what was wrong in any process, as JSON.
"""

from __future__ import annotations

import copy
import json
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import normkit as nk

SIZES = ([7, 5, 3], [4])
"""Of the batches of each process."""


def batches(rank: int, mean: float = 0.0) -> list[Tensor]:
    drawn = torch.Generator().manual_seed(rank)
    return [
        torch.randn(size, 3, 4, 4, generator=drawn) * (rank + 1) + rank + mean
        for size in SIZES[rank]
    ]


def own(mean: float = 0.0) -> list[Tensor]:
    return batches(dist.get_rank(), mean)


def everyones(mean: float = 0.0) -> Tensor:
    return torch.cat([*batches(0, mean), *batches(1, mean)])


def same_in_all(layer: nn.Module) -> None:
    """To be asked ahead of what may fail in one process alone: the other would wait for it."""
    told: list[dict[str, Tensor] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(told, dict(layer.state_dict()))
    for other in told:
        assert other is not None
        for name, value in layer.state_dict().items():
            assert torch.equal(value, other[name]), name


def right(layer: nn.Module, x: Tensor, tolerance: float = 1e-5) -> None:
    values = x.double().movedim(1, 0).flatten(1)
    for got, wanted in (
        (layer.running_mean, values.mean(1)),
        (layer.running_var, values.var(1)),
    ):
        torch.testing.assert_close(got.double(), wanted, rtol=tolerance, atol=tolerance)


def unequal_numbers_of_batches() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    (site,) = nk.recalibrate_(model, own())
    same_in_all(model)
    right(model[0], everyones())
    assert model[0].num_batches_tracked == 4
    assert str(site.done).startswith("statistics of 4 calls")


def one_process_without_a_batch() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    nk.recalibrate_(model, own() if dist.get_rank() == 0 else [])
    same_in_all(model)
    right(model[0], torch.cat(batches(0)))


def no_batch_in_any_process() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match="of which none came"):
        nk.recalibrate_(model, [])


def synchronised_layers() -> None:
    # In training each batch would wait for one of the other process, which has fewer.
    model = nn.Sequential(nk.nn.SyncBatchNorm(3))
    nk.recalibrate_(model, own())
    same_in_all(model)
    right(model[0], everyones())
    assert type(model[0]) is nk.nn.SyncBatchNorm


def large_means() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    nk.recalibrate_(model, own(1000.0))
    right(model[0], everyones(1000.0), 1e-4)


def whitening() -> None:
    layer = nk.nn.DecorrelatedBatchNorm2d(3, num_groups=1)
    model = nn.Sequential(layer)
    single = copy.deepcopy(model)
    nk.recalibrate_(model, own())
    same_in_all(model)
    values = everyones().double().movedim(1, 0).flatten(1)
    torch.testing.assert_close(layer.running_mean.double(), values.mean(1), rtol=1e-5, atol=1e-5)
    assert not torch.equal(single[0].running_mean, layer.running_mean)


def an_exception_in_one_process() -> None:
    def data() -> Iterator[Tensor]:
        yield from own()
        if dist.get_rank() == 1:
            raise OSError("the disk is gone")

    model = nn.Sequential(nn.BatchNorm2d(3))
    error, told = (
        (OSError, "the disk is gone")
        if dist.get_rank() == 1
        else (RuntimeError, "failed in 1 of them")
    )
    with pytest.raises(error, match=told):
        nk.recalibrate_(model, data())
    assert not model[0].running_mean.any()


CHECKS = [
    unequal_numbers_of_batches,
    one_process_without_a_batch,
    no_batch_in_any_process,
    synchronised_layers,
    large_means,
    whitening,
    an_exception_in_one_process,
]


def main() -> None:
    torch.set_num_threads(1)
    # A process whose counterpart failed somewhere else is to end, not to wait for half an hour.
    dist.init_process_group("gloo", timeout=timedelta(seconds=20))
    found = {}
    for check in CHECKS:
        wrong = None
        try:
            check()
        except Exception:
            wrong = f"process {dist.get_rank()}: {traceback.format_exc()}"
        told: list[str | None] = [None] * dist.get_world_size()
        dist.all_gather_object(told, wrong)
        found[check.__name__] = [text for text in told if text is not None]
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
