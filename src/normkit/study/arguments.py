"""What a study is told to do, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from normkit import models
from normkit.data import Dataset
from normkit.functional.names import unknown_name
from normkit.study.arms import NOT_STUDIED, arms, is_headline
from normkit.study.claims import choose
from normkit.study.ladder import BUDGETS
from normkit.study.optimizer import OPTIMIZERS, SCHEDULES
from normkit.user_code import FORMS, is_spec, spec_of

if TYPE_CHECKING:
    from normkit.study.run import Study

LEAST_SECONDS = 60.0
"""What every trial may take, however short it is estimated to be."""

CALLED_AGAIN = 10
"""How many times as long where each worker first calls a data factory again, which may be slow."""


def named(given: str | Callable[..., Any]) -> str:
    """A name, or the spec of a function that was given itself.

    Raises:
        UserCodeError: the function cannot be found again by name.
    """
    return given if isinstance(given, str) else spec_of(given)


def least_seconds(study: Study, data: Dataset) -> float:
    """Seconds that a trial of a study may take even if it is estimated to take none."""
    if study.trial_seconds is not None:
        return study.trial_seconds
    return LEAST_SECONDS * (CALLED_AGAIN if data.augmented else 1)


def check(study: Study) -> None:
    """Raises unless a study can be made with these arguments.

    Raises:
        ValueError: a name is unknown, or a number is out of range.
    """
    for name, names in (("norms", study.norms), ("claims", study.claims)):
        if isinstance(names, str):
            raise ValueError(f"{name} is a list of names; got {names!r}: write [{names!r}]")
    for norm in study.norms:
        if norm in NOT_STUDIED:
            raise ValueError(f"{norm} cannot be studied: {NOT_STUDIED[norm]}; leave it out")
        if norm not in arms():
            raise ValueError(unknown_name("norm", norm, arms()))
    if not [norm for norm in study.norms if is_headline(norm)]:
        given = ", ".join(study.norms) or "nothing"
        raise ValueError(
            "a study compares norm layers with none; give at least one, such as batch, beside "
            f"rivals and methods on the weights; got {given}"
        )
    _check_model(study)
    choose(tuple(study.claims) if study.claims else None)
    if isinstance(study.budget, str) and study.budget not in BUDGETS:
        raise ValueError(
            f"a budget is {', '.join(BUDGETS)}, or a number of minutes; got {study.budget!r}"
        )
    if study.optimizer not in OPTIMIZERS:
        raise ValueError(unknown_name("optimizer", study.optimizer, OPTIMIZERS))
    if study.schedule not in SCHEDULES:
        raise ValueError(unknown_name("schedule", study.schedule, SCHEDULES))
    _check_numbers(study)
    if study.device not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda; got {study.device!r}")
    if study.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but PyTorch sees no GPU here: use device cpu")


def _check_model(study: Study) -> None:
    model = study.model_spec
    if not is_spec(model):
        if model not in models.MODELS:
            raise ValueError(
                f"{unknown_name('model', model, models.MODELS)} For one of your own give {FORMS}."
            )
        return
    for name, value in (("depth", study.depth), ("width", study.width)):
        if value is not None:
            raise ValueError(
                f"{name} is set in built-in models alone; {model} decides on its own: leave "
                f"{name} out"
            )


def _check_numbers(study: Study) -> None:
    for name, value, least in (
        ("budget", study.budget_seconds, 1e-9),
        ("trial_seconds", study.trial_seconds, 1e-9),
        ("steps", study.steps, 10),
        ("batch", study.batch, 2),
        ("seed", study.seed, 0),
        ("depth", study.depth, 1),
        ("width", study.width, 1),
        ("workers", study.workers, 1),
    ):
        if value is None:
            continue
        kind = {"budget": "number of minutes", "trial_seconds": "number of seconds"}.get(name)
        if not math.isfinite(value) or (kind is None and value != int(value)):
            raise ValueError(f"{name} must be a {kind or 'whole number'}; got {value!r}")
        if value < least:
            rule = "more than 0" if kind else f"at least {least:g}"
            raise ValueError(f"{name} must be {rule}; got {getattr(study, name)!r}")
