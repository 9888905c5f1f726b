"""Functions that may hand on the very tensor that they are given."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

DROPOUTS = frozenset(
    {
        F.dropout,
        F.dropout1d,
        F.dropout2d,
        F.dropout3d,
        F.alpha_dropout,
        F.feature_alpha_dropout,
    }
)
"""Which do so in evaluation."""

CONVERSIONS = frozenset(
    {
        Tensor.contiguous,
        Tensor.to,
        Tensor.type_as,
        Tensor.cpu,
        Tensor.cuda,
        Tensor.float,
        Tensor.double,
        Tensor.half,
        Tensor.bfloat16,
    }
)
"""Which do so where the tensor is already as they would make it."""
