"""One of two processes that check the kernels of `sync_batch_norm` against the joined batch.

    torchrun --nproc-per-node 2 --module tests.kernels.sync_batch_worker RESULTS

The first process writes, for each check, what was wrong in any process, as JSON.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import traceback
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tests.kernels.calls import TOLERANCES, close, lies, plainly, taken
from tests.kernels.interpreter import computes_as_a_gpu_does
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit import functional as F
from normkit import kernels

CHANNELS = 6


@dataclass(frozen=True)
class Case:
    """What the processes call `sync_batch_norm` with, together.

    Attributes:
        dtype: of the maps.
        layout: of the maps.
        sizes: how many samples each process has.
        affine: "both", "weight" or "none".
        residual: "none", "given", "constant" (it asks for no gradient) or "input".
        act: the activation.
        mean: of the input.
        masked: the processes that call with a mask, which keeps all.
        asks_input: whether the input's gradient is asked for.
    """

    dtype: torch.dtype = torch.float32
    layout: str = "contiguous"
    sizes: tuple[int, int] = (3, 3)
    affine: str = "both"
    residual: str = "none"
    act: Any = None
    mean: float = 0.5
    masked: tuple[int, ...] = ()
    asks_input: bool = True

    def made(self) -> Batches:
        torch.manual_seed(7)

        def maps(mean: float = 0.0) -> Tensor:
            values = torch.randn(sum(self.sizes), CHANNELS, 3, 3, dtype=torch.float64)
            # The processes differ in mean and variance.
            own = torch.arange(len(values)).ge(self.sizes[0]).double().reshape(-1, 1, 1, 1)
            return (values * (1 + own) + mean + own).to(self.dtype)

        precision = torch.float64 if self.dtype is torch.float64 else torch.float32
        vectors = [torch.randn(CHANNELS, dtype=precision) for _ in range(2)]
        count = {"both": 2, "weight": 1, "none": 0}[self.affine]
        x = maps(self.mean)
        residual = x if self.residual == "input" else maps()
        # Partly along the input, so that what it does by way of the variance is large.
        upstream = (maps() + x.double() - self.mean).to(self.dtype)
        return Batches(self, x, residual, vectors[:count], upstream)


@dataclass(frozen=True)
class Batches:
    """The tensors of all processes, joined."""

    case: Case
    input: Tensor
    residual: Tensor
    vectors: list[Tensor]
    upstream: Tensor

    def own(self, x: Tensor) -> Tensor:
        part = x.split(self.case.sizes)[dist.get_rank()]
        return lies(part, self.case.layout)

    def called(self, *, joined: bool, second: bool = False) -> dict[str, Tensor]:
        """Output and gradients, of the joined batch by the formula, or of this process's."""
        case = self.case

        def given(x: Tensor) -> Tensor:
            return x.double() if joined else self.own(x)

        x, residual = given(self.input), given(self.residual)
        x.requires_grad_(case.asks_input)
        if case.residual == "input":
            residual = x
        elif case.residual == "given":
            residual.requires_grad_()
        vectors = [v.double() if joined else v.clone() for v in self.vectors]
        weight, bias = (*(v.requires_grad_() for v in vectors), None, None)[:2]
        ending = {"act": case.act, "residual": None if case.residual == "none" else residual}
        if joined:
            y = F.batch_norm(x, None, None, weight, bias, training=True, **ending)
        else:
            kept = dist.get_rank() in case.masked
            mask = torch.ones(len(x), dtype=torch.bool) if kept else None
            y = F.sync_batch_norm(x, None, None, weight, bias, training=True, mask=mask, **ending)
        leaves = {"input": x, "weight": weight, "bias": bias, "residual": residual}
        if case.residual == "input":
            del leaves["residual"]
        asked = {n: leaf for n, leaf in leaves.items() if leaf is not None and leaf.requires_grad}
        if second:
            gradients = torch.autograd.grad(y, [x], given(self.upstream), create_graph=True)
            target = (gradients[0] * given(self.residual.flip(0))).sum() + y.square().sum()
            found = torch.autograd.grad(target, list(asked.values()), allow_unused=True)
        else:
            found = torch.autograd.grad(y, list(asked.values()), given(self.upstream))
        named = dict(zip(asked, found, strict=True))
        return {"output": y.detach(), **{n: g for n, g in named.items() if g is not None}}


