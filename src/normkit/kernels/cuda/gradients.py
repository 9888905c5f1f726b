"""The gradients of γ and β, and what the input does by way of its statistics, from sums of parts.

With t = (x − μ) / √(σ² + ε) and g = γ · dz,

    dx = (g − mean of g − t · mean of g · t) / √(σ² + ε),

which is dz · γ / √(σ² + ε) + tilt · (x − centre) + offset, where the centre is the mean rounded.
"""

from __future__ import annotations

import triton
import triton.language as tl

from normkit.kernels.cuda.parts import narrowed, standard_of


@triton.jit
def of_channels(
    plain,
    product,
    mean,
    variance,
    weight,
    of_weight,
    of_bias,
    tilt,
    offset,
    units,
    per_sample,
    channels,
    statistics_of_sample,
    per_group,
    total: tl.float64,
    biased: tl.float64,
    eps: tl.float64,
    COMPUTED: tl.constexpr,
    OF_SAMPLES: tl.constexpr,
    UNITS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """The gradients of γ and β; and tilt and offset, where each channel has its own statistic.

    Args:
        plain: the sums of dz, `(units, C)`.
        product: those of dz · (x − centre).
        units: how many there are.
        per_sample: how many of them are of the same sample.
        OF_SAMPLES: whether each sample has statistics of its own.
    """
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    exists = channel < channels
    betas = tl.zeros([UNITS, CHANNELS], tl.float64)
    gammas = tl.zeros([UNITS, CHANNELS], tl.float64)
    for start in range(0, units, UNITS):
        unit = start + tl.arange(0, UNITS)[:, None]
        inside = exists & (unit < units)
        place = unit.to(tl.int64) * channels + channel
        first = tl.load(plain + place, inside, 0).to(tl.float64)
        second = tl.load(product + place, inside, 0).to(tl.float64)
        betas += first
        if OF_SAMPLES:
            statistic = unit // per_sample * statistics_of_sample + channel // per_group
            exact, root = standard_of(mean, variance, statistic, inside, biased, eps)
            lost = exact.to(COMPUTED).to(tl.float64) - exact
            gammas += tl.where(inside, (second + lost * first) * root, 0.0)
        else:
            gammas += second
    beta = tl.sum(betas, 0, keep_dims=True)
    gamma = tl.sum(gammas, 0, keep_dims=True)
    if not OF_SAMPLES:
        exact, root = standard_of(mean, variance, channel // per_group, exists, biased, eps)
        lost = exact.to(COMPUTED).to(tl.float64) - exact
        gamma = (gamma + lost * beta) * root
    if of_weight is not None:
        tl.store(of_weight + channel, narrowed(gamma, of_weight), exists)
    if of_bias is not None:
        tl.store(of_bias + channel, narrowed(beta, of_bias), exists)
    if tilt is not None:
        if weight is not None:
            factor = tl.load(weight + channel, exists, 0).to(tl.float64)
            beta *= factor
            gamma *= factor
        exact, root = standard_of(mean, variance, channel, exists, biased, eps)
        _store(tilt, offset, channel, exists, exact, root, beta / total, gamma / total, COMPUTED)


@triton.jit
def of_groups(
    plain,
    product,
    mean,
    variance,
    weight,
    tilt,
    offset,
    units,
    groups,
    per_group,
    total: tl.float64,
    eps: tl.float64,
    COMPUTED: tl.constexpr,
    UNITS: tl.constexpr,
    GROUPS: tl.constexpr,
):
    """Tilt and offset of each group of channels of each sample, of `units` rows of sums each."""
    blocks = tl.cdiv(groups, GROUPS)
    sample = tl.program_id(0) // blocks
    group = tl.program_id(0) % blocks * GROUPS + tl.arange(0, GROUPS)[None, :]
    exists = group < groups
    at = sample * groups + group
    exact, root = standard_of(mean, variance, at, exists, 1.0, eps)
    lost = exact.to(COMPUTED).to(tl.float64) - exact
    sums = tl.zeros([UNITS, GROUPS], tl.float64)
    products = tl.zeros([UNITS, GROUPS], tl.float64)
    channels = groups * per_group
    for start in range(0, units * per_group, UNITS):
        j = start + tl.arange(0, UNITS)[:, None]
        inside = exists & (j < units * per_group)
        channel = group * per_group + j % per_group
        place = (sample.to(tl.int64) * units + j // per_group) * channels + channel
        first = tl.load(plain + place, inside, 0).to(tl.float64)
        second = tl.load(product + place, inside, 0).to(tl.float64)
        if weight is not None:
            factor = tl.load(weight + channel, inside, 0).to(tl.float64)
            first *= factor
            second *= factor
        sums += first
        products += tl.where(inside, second + lost * first, 0.0)
    of_all = tl.sum(sums, 0, keep_dims=True)
    of_product = tl.sum(products, 0, keep_dims=True)
    _store(
        tilt, offset, at, exists, exact, root, of_all / total, of_product * root / total, COMPUTED
    )


@triton.jit
def _store(tilt, offset, at, exists, exact, root, plain, product, COMPUTED: tl.constexpr):
    """Given the means of g and of g · t."""
    lost = exact.to(COMPUTED).to(tl.float64) - exact
    by = -root * root * product
    tl.store(tilt + at, by.to(COMPUTED), exists)
    tl.store(offset + at, (by * lost - root * plain).to(COMPUTED), exists)
