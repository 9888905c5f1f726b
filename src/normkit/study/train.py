"""One trial: a pure function of its specification and its data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedParameter

from normkit import models
from normkit.data import Dataset
from normkit.models import Made, MicroBatched
from normkit.nn import clip_grad_adaptive_
from normkit.nn.catalogue import catalogue
from normkit.seeding import restored, seed
from normkit.study.arms import norm_of, rival_of
from normkit.study.augmentation import augment
from normkit.study.layers import classifier
from normkit.study.loading import loaded
from normkit.study.optimizer import make_optimizer, set_rate
from normkit.study.record import Point, Record, finite
from normkit.study.spec import TrialSpec
from normkit.study.surgery import with_norm
from normkit.user_code import UserCodeError, is_spec

EVALUATED_IMAGES = 256
"""Size of the fixed subset of the training part on which the curves are measured."""

FOLLOWED_IMAGES = 512
"""Size of the fixed subset of the test part on which its loss is followed; the end sees all."""


CURVE_POINTS = 20

GIVEN = "given"
"""The one arm of a network that takes no norm: it is studied as it is."""


def checkpoints(steps: int, test: str = "never") -> list[int]:
    """The steps after which a trial is measured.

    From 4 on each time 30 % further, since training is fastest at first; where the test loss is
    followed too, evenly spaced, since what matters there comes last.

    >>> checkpoints(20)
    [0, 4, 5, 6, 8, 10, 13, 17, 20]
    >>> checkpoints(100, "curve")[:4]
    [0, 5, 10, 15]
    """
    if test == "curve":
        return sorted({*range(0, steps, max(steps // CURVE_POINTS, 1)), steps})
    points, step = [0], 4
    while step < steps:
        points.append(step)
        step = max(step + 1, round(step * 1.3))
    return [*points, steps] if steps else points


def run(spec: TrialSpec, probes: Sequence[str], data: Dataset) -> Record:
    """Train one network as specified, measuring as it goes.

    Args:
        spec: what to train, on what, how long.
        probes: names of what else to measure (see :mod:`normkit.study.probing`).
        data: the data set whose fingerprint `spec` names.

    Raises:
        ValueError: another data set was given, it holds fewer images than a batch, or a probe is
            unknown.
        UserCodeError: the user's code cannot be run, or is no longer what `spec` names.
    """
    if spec.data != data.fingerprint:
        raise ValueError(
            f"a trial runs on the data it names; it names {spec.data[:12]}…, "
            f"the data set given is {data.fingerprint[:12]}…"
        )
    with loaded(spec), restored(spec.device):
        if spec.kind != "train":
            from normkit.study import checking, timing

            other = {"cost": timing.cost, "pace": timing.pace, "check": checking.check}
            return other[spec.kind](spec, data)
        return _train(spec, probes, data)


def build(spec: TrialSpec, data: Dataset) -> nn.Module:
    """The network of a trial, its weights drawn from the trial's seed."""
    if is_spec(spec.model):
        return make_users(spec, data).model
    seed(spec.seed, spec.device)
    sizes: dict[str, Any] = {
        k: v for k in ("depth", "width") if (v := getattr(spec, k)) is not None
    }
    rival = rival_of(spec.norm)
    if rival is not None and rival.branch != "plain":
        if "branch" not in models.defaults(spec.model):
            raise ValueError(
                f"{spec.norm} is for residual networks; the model {spec.model!r} has no residual "
                "branches. Use the model 'residual', or leave it out."
            )
        sizes["branch"] = rival.branch
    model = models.build(
        spec.model,
        num_classes=len(data.classes),
        in_channels=data.channels,
        image_size=data.image_size,
        norm=_norm(spec),
        placement=spec.placement,
        init=spec.init,
        init_gain=spec.gain,
        activation=spec.activation,
        dropout=spec.dropout,
        **sizes,
    )
    return model.to(spec.device)