def agrees(case: Case, second: bool = False, factor: float = 1.0) -> None:
    batches = case.made()
    with kernels.observed() as choices:
        got = batches.called(joined=False, second=second)
    fast = case.sizes[dist.get_rank()] > 0 and dist.get_rank() not in case.masked
    assert [choice.refusal is None for choice in choices] == [fast]
    expected = plainly(lambda: batches.called(joined=True, second=second))
    assert got.keys() == expected.keys()
    tolerance = TOLERANCES[case.dtype] * factor
    for name, value in got.items():
        exact, size = expected[name], 1.0
        if name in ("weight", "bias"):
            value = value.double()
            dist.all_reduce(value)
            size = math.sqrt(batches.input.numel() / CHANNELS)
        else:
            assert value.dtype is case.dtype
            assert value.is_contiguous() == (case.layout == "contiguous" or not value.numel())
            exact = exact.split(case.sizes)[dist.get_rank()]
        close(value.double(), exact, tolerance * size, name)


BFLOAT16 = torch.bfloat16
CASES = {
    "plain": Case(),
    "channels-last": Case(layout="channels-last", act="relu"),
    "float64": Case(dtype=torch.float64, residual="given", act="gelu"),
    "residual and relu": Case(residual="given", act="relu"),
    "residual and silu": Case(residual="given", act="silu", layout="channels-last"),
    "residual alone": Case(residual="given"),
    "residual that asks for nothing": Case(residual="constant", act="relu"),
    "the input as residual": Case(residual="input", act="relu"),
    "bfloat16": Case(dtype=BFLOAT16, act="silu"),
    "bfloat16, channels-last": Case(
        dtype=BFLOAT16, residual="given", act="relu", layout="channels-last"
    ),
    "no affine": Case(affine="none", act="silu"),
    "weight alone": Case(affine="weight", act="relu"),
    "an activation that no kernel has": Case(act="tanh"),
    "unequal batches": Case(sizes=(5, 2), act="relu", residual="given"),
    "an empty batch": Case(sizes=(4, 0), act="relu", residual="given"),
    "a mask in one process": Case(masked=(1,), act="silu", residual="given"),
    "a large mean": Case(mean=1000.0, act="relu"),
    "a larger mean, channels-last": Case(mean=10000.0, layout="channels-last"),
    "an input that asks for nothing": Case(asks_input=False, residual="given", act="relu"),
}
SECOND = {
    "second derivatives": Case(act="silu", residual="given"),
    "second derivatives by signs": Case(act="relu", residual="given"),
    "second derivatives beside an empty batch": Case(sizes=(4, 0), act="silu"),
}


def running_statistics() -> None:
    batches = Case(sizes=(5, 2)).made()
    synced = nk.nn.SyncBatchNorm(CHANNELS)
    single = nk.nn.BatchNorm2d(CHANNELS).double()
    for _ in range(2):
        with taken():
            synced(batches.own(batches.input))
        plainly(lambda: single(batches.input.double()))
    close(synced.state_dict(), single.state_dict(), 1e-6)


