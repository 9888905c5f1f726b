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
from normkit.nn.channel_layer import LayerNorm1d, LayerNorm2d, LayerNorm3d
from normkit.nn.group import GroupNorm
from normkit.nn.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from normkit.nn.layer import LayerNorm
from normkit.nn.none import Identity
from normkit.nn.rms import RMSNorm, RMSNorm1d, RMSNorm2d, RMSNorm3d
from normkit.nn.running import RunningStatistics
from normkit.nn.sync_batch import SyncBatchNorm

__all__ = [
    "Activated",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LayerNorm1d",
    "LayerNorm2d",
    "LayerNorm3d",
    "RMSNorm",
    "RMSNorm1d",
    "RMSNorm2d",
    "RMSNorm3d",
    "RunningStatistics",
    "SyncBatchNorm",
]
