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
from normkit.functional.batch_channel import batch_channel_norm
from normkit.functional.batch_renorm import batch_renorm
from normkit.functional.channel_layer import channel_layer_norm
from normkit.functional.decorrelated_batch import decorrelated_batch_norm
from normkit.functional.dynamic_tanh import dynamic_tanh
from normkit.functional.evonorm_b0 import evonorm_b0
from normkit.functional.evonorm_s0 import evonorm_s0
from normkit.functional.filter_response import filter_response_norm
from normkit.functional.ghost_batch import ghost_batch_norm
from normkit.functional.global_response import global_response_norm
from normkit.functional.group import group_norm
from normkit.functional.group_rms import group_rms_norm
from normkit.functional.instance import instance_norm
from normkit.functional.iterative import iterative_norm
from normkit.functional.layer import layer_norm
from normkit.functional.local_context import local_context_norm
from normkit.functional.local_response import local_response_norm
from normkit.functional.positional import (
    moment_shortcut,
    positional_norm,
    positional_norm_with_moments,
)
from normkit.functional.rms import channel_rms_norm, rms_norm
from normkit.functional.scaled_weight_standardization import scaled_weight_standardization
from normkit.functional.spectral_norm import power_iteration, spectral_norm
from normkit.functional.split_batch import split_batch_norm
from normkit.functional.switchable import switchable_norm
from normkit.functional.sync_batch import sync_batch_norm
from normkit.functional.weight_norm import weight_lengths, weight_norm
from normkit.functional.weight_standardization import weight_standardization

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "batch_channel_norm",
    "batch_norm",
    "batch_renorm",
    "channel_layer_norm",
    "channel_rms_norm",
    "decorrelated_batch_norm",
    "dynamic_tanh",
    "evonorm_b0",
    "evonorm_s0",
    "filter_response_norm",
    "finish",
    "ghost_batch_norm",
    "global_response_norm",
    "group_norm",
    "group_rms_norm",
    "instance_norm",
    "iterative_norm",
    "layer_norm",
    "local_context_norm",
    "local_response_norm",
    "moment_shortcut",
    "positional_norm",
    "positional_norm_with_moments",
    "power_iteration",
    "resolve_activation",
    "rms_norm",
    "scaled_weight_standardization",
    "spectral_norm",
    "split_batch_norm",
    "switchable_norm",
    "sync_batch_norm",
    "weight_lengths",
    "weight_norm",
    "weight_standardization",
]
