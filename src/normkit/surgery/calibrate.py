"""γ and β fitted, so that a norm computes on data what was computed in its place before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from normkit.functional.statistics import Moments
from normkit.nn import Activated
from normkit.nn.running import Pool, RunningStatistics
from normkit.surgery.batches import inputs
from normkit.surgery.least_squares import LeastSquares
from normkit.surgery.passes import run
from normkit.surgery.states import State, put_, state_of


class Fit:
    """A norm that is fitted, and how well it could be.

    In evaluation its output is z₀ + γ · z₁ + β for each channel, with z₀ and z₁ what it returns for
    γ = 0 and what γ = 1 adds to that. γ and β are those of the least squares to what was computed
    before, over all batches.

    Args:
        source: the layer that computed before what the norm is to compute, as it was then.
        norm: the norm, as it is now.
        groups: numbers of groups of which it is to have the one that leaves least over; with none
            it keeps its own.
    """

    def __init__(
        self, source: torch.nn.Module, norm: torch.nn.Module, groups: Sequence[int] = ()
    ) -> None:
        self.source, self.norm, self.groups = source, norm, tuple(groups)
        self.wanted: list[Tensor] = []
        """What was computed before on this batch, a tensor for each call."""
        self.lines: dict[int | None, LeastSquares] = {}
        """By the number of groups: the line through z₁ and what is wanted without z₀."""
        self.spread: LeastSquares | None = None
        """Of what is wanted, with z₀."""
        self.pool: Pool | None = None
        self.counted = 0
        """How often running statistics have moved."""
        self.settled = False
        """Whether running statistics are to stay as they are."""

    def settle(self) -> None:
        """Lets running statistics stay as they are, and begins to fit anew."""
        self.settled, self.spread = True, None
        self.lines.clear()

    @property
    def told(self) -> str:
        """How much of what was computed before is left over, as the table says it."""
        if self.spread is None:
            return "not calibrated: no batch reached it"
        return f"calibrated, {self.left_over:.0%} of the output's spread left over"

    @property
    def left_over(self) -> float:
        """The root mean square of what the fit misses, relative to the spread of what it fits."""
        if self.spread is None or not self.lines:
            return float("nan")
        missed = min(float(line.missed().sum()) for line in self.lines.values())
        return math.sqrt(missed / max(float(self.spread.missed().sum()), 1e-300))

    def fit(self, x: Tensor) -> None:
        """Takes in what the norm is called with, and fits it to all that came so far."""
        if not self.wanted:
            return
        wanted = self.wanted.pop(0)
        if wanted.numel() == 0:
            return
        if not bool(x.isfinite().all() and wanted.isfinite().all()):
            raise ValueError(
                "norms are calibrated on what they are called with, and a batch has values in it "
                "that are not finite. Leave it out, or mend what makes them."
            )
        self._count(x)
        if self.spread is None:
            self.spread = LeastSquares(has_slope=False, has_shift=True)
        self.spread.add(torch.zeros_like(wanted), wanted)
        for groups in self.groups or (None,):
            self._group(groups)
            # A threshold stands in place of the activation that is to follow, and cuts as it does.
            with _without(self.norm, "act", "threshold"):
                z0 = self._at(0.0, x)
                z1 = self._at(1.0, x) - z0
            self._line(groups).add(z1, wanted.double() - z0)
        self.take_best()

    def take_best(self) -> None:
        """Gives the norm what leaves least over of all that came so far."""
        if not self.lines:
            return
        best = min(self.lines, key=lambda groups: float(self.lines[groups].missed().sum()))
        self._group(best)
        parameters = self._parameter("weight"), self._parameter("bias")
        for parameter, value in zip(parameters, self.lines[best].solution(), strict=True):
            if parameter is not None:
                parameter.copy_(value)

    def _line(self, groups: int | None) -> LeastSquares:
        if groups not in self.lines:
            has = (self._parameter(name) is not None for name in ("weight", "bias"))
            self.lines[groups] = LeastSquares(*has)
        return self.lines[groups]

    def _group(self, groups: int | None) -> None:
        if groups is not None:
            vars(self.norm)["num_groups"] = groups

    def _count(self, x: Tensor) -> None:
        """Brings the norm's running statistics to those of all that it was called with."""
        norm = self.norm
        if self.settled:
            return
        if isinstance(norm, RunningStatistics):
            self.pool = self.pool or norm.new_pool()
            if self.pool is None:
                return
            norm._pool, norm.training = self.pool, True
            try:
                # Not as the model calls it: hooks, this fit's own among them, are not for it.
                norm.forward(x)
            finally:
                del norm._pool
                norm.training = False
            norm._move_(self.pool.moments(), 1.0)
            self.counted += 1
        elif isinstance(norm._buffers.get("running_mean"), Tensor):
            self.pool = self.pool or Pool(norm.get_buffer("running_mean"), joins=True)
            self.pool.add_(_moments(x))
            moments = self.pool.moments()
            norm.get_buffer("running_mean").copy_(moments.mean)
            norm.get_buffer("running_var").copy_(moments.variance)
            self.counted += 1

    def _at(self, weight: float, x: Tensor) -> Tensor:
        for name, value in (("weight", weight), ("bias", 0.0)):
            if (parameter := self._parameter(name)) is not None:
                parameter.fill_(value)
        y: Tensor = self.norm.forward(x)
        return y.double()

    def _parameter(self, name: str) -> Tensor | None:
        tensor = getattr(self.norm, name, None)
        return tensor if isinstance(tensor, Tensor) else None


