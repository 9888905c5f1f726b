"""γ and β per channel, for the layers that PyTorch has no class of."""

from __future__ import annotations

from typing import Any

import torch


class Affine(torch.nn.Module):
    """Base of the layers that PyTorch does not have: keeps γ as `weight` and β as `bias`.

    >>> from normkit.nn import GroupRMSNorm
    >>> list(GroupRMSNorm(2, 8).state_dict())
    ['weight']
    """

    weight: torch.nn.Parameter | None
    bias: torch.nn.Parameter | None

    _first_weight = 1.0
    """What γ starts at."""

    _shown: str
    """How the arguments are shown, with the names of attributes in braces."""

    def _set_affine(self, channels: int, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, exists in (("weight", weight), ("bias", bias)):
            vector = torch.empty(channels, device=device, dtype=dtype) if exists else None
            self.register_parameter(name, None if vector is None else torch.nn.Parameter(vector))

    def reset_parameters(self) -> None:
        """Gives γ and β the values that they start at."""
        if self.weight is not None:
            torch.nn.init.constant_(self.weight, self._first_weight)
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return self._shown.format(**vars(self))
