"""Fast paths: which calls they take, and how.

A formula of `normkit.functional` asks `choose`; where a kernel takes the call, it runs in place of
the formula, norm, residual and activation in one pass. `normkit.explain` tells which way a call
goes.
"""

from normkit.kernels.batch import apply_statistics, batch_norm, batch_norm_moving
from normkit.kernels.batch import register as register_batch
from normkit.kernels.channel_norm import channel_norm
from normkit.kernels.channel_norm import register as register_channel
from normkit.kernels.choice import Choice, Ending, choose, disabled, observed
from normkit.kernels.group import group_norm, group_norm_with_statistics
from normkit.kernels.group import register as register_group
from normkit.kernels.library import MISSING, fresh_like
from normkit.kernels.recomputed import recomputed, recomputes
from normkit.kernels.sync_batch import batch_moments, sync_batch_norm

__all__ = [
    "MISSING",
    "Choice",
    "Ending",
    "apply_statistics",
    "batch_moments",
    "batch_norm",
    "batch_norm_moving",
    "channel_norm",
    "choose",
    "disabled",
    "fresh_like",
    "group_norm",
    "group_norm_with_statistics",
    "observed",
    "recomputed",
    "recomputes",
    "register_batch",
    "register_channel",
    "register_group",
    "sync_batch_norm",
]
