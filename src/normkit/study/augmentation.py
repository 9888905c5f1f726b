"""The user's augmentation of training images, the same draws for every arm."""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.data import augmentation
from normkit.seeding import seed_of, seeded
from normkit.study.spec import TrialSpec
from normkit.user_code import UserCodeError, raised


def augment(spec: TrialSpec, images: Tensor, step: int) -> Tensor:
    """A batch of training images as the user's augmentation leaves them.

    Its random numbers come from the global generators of torch, NumPy and Python, which are set
    from the trial's seed and the step, and put back: arms with the same seed see the same draws,
    and what else draws from them, dropout say, is not moved. Of torch's, these are the CPU's and
    that of the trial's device.

    Args:
        spec: the trial, whose `augment` names the user's data.
        images: as the data have them, before standardisation, `(N, C, H, W)`.
        step: the training step.

    Returns:
        Images of the same shape.

    Raises:
        UserCodeError: the augmentation raises, or returns no tensor of this shape, or one that is
            not finite.
    """
    apply = augmentation(spec.augment)
    shape = images.shape
    with seeded(seed_of(spec.seed, step), spec.device):
        try:
            changed = apply(images)
        except Exception as error:
            raise UserCodeError(
                f"the augmentation of {spec.augment} could not do a batch of shape "
                f"{tuple(shape)}: {raised(error)}"
            ) from error
    rule = (
        f"the augmentation of {spec.augment} takes images (N, C, H, W) and returns as many of the "
        "same shape"
    )
    if not isinstance(changed, Tensor):
        raise UserCodeError(f"{rule}; it returned a {type(changed).__name__}: return a tensor")
    if changed.shape != shape:
        raise UserCodeError(f"{rule}; it got {tuple(shape)} and returned {tuple(changed.shape)}")
    if not torch.isfinite(changed).all():
        raise UserCodeError(f"{rule}, finite; it returned NaN or infinite values")
    return changed.detach()
