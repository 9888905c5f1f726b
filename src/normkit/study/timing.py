"""The cost trial: every arm's training step, timed in turns, with nothing else running."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from normkit.data import Dataset
from normkit.probes.cost import bytes_for_backward, seconds_in_turns
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.train import Batches, build, training_indices


def run(spec: TrialSpec, data: Dataset) -> Record:
    """Time one training step of each norm in `spec.arms`, `spec.steps` rounds in turns.

    Bytes are part of the result; seconds, which differ from run to run, are under `times`.
    """
    started = time.perf_counter()
    batches = Batches(data, spec.device)
    images, labels = batches.take(training_indices(spec, data)[: spec.batch])
    held: dict[str, int] = {}
    parameters: dict[str, int] = {}
    steps: dict[str, Callable[[], object]] = {}
    for norm in spec.arms:
        model = build(spec.but(norm=norm), data).train()
        held[norm] = bytes_for_backward(model, images, labels)
        parameters[norm] = sum(parameter.numel() for parameter in model.parameters())
        # Rate zero: the weights stay as they are, so no arm slows down on denormal numbers.
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=spec.momentum)

        def step(model: torch.nn.Module = model, optimizer: torch.optim.SGD = optimizer) -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if images.is_cuda:
                torch.cuda.synchronize()

        steps[norm] = step
    seconds = seconds_in_turns(steps, rounds=spec.steps)
    return Record(
        spec,
        "ok",
        [],
        {},
        {"bytes_for_backward": held, "parameters": parameters},
        {
            "seconds_per_step": {norm: statistics.median(s) for norm, s in seconds.items()},
            "total": time.perf_counter() - started,
        },
    )
