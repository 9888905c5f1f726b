"""The `act` that every layer carries."""

from __future__ import annotations

from typing import Any

import torch

from normkit.functional import Activation, resolve_activation


class Activated(torch.nn.Module):
    """Base of the layers, beside one of PyTorch's or alone: keeps `act` and shows it.

    A module given as `act` becomes a child, so its parameters are trained and saved with the
    layer. A name adds nothing to the `state_dict`.

    >>> from normkit.nn import GroupNorm
    >>> GroupNorm(2, 8, act="relu").act
    'relu'
    """

    act: Activation

    def __init__(self, *args: Any, act: Activation = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._set_activation(act)

    def _set_activation(self, act: Activation) -> None:
        resolve_activation(act)  # A wrong name is an error here, not at the first forward.
        self.act = act

    def extra_repr(self) -> str:
        text = super().extra_repr()
        if self.act is None or isinstance(self.act, torch.nn.Module):
            return text
        shown = f"act={self.act!r}"
        return f"{text}, {shown}" if text else shown
