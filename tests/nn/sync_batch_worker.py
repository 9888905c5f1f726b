"""One of several processes that check `SyncBatchNorm` against one process with the joined batch.

    torchrun --nproc-per-node 2 sync_batch_worker.py RESULTS

The first process writes, for each check, what was wrong in any process, as JSON.
"""

from __future__ import annotations

import copy
import json
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

import normkit as nk
from normkit.kernels import library

SIZES = (5, 3, 0, 7)
"""How many samples each process has: uneven, one has none."""

CHANNELS = 4


def layer(group: dist.ProcessGroup | None = None, **options: object) -> nk.nn.SyncBatchNorm:
    made = nk.nn.SyncBatchNorm(CHANNELS, process_group=group, **options).double()
    torch.manual_seed(1)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def one_process(synced: torch.nn.Module) -> nk.nn.BatchNorm2d:
    single = nk.nn.BatchNorm2d(CHANNELS, momentum=synced.momentum, act=synced.act).to(
        synced.weight.dtype
    )
    single.load_state_dict(synced.state_dict())
    return single


def batches(ranks: list[int], seed: int = 0, mean: float = 0.0) -> list[Tensor]:
    torch.manual_seed(seed)
    return [
        torch.randn(SIZES[rank], CHANNELS, 3, 2, dtype=torch.float64) * (rank + 1) + rank + mean
        for rank in ranks
    ]


def everyone() -> list[int]:
    return list(range(dist.get_world_size()))


