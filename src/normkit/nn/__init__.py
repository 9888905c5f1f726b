"""One module per method and dimension.

A layer that PyTorch has is a subclass of PyTorch's: same arguments, attributes, defaults and
`state_dict` keys. Each takes `act=` when it is made and `residual=` when it is called, and returns
`act(norm(input) + residual)`.

>>> import torch
>>> from normkit import nn
>>> layer = nn.BatchNorm2d(16, act="relu")
>>> isinstance(layer, torch.nn.BatchNorm2d)
True
>>> x = torch.randn(8, 16, 4, 4)
>>> layer(x, residual=x).shape
torch.Size([8, 16, 4, 4])
"""

from normkit.nn.activation import Activated
from normkit.nn.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from normkit.nn.batch_channel import BatchChannelNorm
from normkit.nn.batch_renorm import BatchRenorm1d, BatchRenorm2d, BatchRenorm3d
from normkit.nn.channel_layer import LayerNorm1d, LayerNorm2d, LayerNorm3d
from normkit.nn.clipping import clip_grad_adaptive_
from normkit.nn.decorrelated_batch import (
    DecorrelatedBatchNorm1d,
    DecorrelatedBatchNorm2d,
    DecorrelatedBatchNorm3d,
)
from normkit.nn.dynamic_tanh import DynamicTanh
from normkit.nn.evonorm_b0 import EvoNormB0
from normkit.nn.evonorm_s0 import EvoNormS0
from normkit.nn.filter_response import (
    FilterResponseNorm1d,
    FilterResponseNorm2d,
    FilterResponseNorm3d,
)
from normkit.nn.frozen_batch import FrozenBatchNorm1d, FrozenBatchNorm2d, FrozenBatchNorm3d
from normkit.nn.ghost_batch import GhostBatchNorm1d, GhostBatchNorm2d, GhostBatchNorm3d
from normkit.nn.global_response import (
    GlobalResponseNorm1d,
    GlobalResponseNorm2d,
    GlobalResponseNorm3d,
)
from normkit.nn.group import GroupNorm
from normkit.nn.group_rms import GroupRMSNorm
from normkit.nn.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from normkit.nn.iterative import IterativeNorm1d, IterativeNorm2d, IterativeNorm3d
from normkit.nn.layer import LayerNorm
from normkit.nn.local_context import LocalContextNorm1d, LocalContextNorm2d, LocalContextNorm3d
from normkit.nn.local_response import LocalResponseNorm
from normkit.nn.none import Identity
from normkit.nn.positional import PositionalNorm
from normkit.nn.rms import RMSNorm, RMSNorm1d, RMSNorm2d, RMSNorm3d
from normkit.nn.running import RunningStatistics
from normkit.nn.scaled_weight_standardization import (
    ScaledWeightStandardization,
    scaled_weight_standardization,
)
from normkit.nn.spectral_norm import SpectralNorm, spectral_norm
from normkit.nn.split_batch import SplitBatchNorm1d, SplitBatchNorm2d, SplitBatchNorm3d
from normkit.nn.switchable import SwitchableNorm1d, SwitchableNorm2d, SwitchableNorm3d
from normkit.nn.sync_batch import SyncBatchNorm
from normkit.nn.weight_norm import WeightNorm, weight_norm
from normkit.nn.weight_standardization import WeightStandardization, weight_standardization

__all__ = [
    "Activated",
    "BatchChannelNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchRenorm1d",
    "BatchRenorm2d",
    "BatchRenorm3d",
    "DecorrelatedBatchNorm1d",
    "DecorrelatedBatchNorm2d",
    "DecorrelatedBatchNorm3d",
    "DynamicTanh",
    "EvoNormB0",
    "EvoNormS0",
    "FilterResponseNorm1d",
    "FilterResponseNorm2d",
    "FilterResponseNorm3d",
    "FrozenBatchNorm1d",
    "FrozenBatchNorm2d",
    "FrozenBatchNorm3d",
    "GhostBatchNorm1d",
    "GhostBatchNorm2d",
    "GhostBatchNorm3d",
    "GlobalResponseNorm1d",
    "GlobalResponseNorm2d",
    "GlobalResponseNorm3d",
    "GroupNorm",
    "GroupRMSNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "IterativeNorm1d",
    "IterativeNorm2d",
    "IterativeNorm3d",
    "LayerNorm",
    "LayerNorm1d",
    "LayerNorm2d",
    "LayerNorm3d",
    "LocalContextNorm1d",
    "LocalContextNorm2d",
    "LocalContextNorm3d",
    "LocalResponseNorm",
    "PositionalNorm",
    "RMSNorm",
    "RMSNorm1d",
    "RMSNorm2d",
    "RMSNorm3d",
    "RunningStatistics",
    "ScaledWeightStandardization",
    "SpectralNorm",
    "SplitBatchNorm1d",
    "SplitBatchNorm2d",
    "SplitBatchNorm3d",
    "SwitchableNorm1d",
    "SwitchableNorm2d",
    "SwitchableNorm3d",
    "SyncBatchNorm",
    "WeightNorm",
    "WeightStandardization",
    "clip_grad_adaptive_",
    "scaled_weight_standardization",
    "spectral_norm",
    "weight_norm",
    "weight_standardization",
]
