"""Batch normalization over all processes: of one process, batch normalization.

That several agree with one on the joined batch is tested where several processes run.
"""

from __future__ import annotations

import dataclasses

from normkit import nn
from normkit.testing.methods import batch

PROBLEMS = [
    dataclasses.replace(
        problem,
        id=problem.id.replace("batch", "sync_batch"),
        layer=nn.SyncBatchNorm,
        inductor=False,
    )
    for problem in batch.PROBLEMS
]