def make_users(spec: TrialSpec, data: Dataset) -> Made:
    """The user's own network, its weights drawn from the trial's seed, and what it asked for.

    Where the factory asks for no norm, surgery puts the trial's in.

    Raises:
        UserCodeError: the factory cannot make it, or the norm cannot be put in.
    """
    rival = rival_of(spec.norm)
    if rival is not None and rival.branch != "plain":
        raise UserCodeError(
            f"{spec.norm} is built into normkit's residual model; it cannot be put into "
            f"{spec.model}: leave it out"
        )
    seed(spec.seed, spec.device)
    made = models.from_factory(
        spec.model,
        num_classes=len(data.classes),
        in_channels=data.channels,
        norm=_norm(spec),
    )
    if any(isinstance(p, UninitializedParameter) for p in made.model.parameters()):
        # Lazy layers take their shapes, and draw their weights, from what first goes through.
        with torch.no_grad():
            made.model.eval()(torch.zeros(2, data.channels, *data.image_size))
        made.model.train()
    if not made.norms and spec.norm != GIVEN:
        with restored():
            made = with_norm(made, _norm(spec), torch.zeros(4, data.channels, *data.image_size))
    models.initialise_(made.model, spec.init, spec.gain)
    made.model.to(spec.device)
    return made


def _norm(spec: TrialSpec) -> models.Norm:
    """What the network's norm layers are made by."""
    name = "none" if spec.norm == GIVEN else norm_of(spec.norm)
    if spec.norm_batch is None or catalogue()[name].on == "weights":
        return name
    return partial(MicroBatched, name, size=spec.norm_batch)


def training_indices(spec: TrialSpec, data: Dataset) -> Tensor:
    """The training images a trial uses: the same ones for every arm and seed."""
    indices = torch.as_tensor(data.train)
    if len(indices) < spec.batch or (spec.images or spec.batch) < spec.batch:
        count = min(len(indices), spec.images or len(indices))
        raise ValueError(
            f"training needs at least one full batch of images; there are {count} training "
            f"images and a batch is {spec.batch}: use a smaller batch or more images"
        )
    # Shuffled, since files come sorted by class; with a fixed seed, since which images are kept
    # and evaluated is part of the recipe, not of a repetition.
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(0))
    return indices[order[: spec.images]]


