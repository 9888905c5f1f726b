"""Trials that time: every arm's step in turns, alone (cost) or as fast as workers allow (pace)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.data import Dataset
from normkit.nn import clip_grad_adaptive_
from normkit.probes.cost import bytes_for_backward, seconds_in_turns
from normkit.study.augmentation import augment
from normkit.study.optimizer import make_optimizer
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.train import (
    EVALUATED_IMAGES,
    Batches,
    build,
    clipped_parameters,
    measure,
    training_indices,
)

PACE_STEPS = 16
"""Training steps that a trial of the pace takes."""


def cost(spec: TrialSpec, data: Dataset) -> Record:
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
        steps[norm] = _step(spec.but(norm=norm), model, images, labels)
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


def pace(spec: TrialSpec, data: Dataset) -> Record:
    """Time a few training steps, and evaluating one image."""
    batches = Batches(data, spec.device)
    indices = training_indices(spec, data)
    evaluated = indices[:EVALUATED_IMAGES]
    model = build(spec, data).train()
    train = _step(spec, model, *batches.take(indices[: spec.batch]))
    seconds = {
        "step": _typical([_timed(train) for _ in range(PACE_STEPS)]),
        "image": _typical(
            [_timed(lambda: measure(model, batches, evaluated)) for _ in range(PACE_STEPS // 4)]
        )
        / len(evaluated),
    }
    if spec.augment:
        raw = batches.images[indices[: spec.batch]]
        seconds["step"] += _typical([_timed(lambda: augment(spec, raw, 0)) for _ in range(4)])
    return Record(spec, "ok", [], {}, {}, seconds)


def _step(
    spec: TrialSpec, model: nn.Module, images: Tensor, labels: Tensor
) -> Callable[[], object]:
    """A whole training step that leaves the weights as they are."""
    # Rate zero: with weights that move, an arm could slow down on denormal numbers.
    optimizer = make_optimizer(spec.but(rate=0.0), model)
    clipped = clipped_parameters(model, spec, images[:2])

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        clip_grad_adaptive_(clipped)
        optimizer.step()
        if images.is_cuda:
            torch.cuda.synchronize()

    return step


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _typical(seconds: list[float]) -> float:
    """The lower quartile: the first ones warm up, and a disturbance only ever adds."""
    return sorted(seconds)[len(seconds) // 4]
