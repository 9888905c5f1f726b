"""What the catalogue says of a method."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch


@dataclass(frozen=True)
class Method:
    """One method of the catalogue.

    Attributes:
        name: the key, as `make` takes it.
        title: the name in prose.
        year: of the paper; None where there is none.
        paper: authors, title and address.
        axes: what one statistic is taken over, of `(N, C, *)` or of the weights.
        state_dict: the keys that it gives a layer's `state_dict` by default.
        layers: number of axes of positions → class. Of a method on the weights, the function that
            puts it on a convolution or linear layer.
        needs: what an input must have.
        when: when to use it.
        needs_positions: whether features `(N, C)` are refused.
        activates: whether it has an activation of its own, in place of the network's.
        on: what is normalised, activations or weights.
        standardises: the sets of values of which each is brought to mean 0 and variance 1, or
            meant to be, before γ and β: "batch" (of a channel), "sample" (of a sample, or of a
            group of its channels), "instance" (of a channel of a sample) or "position" (of a
            position of a sample); None where there are no such sets.
        channels: what the class calls the number of channels; None where it does not ask.
        affine: what the class calls the option that switches γ and β off; None without them.
        fixed: arguments of the class that make it this method.
        defaults: the number of channels → further arguments, which an option may replace.
    """

    name: str
    title: str
    year: int | None
    paper: str
    axes: str
    state_dict: tuple[str, ...]
    layers: Mapping[int, Callable[..., torch.nn.Module]]
    needs: str
    when: str
    needs_positions: bool = False
    activates: bool = False
    on: Literal["activations", "weights"] = "activations"
    standardises: Literal["batch", "sample", "instance", "position"] | None = None
    channels: str | None = "num_features"
    affine: str | None = "affine"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Callable[[int], Mapping[str, Any]] = field(default=lambda channels: {})

    @property
    def over_batch(self) -> bool:
        """Whether what it does to a sample in training depends on the others in the batch."""
        return re.search(r"\bN\b", self.axes) is not None

    @property
    def options(self) -> tuple[str, ...]:
        """What `make` takes for it, besides `affine` and `act`.

        Of a method on the weights, what its function takes besides the layer.
        """
        handled = {self.channels, self.affine, "act", *self.fixed}
        if self.on == "weights":
            handled.add("module")
        taken = inspect.signature(self.layers[2]).parameters
        return tuple(name for name in taken if name not in handled)

    def make(
        self, channels: int, dims: int, affine: bool, options: Mapping[str, Any]
    ) -> torch.nn.Module:
        """A layer; `options` may hold `act`.

        Raises:
            TypeError: an option that the method does not take.
        """
        for option in options:
            if option != "act" and option not in self.options:
                raise TypeError(self._unknown(option))
        arguments = {**self.defaults(channels), **self.fixed, **options}
        if self.channels is not None:
            arguments[self.channels] = channels
        if self.affine is not None:
            arguments[self.affine] = affine
        return self.layers[dims](**arguments)

    def _unknown(self, option: str) -> str:
        taken = ("affine", "act", *self.options)
        close = difflib.get_close_matches(option, taken, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return (
            f"the method {self.name!r} takes no option {option!r}.{hint} "
            f"It takes: {', '.join(taken)}."
        )
