"""A first look at the user's network: can it be made, and take a step on the data?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.data import Dataset
from normkit.study.augmentation import augment
from normkit.study.layers import norms
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.train import Batches, make_users, training_indices
from normkit.user_code import UserCodeError, raised


def check(spec: TrialSpec, data: Dataset) -> Record:
    """Make the network, and go forward and backward through it once, on one batch.

    Returns:
        A record whose probes tell how many norm layers the factory asked for, or surgery can
        change in what it made (None or 0 where there are none), which of the two it was, how many
        are in the network, and its parameters.

    Raises:
        UserCodeError: what came is no network for these data.
    """
    batches = Batches(data, spec.device)
    indices = training_indices(spec, data)[: spec.batch]
    if spec.augment:
        augment(spec, batches.images[indices], 0)
    images, labels = batches.take(indices)
    made = make_users(spec, data)
    # Evaluation sees batches of other sizes, so a network must not count on one.
    with torch.no_grad():
        _logits(made.model.eval(), images[1:], spec, len(data.classes))
    logits = _logits(made.model.train(), images, spec, len(data.classes))
    try:
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise UserCodeError(
            f"the network of {spec.model} gives no gradient to train by: {raised(error)}"
        ) from error
    found = {
        "asked": made.norms,
        "by": made.by,
        "norms": len(norms(made.model, images)),
        "parameters": sum(parameter.numel() for parameter in made.model.parameters()),
    }
    return Record(spec, "ok", [], {}, found)


def _logits(model: nn.Module, images: Tensor, spec: TrialSpec, classes: int) -> Tensor:
    """What a network makes of images, if it is what it should be."""
    try:
        logits: object = model(images)
    except Exception as error:
        raise UserCodeError(
            f"the network of {spec.model} could not do a batch of images of shape "
            f"{tuple(images.shape)}: {raised(error)}"
        ) from error
    rule = f"the network of {spec.model} must return logits of shape (N, num_classes)"
    if not isinstance(logits, Tensor):
        raise UserCodeError(f"{rule}; it returned a {type(logits).__name__}: return one tensor")
    if tuple(logits.shape) != (len(images), classes):
        raise UserCodeError(
            f"{rule}, here {(len(images), classes)}; it returned {tuple(logits.shape)}: end it "
            "with a linear layer of num_classes outputs"
        )
    if not logits.is_floating_point():
        raise UserCodeError(f"{rule}, as floating-point numbers; it returned {logits.dtype}")
    return logits