class Batches:
    """Batches of a part of the data, gathered and standardised as they are asked for."""

    def __init__(self, data: Dataset, device: str, scale: float = 1.0) -> None:
        self.data = data
        self.device = device
        self.scale = scale
        self.images, self.labels = data.tensors()

    def take(
        self, indices: Tensor, change: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The images and labels at `indices`, standardised and scaled, on the trial's device.

        What `change` makes of the images comes before that.
        """
        images = self.images[indices]
        images = self.data.standardise(images if change is None else change(images))
        if self.scale != 1:
            images = images * self.scale
        return images.to(self.device), self.labels[indices].to(self.device)

    def shuffled(self, indices: Tensor, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Indices of one batch after the other, epoch after epoch, the uneven tail left out."""
        while True:
            order = indices[torch.randperm(len(indices), generator=generator)]
            yield from torch.split(order[: len(order) // batch * batch], batch)


def measure(model: nn.Module, batches: Batches, indices: Tensor) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy over `indices`, in evaluation mode."""
    loss = correct = 0.0
    training = model.training
    model.eval()
    with torch.no_grad():
        for part in torch.split(indices, 512):
            images, labels = batches.take(part)
            logits = model(images)
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            correct += float((logits.argmax(1) == labels).sum())
    model.train(training)
    return loss / len(indices), correct / len(indices)


def start_(model: nn.Module, spec: TrialSpec, images: Tensor) -> None:
    """Gives a network the first weights that its arm finds from a batch, if it finds any.

    Where the trial says itself what the first weights are, these are scaled.
    """
    rival = rival_of(spec.norm)
    if rival is not None and rival.lsuv:
        models.lsuv_(model, images, orthogonal=spec.init == "default")


def clipped_parameters(model: nn.Module, spec: TrialSpec, images: Tensor) -> list[nn.Parameter]:
    """Those whose gradients an arm clips: all but the classifier's, or none."""
    rival = rival_of(spec.norm)
    if rival is None or not rival.clips:
        return []
    free = {id(parameter) for parameter in classifier(model, images).parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in free]


def _train(spec: TrialSpec, probes: Sequence[str], data: Dataset) -> Record:
    from normkit.study.probing import Prober, Scene

    started = time.perf_counter()
    model = build(spec, data).train()
    batches = Batches(data, spec.device, spec.input_scale)
    indices = training_indices(spec, data)
    fixed = indices[:EVALUATED_IMAGES]
    start_(model, spec, batches.take(indices[: spec.batch])[0])
    test = torch.as_tensor(data.test)
    shuffled = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    followed = test[shuffled[:FOLLOWED_IMAGES]]
    weights = [p for p in model.parameters() if p.dim() > 1]
    optimizer = make_optimizer(spec, model)
    clipped = clipped_parameters(model, spec, batches.take(fixed[:2])[0])
    generator = torch.Generator().manual_seed(spec.seed)
    draw = batches.shuffled(indices, spec.batch, generator)
    held_out = None if spec.test == "never" else partial(batches.take, followed)
    scene = Scene(spec, model, *batches.take(fixed), held_out)
    prober = Prober(probes, scene)
    measured_at = set(checkpoints(spec.steps, spec.test))
    curve: list[Point] = []
    seconds: list[float] = []
    status, training_seconds = "ok", 0.0

    def look(step: int) -> None:
        """Add a point to the curve, and measure what the probes measure."""
        loss, accuracy = measure(model, batches, fixed)
        point: Point = {"step": step, "train_loss": finite(loss), "train_accuracy": accuracy}
        if spec.test == "curve":
            test_loss, test_accuracy = measure(model, batches, followed)
            point |= {"test_loss": finite(test_loss), "test_error": 1 - test_accuracy}
        curve.append(point)
        seconds.append(round(training_seconds, 6))
        # A network whose numbers are no longer finite has nothing for a probe to measure.
        if math.isfinite(loss):
            # A network may draw from NumPy or Python, which a probe must not move on.
            with restored(spec.device):
                prober.look(step)

    look(0)
    for step in range(1, spec.steps + 1):
        start = time.perf_counter()
        augmented = partial(augment, spec, step=step) if spec.augment else None
        images, labels = batches.take(next(draw), augmented)
        set_rate(optimizer, spec, step)
        loss = F.cross_entropy(model(images), labels)
        if spec.l1:
            loss = loss + spec.l1 * sum(weight.abs().sum() for weight in weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_adaptive_(clipped)
        optimizer.step()
        training_seconds += time.perf_counter() - start
        scene.losses.append(loss.item())
        if not math.isfinite(scene.losses[-1]):
            status = "diverged"
            look(step)
            break
        if step in measured_at:
            look(step)

    final: Point = {}
    if spec.steps:
        final = dict(curve[-1])
        validation_loss, validation_accuracy = measure(
            model, batches, torch.as_tensor(data.validation)
        )
        final |= {
            "validation_loss": finite(validation_loss),
            "validation_error": 1 - validation_accuracy,
        }
        if spec.test != "never":
            test_loss, test_accuracy = measure(model, batches, test)
            final |= {"test_loss": finite(test_loss), "test_error": 1 - test_accuracy}
        if status == "ok" and any(value is None for value in final.values()):
            status = "diverged"
    times: dict[str, Any] = {
        "at_checkpoints": seconds,
        "training": training_seconds,
        "total": time.perf_counter() - started,
    }
    return Record(spec, status, curve, final, prober.found, times, prober.unmeasured)