def calibrate_(
    verb: str, model: torch.nn.Module, fits: list[Fit], before: State, batches: list[Any]
) -> None:
    """Fits norms, in the order in which the model calls them.

    Each batch goes through the model as it was, whose outputs at the sites are kept, and then
    through the model as it is, in evaluation: each norm is fitted when it is reached, on what the
    norms before it, fitted already, let through. Where running statistics moved in between, what
    was summed up of earlier batches was normalised with others; so all of them come once more, and
    meet the same.

    Args:
        verb: for errors.
        model: as it is now.
        fits: the norms.
        before: of the layers that the surgery changed.
        batches: that it is called with.

    Raises:
        ValueError: no batch came.
        TypeError: a batch without a tensor.
    """
    if not batches:
        raise ValueError(f"{verb} was to calibrate on data, of which there was no batch.")
    _fit(verb, model, fits, before, batches)
    if any(fit.counted > 1 for fit in fits):
        for fit in fits:
            fit.settle()
        _fit(verb, model, fits, before, batches)
    with torch.no_grad():
        for fit in fits:
            # A batch that did not reach it has left it as it was ahead of the first.
            fit.take_best()


def _fit(
    verb: str, model: torch.nn.Module, fits: list[Fit], before: State, batches: list[Any]
) -> None:
    after = state_of(before)
    kept: list[tuple[Tensor, Tensor]] = []
    for x in inputs(verb, batches, model):
        try:
            put_(before)
            _watch(model, x, fits)
        finally:
            put_(after)
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
        kept = _fitted(model, x, fits)
    with torch.no_grad():
        for buffer, value in kept:
            buffer.copy_(value)


def _watch(model: torch.nn.Module, x: Tensor, fits: list[Fit]) -> None:
    """Keeps what the layers of before compute, without an activation of their own."""

    def keep(fit: Fit) -> Any:
        def hook(layer: torch.nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(layer, Activated) and layer.act is not None:
                with _without(layer, "act"):
                    output = layer.forward(arguments[0])
            fit.wanted.append(output.clone())

        return hook

    for fit in fits:
        fit.wanted.clear()
    handles = [fit.source.register_forward_hook(keep(fit)) for fit in fits]
    try:
        run(model, x, evaluates=True)
    finally:
        for handle in handles:
            handle.remove()


def _fitted(model: torch.nn.Module, x: Tensor, fits: list[Fit]) -> list[tuple[Tensor, Tensor]]:
    """Fits on a batch; returns the buffers that this moved, and what they are to be."""

    def before(fit: Fit) -> Any:
        return lambda _, arguments: fit.fit(arguments[0])

    kept: list[tuple[Tensor, Tensor]] = []

    @contextmanager
    def keeping() -> Iterator[None]:
        yield
        # A pass leaves the buffers as they were; these are to stay.
        kept.extend((b, b.clone()) for fit in fits for b in fit.norm.buffers())

    handles = [fit.norm.register_forward_pre_hook(before(fit)) for fit in fits]
    try:
        run(model, x, around=keeping, evaluates=True)
    finally:
        for handle in handles:
            handle.remove()
    return kept


def _moments(x: Tensor) -> Moments:
    values = x.movedim(1, 0).flatten(1).double()
    return Moments(values.mean(1), values.var(1), values.shape[1])


@contextmanager
def _without(layer: torch.nn.Module, *names: str) -> Iterator[None]:
    """Lets a layer of normkit's compute without some of its attributes."""
    kept = {name: getattr(layer, name, None) for name in names if isinstance(layer, Activated)}
    kept = {name: value for name, value in kept.items() if value is not None}
    for name in kept:
        setattr(layer, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(layer, name, value)