def close(got: object, expected: object, told: str, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(
        got, expected, rtol=tolerance, atol=tolerance, msg=lambda text: f"{told}: {text}"
    )


def compare(synced: torch.nn.Module, ranks: list[int], calls: int = 1) -> None:
    """Outputs, gradients and statistics, after some calls in one step."""
    single = one_process(synced)
    place = ranks.index(dist.get_rank())
    losses: list[Tensor] = []
    leaves: list[Tensor] = []
    joined: list[Tensor] = []
    total = torch.zeros((), dtype=torch.float64)
    for call in range(calls):
        parts = batches(ranks, seed=call)
        x = parts[place].clone().requires_grad_()
        whole = torch.cat(parts).requires_grad_()
        upstream = torch.randn_like(whole)
        y, expected = synced(x), single(whole)
        close(y, expected.split([len(part) for part in parts])[place], "output")
        own = upstream.split([len(part) for part in parts])[place]
        losses.append((y * own).sum())
        total = total + (expected * upstream).sum()
        leaves.append(x)
        joined.append(whole)
    parameters = list(synced.parameters())
    found = torch.autograd.grad(torch.stack(losses).sum(), [*leaves, *parameters])
    right = torch.autograd.grad(total, [*joined, *single.parameters()])
    sizes = [SIZES[rank] for rank in ranks]
    for got, expected in zip(found[:calls], right[:calls], strict=True):
        close(got, expected.split(sizes)[place], "gradient of the input")
    for got, expected in zip(found[calls:], right[calls:], strict=True):
        summed = got.clone()
        dist.all_reduce(summed, group=synced.process_group)
        close(summed, expected, "gradient of a parameter")
    close(synced.state_dict(), single.state_dict(), "statistics")


def uneven_batches() -> None:
    compare(layer(act="tanh"), everyone())


def twice_in_one_step() -> None:
    compare(layer(), everyone(), calls=2)


def the_cumulative_average() -> None:
    compare(layer(momentum=None), everyone(), calls=2)


def process_groups() -> None:
    half = len(everyone()) // 2
    groups = [everyone()[:half], everyone()[half:]]
    made = [dist.new_group(ranks) for ranks in groups]
    for ranks, group in zip(groups, made, strict=True):
        if dist.get_rank() in ranks:
            compare(layer(group), ranks)
        else:
            with pytest.raises(ValueError, match="not in process_group"):
                layer(group)(batches(everyone())[0])


def second_derivatives() -> None:
    synced = layer(act="tanh")
    single = one_process(synced)
    parts = batches(everyone())
    place = dist.get_rank()

    def penalty(norm: torch.nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad((norm(x) * upstream).sum(), x, create_graph=True)
        return gradient.square().sum()

    whole = torch.cat(parts).requires_grad_()
    upstream = torch.randn_like(whole)
    x = parts[place].clone().requires_grad_()
    sizes = [len(part) for part in parts]
    (got,) = torch.autograd.grad(penalty(synced, x, upstream.split(sizes)[place]), x)
    (expected,) = torch.autograd.grad(penalty(single, whole, upstream), whole)
    close(got, expected.split(sizes)[place], "second derivative", 1e-9)


def half_precision_and_a_large_mean() -> None:
    parts = [part.float() for part in batches(everyone(), mean=1000.0)]
    synced = layer().float()
    single = one_process(synced)
    exact = one_process(copy.deepcopy(synced).double())
    expected = exact(torch.cat(parts).double()).split([len(part) for part in parts])
    single(torch.cat(parts))
    close(synced(parts[dist.get_rank()]).double(), expected[dist.get_rank()], "large mean", 2e-3)
    close(synced.running_var, single.running_var, "variance of a large mean", 1e-5)
    y = synced(parts[dist.get_rank()].bfloat16())
    assert y.dtype is torch.bfloat16
    assert synced.running_var.dtype is torch.float32


def masked_samples() -> None:
    parts = batches(everyone())
    masks = [torch.arange(len(part)) % 2 == 0 for part in parts]
    synced = layer()
    single = one_process(synced)
    place = dist.get_rank()
    kept = torch.cat([part[mask] for part, mask in zip(parts, masks, strict=True)])
    expected = single(kept).split([int(mask.sum()) for mask in masks])[place]
    close(synced(parts[place], mask=masks[place])[masks[place]], expected, "kept samples")
    close(synced.state_dict(), single.state_dict(), "statistics")


def a_nan_in_one_process_spares_all() -> None:
    synced = layer()
    before = copy.deepcopy(synced.state_dict())
    x = batches(everyone())[dist.get_rank()]
    if dist.get_rank() == 0:
        x[0, 0, 0, 0] = torch.nan
    synced(x)
    close(synced.state_dict(), before, "statistics", 0.0)


def accumulated_micro_batches() -> None:
    synced = layer()
    single = one_process(synced)
    place = dist.get_rank()
    both = [batches(everyone(), seed) for seed in (0, 1)]
    with nk.accumulate(synced):
        for parts in both:
            synced(parts[place])
    single(torch.cat([part for parts in both for part in parts]))
    close(synced.state_dict(), single.state_dict(), "statistics")


def evaluation_is_each_process_alone() -> None:
    synced = layer().eval()
    if dist.get_rank() == 0:  # No message to the others, who would not answer.
        x = batches(everyone())[0]
        close(synced(x), one_process(synced).eval()(x), "evaluation")


def distributed_data_parallel() -> None:
    synced = layer()
    single = one_process(synced)
    model = DistributedDataParallel(synced)
    place = dist.get_rank()
    parts = batches(everyone())
    whole = torch.cat(parts)
    upstream = torch.randn_like(whole)
    sizes = [len(part) for part in parts]
    # Two forwards before one backward: the buffers are sent around between them.
    loss = (model(parts[place]) * upstream.split(sizes)[place]).sum()
    loss = loss + (model(parts[place]) * upstream.split(sizes)[place]).sum()
    loss.backward()
    (2 * (single(whole) * upstream).sum()).backward()
    for got, expected in zip(synced.parameters(), single.parameters(), strict=True):
        close(got.grad * dist.get_world_size(), expected.grad, "gradient")


def batch_norm_twice_under_distributed_data_parallel() -> None:
    layer = nk.nn.BatchNorm2d(CHANNELS).double()
    model = DistributedDataParallel(layer)
    x = torch.randn(4, CHANNELS, 3, 2, dtype=torch.float64)
    (model(x).pow(3).sum() + model(x).pow(3).sum()).backward()
    assert layer.num_batches_tracked == 2


def pytorchs_sync_batch_norm_refuses_the_cpu() -> None:
    with pytest.raises(ValueError, match="expected input tensor to be on"):
        torch.nn.SyncBatchNorm(CHANNELS)(torch.randn(4, CHANNELS, 3, 2))


def transforms() -> None:
    synced = layer(act="tanh")
    x = batches(everyone())[dist.get_rank()]
    leaf = x.clone().requires_grad_()
    upstream = torch.randn_like(x)
    (expected,) = torch.autograd.grad(copy.deepcopy(synced)(leaf), leaf, upstream)
    before = copy.deepcopy(synced.state_dict())
    got = torch.func.grad(lambda x: (synced(x) * upstream).sum())(x)
    close(got, expected, "grad")
    several = torch.stack([x, 2 * x + 1, x.flip(0)])
    close(
        torch.func.vmap(synced)(several),
        torch.stack([copy.deepcopy(synced)(each) for each in several]),
        "vmap",
    )
    weights = torch.randn(3, CHANNELS, dtype=x.dtype)

    def with_weight(weight: Tensor) -> Tensor:
        return nk.functional.sync_batch_norm(x, None, None, weight, training=True)

    close(
        torch.func.vmap(with_weight)(weights), torch.stack([*map(with_weight, weights)]), "weights"
    )
    close(synced.state_dict(), before, "captured statistics", 0.0)


def evaluation_without_running_statistics_is_each_process_alone() -> None:
    synced = layer(track_running_stats=False).eval()
    if dist.get_rank() == 0:
        x = batches(everyone())[0]
        close(
            synced(x),
            nk.functional.batch_norm(x, None, None, synced.weight, synced.bias, training=True),
            "evaluation",
        )


def compiled() -> None:
    synced = layer(act="relu")
    twin = copy.deepcopy(synced)
    call = torch.compile(synced, backend="aot_eager", fullgraph=True)
    x = batches(everyone())[dist.get_rank()]
    leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    upstream = torch.randn_like(x)
    y, expected = call(leaf), twin(other)
    close(y, expected, "output")
    close(
        torch.autograd.grad(y, leaf, upstream),
        torch.autograd.grad(expected, other, upstream),
        "gradient",
    )
    close(synced.state_dict(), twin.state_dict(), "statistics")


def the_way_of_a_call_is_explained() -> None:
    synced = layer(act="relu")
    x = batches(everyone())[dist.get_rank()]
    told = str(nk.explain(synced, x)).removeprefix("sync_batch_norm: ")
    if not library.is_in_triton(x):
        why = "no kernel for the CPU has statistics over several processes"
        assert told == f"the plain formula, since {why}"
    elif len(x) == 0:
        assert told == "the plain formula, since the input is empty"
    else:
        assert told == "a kernel for the CPU, norm + relu in one pass over contiguous float64"
    with nk.lean():  # Of the formula it rebuilds nothing, and says nothing.
        assert ("lean" in str(nk.explain(synced, x))) == (told.startswith("a kernel"))


CHECKS: list[Callable[[], None]] = [
    uneven_batches,
    twice_in_one_step,
    the_cumulative_average,
    process_groups,
    second_derivatives,
    half_precision_and_a_large_mean,
    masked_samples,
    a_nan_in_one_process_spares_all,
    accumulated_micro_batches,
    evaluation_is_each_process_alone,
    distributed_data_parallel,
    batch_norm_twice_under_distributed_data_parallel,
    pytorchs_sync_batch_norm_refuses_the_cpu,
    transforms,
    evaluation_without_running_statistics_is_each_process_alone,
    compiled,
    the_way_of_a_call_is_explained,
]


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error", FutureWarning)
    dist.init_process_group("gloo")
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