def memory_by_recomputation() -> None:
    """A consumer that saves the output, or checkpoints the norm, gets the same gradient."""
    batches = Case(act="relu", residual="given").made()
    synced = nk.nn.SyncBatchNorm(CHANNELS, act="relu")
    upstream = batches.own(batches.upstream)

    def gradients(run: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        leaves = [batches.own(x).requires_grad_() for x in (batches.input, batches.residual)]
        with taken():
            y = run(*leaves)
        return torch.autograd.grad(y, leaves, upstream)

    def followed(x: Tensor, residual: Tensor) -> Tensor:
        return synced(x, residual=residual).square()

    def leanly(x: Tensor, residual: Tensor) -> Tensor:
        with nk.lean():
            return followed(x, residual)

    expected = gradients(followed)
    close(gradients(leanly), expected)
    close(gradients(partial(checkpoint, followed, use_reentrant=False)), expected)
    x = batches.own(batches.input)
    told = "; lean() rebuilds its output in the backward pass"
    with nk.lean():
        assert str(nk.explain(synced, x.requires_grad_())).endswith(told)


def several_backward_passes() -> None:
    """One for the parameters alone leaves nothing for the next, nor does one that is repeated."""
    batches = Case(act="relu").made()
    x = batches.own(batches.input).requires_grad_()
    weight = batches.vectors[0].requires_grad_()
    upstream = batches.own(batches.upstream)
    y = F.sync_batch_norm(x, None, None, weight, training=True, act="relu")
    first = torch.autograd.grad(y, [x, weight], upstream, retain_graph=True)
    alone = torch.autograd.grad(y, weight, 2 * upstream, retain_graph=True)
    by_formula = torch.autograd.grad(y, [x, weight], upstream, create_graph=True)
    again = torch.autograd.grad(y, [x, weight], upstream)
    close(alone[0], 2 * first[1], 1e-6)
    close(by_formula, first, 1e-4)
    close(again, first)


def what_is_left_goes_with_the_graph() -> None:
    """Also where a pass for a parameter alone never takes it."""
    batches = Case(act="relu").made()
    norm = nk.nn.SyncBatchNorm(CHANNELS, act="relu")
    alive = []
    for _ in range(2):
        x = batches.own(batches.input).requires_grad_() * 2
        alive.append(weakref.ref(x))
        y = norm(x)
        torch.autograd.grad(y, norm.weight, batches.own(batches.upstream))
        del x, y
    gc.collect()
    assert [reference() for reference in alive] == [None, None]


def distributed_data_parallel_beside_an_empty_batch() -> None:
    """Its messages come at the same place among the others in both processes."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        *(
            torch.nn.Sequential(
                torch.nn.Conv2d(CHANNELS, CHANNELS, 1), nk.nn.SyncBatchNorm(CHANNELS, act=act)
            )
            for act in ("tanh", "relu", "silu")
        )
    )
    # A bucket for each parameter, which is sent as soon as its gradient is there.
    parallel = DistributedDataParallel(model, bucket_cap_mb=1e-6)
    batches = Case(sizes=(4, 0)).made()
    for _ in range(2):  # The buckets are put together anew after the first step.
        model.zero_grad()
        parallel(batches.own(batches.input)).backward(batches.own(batches.upstream))
    found = [parameter.grad.double() * 2 for parameter in model.parameters()]
    single = _single(model)
    single(batches.input.double()).backward(batches.upstream.double())
    expected = [parameter.grad for parameter in single.parameters()]
    close(found, expected, 1e-4)


def _single(model: torch.nn.Sequential) -> torch.nn.Sequential:
    """The same of one process, in float64, by the formula."""
    blocks = []
    for conv, norm in model:
        alone = nk.nn.BatchNorm2d(CHANNELS, act=norm.act)
        alone.load_state_dict(norm.state_dict())
        other = torch.nn.Conv2d(CHANNELS, CHANNELS, 1)
        other.load_state_dict(conv.state_dict())
        blocks.append(torch.nn.Sequential(other, alone))
    return torch.nn.Sequential(*blocks).double()


CHECKS: dict[str, Callable[[], None]] = {
    **{name: partial(agrees, case) for name, case in CASES.items()},
    **{name: partial(agrees, case, second=True, factor=20) for name, case in SECOND.items()},
    **{
        check.__name__.replace("_", " "): check
        for check in (
            running_statistics,
            memory_by_recomputation,
            several_backward_passes,
            what_is_left_goes_with_the_graph,
            distributed_data_parallel_beside_an_empty_batch,
        )
    },
}


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error", FutureWarning)
    dist.init_process_group("gloo")
    found = {}
    for name, check in CHECKS.items():
        wrong = None
        try:
            with computes_as_a_gpu_does():
                check()
        except Exception:
            wrong = f"process {dist.get_rank()}: {traceback.format_exc()}"
        told: list[str | None] = [None] * dist.get_world_size()
        dist.all_gather_object(told, wrong)
        found[name] = [text for text in told if text is not None]
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
