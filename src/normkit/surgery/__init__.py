"""A model's dataflow, watched, and the verbs that change its norms.

>>> import normkit as nk
>>> from torch import nn, randn
>>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
>>> surgery = nk.fuse_(model, randn(4, 3, 8, 8))
>>> surgery
<Surgery fuse_: 1 of 1 sites>
"""

from normkit.surgery.dataflow import Call, Flow
from normkit.surgery.fold import fold_
from normkit.surgery.freeze import freeze_, unfreeze_
from normkit.surgery.fuse import fuse_
from normkit.surgery.insert import insert_
from normkit.surgery.lsuv import lsuv_
from normkit.surgery.param_groups import param_groups
from normkit.surgery.recalibrate import recalibrate_
from normkit.surgery.remove import remove_
from normkit.surgery.surgery import Site, Surgery
from normkit.surgery.swap import swap_
from normkit.surgery.sync import sync_, unsync_
from normkit.surgery.watch import flow

__all__ = [
    "Call",
    "Flow",
    "Site",
    "Surgery",
    "flow",
    "fold_",
    "freeze_",
    "fuse_",
    "insert_",
    "lsuv_",
    "param_groups",
    "recalibrate_",
    "remove_",
    "swap_",
    "sync_",
    "unfreeze_",
    "unsync_",
]
