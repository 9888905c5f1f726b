"""The formula of each method in plain torch: one method, one file.

Every function keeps the name and the arguments that `torch.nn.functional` gives it, where it has
it, and adds two keyword arguments: the result is `act(norm(input) + residual)`.

>>> import torch
>>> from normkit import functional as F
>>> x, shortcut = torch.randn(8, 16, 4, 4), torch.randn(8, 16, 4, 4)
>>> F.group_norm(x, 4, act="relu", residual=shortcut).shape
torch.Size([8, 16, 4, 4])
"""

from normkit.functional.activation import ACTIVATIONS, Activation, finish, resolve_activation
from normkit.functional.batch import batch_norm
from normkit.functional.channel_layer import channel_layer_norm
from normkit.functional.group import group_norm
from normkit.functional.instance import instance_norm
from normkit.functional.layer import layer_norm
from normkit.functional.rms import channel_rms_norm, rms_norm
from normkit.functional.sync_batch import sync_batch_norm

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "batch_norm",
    "channel_layer_norm",
    "channel_rms_norm",
    "finish",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "resolve_activation",
    "rms_norm",
    "sync_batch_norm",
]
