"""Layer normalization over the whole sample, from Ba, Kiros and Hinton, 2016, equation 3."""

from __future__ import annotations

from normkit.testing.methods import group

PROBLEMS = group.problems("layer", groups=1, channels=(1, 2, 5))
