"""How the weights of a trial follow their gradients: the optimizer, and its rate at every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from normkit.functional.names import unknown_name
from normkit.study.spec import TrialSpec

OPTIMIZERS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"sgd": (0.01, 0.03, 0.1, 0.3), "adamw": (0.0003, 0.001, 0.003, 0.01)}
)
"""Name → the half-decades of learning rates that tuning starts from, widened at the edge."""

SCHEDULES = ("constant", "cosine")

_STRENGTHS: dict[str, tuple[float, ...]] = {
    "dropout": (0.2, 0.5),
    "l1": (1e-4, 1e-3),
    "l2": (1e-3, 1e-2),
}


def strengths(penalty: str, optimizer: str) -> tuple[float, ...]:
    """The strengths of a penalty worth trying.

    AdamW's decay, which stands for L2, does not go through the gradient's average: it is multiplied
    by a rate some thirty times smaller than SGD's, so that less would do nothing.

    Args:
        penalty: "dropout", "l1" or "l2".
        optimizer: one of `OPTIMIZERS`.

    >>> strengths("l2", "sgd"), strengths("l2", "adamw")
    ((0.001, 0.01), (0.1, 1.0))
    """
    return (0.1, 1.0) if (penalty, optimizer) == ("l2", "adamw") else _STRENGTHS[penalty]


def make_optimizer(spec: TrialSpec, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a trial, with weight decay `l2` on weights, not on biases or norms.

    Raises:
        ValueError: the optimizer's name is unknown.
    """
    parts: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": spec.l2},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if spec.optimizer == "sgd":
        return torch.optim.SGD(parts, lr=spec.rate, momentum=spec.momentum)
    if spec.optimizer == "adamw":
        return torch.optim.AdamW(parts, lr=spec.rate, betas=(spec.momentum, 0.999))
    raise ValueError(unknown_name("optimizer", spec.optimizer, OPTIMIZERS))


def share_of_rate(schedule: str, step: int, steps: int) -> float:
    r"""What the learning rate is multiplied by in a step.

    .. math:: \tfrac12 \Big(1 + \cos \pi \frac{t - 1}{T - 1}\Big)

    for `cosine` in step t of T: one in the first, zero in the last.

    Args:
        schedule: one of `SCHEDULES`.
        step: from 1 to `steps`.
        steps: of the whole trial.

    Raises:
        ValueError: the schedule's name is unknown.

    >>> [round(share_of_rate("cosine", step, 5), 2) for step in (1, 2, 3, 4, 5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - 1) / max(steps - 1, 1)))
    raise ValueError(unknown_name("schedule", schedule, SCHEDULES))


def set_rate(optimizer: torch.optim.Optimizer, spec: TrialSpec, step: int) -> None:
    """Give an optimizer the rate that its trial has in a step, counted from 1."""
    for part in optimizer.param_groups:
        part["lr"] = spec.rate * share_of_rate(spec.schedule, step, spec.steps)
