"""What a process does by itself for statistics over the batches of several."""

from __future__ import annotations

from torch import Tensor

from normkit.kernels.cuda import checks, normalise
from normkit.kernels.cuda.launch import OVER_BATCH, check, statistics_of
from normkit.kernels.cuda.matrix import Matrix, Work, dtype_of
from normkit.kernels.library import empty_gradients


def batch_moments(input: Tensor) -> tuple[Tensor, Tensor]:  # noqa: A002
    """Mean and biased variance of each channel of this batch."""
    check(input, None, None, None, OVER_BATCH)
    work = Work.of(input, Matrix.of(input, over_batch=True))
    return statistics_of(input, work, samples=1, groups=input.shape[1], unbiased=1.0)


def sync_batch_norm_backward(
    upstream: Tensor,
    input: Tensor,  # noqa: A002
    residual: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    signs: Tensor | None,
    tilt: Tensor,
    offset: Tensor,
    eps: float,
    act: int,
    slope: float,
    wants_residual: bool,
) -> tuple[Tensor, Tensor]:
    """γ / √(σ² + ε) · dz + tilt · (x − centre) + offset, and dz for the residual.

    The statistics are of all processes, and so are tilt and offset, which tell what the input does
    by way of them; the centre is the mean rounded to the precision that is computed in.
    """
    check(input, residual, weight, bias, OVER_BATCH)
    checks.check_vectors(input, input.shape[1], mean, variance, tilt, offset)
    checks.check_asks_residual(wants_residual, act)
    checks.check_signs(input, signs)
    work = Work.of(input, Matrix.of(input, over_batch=True))
    of_input, *_, of_residual = empty_gradients(input, None, None, True, wants_residual)
    normalise.gradient[work.grid](
        checks.beside(input, upstream),
        input,
        residual,
        signs,
        mean,
        variance,
        weight,
        bias,
        tilt.to(dtype_of(input)),
        offset.to(dtype_of(input)),
        of_input,
        of_residual if wants_residual else None,
        *work.shape(),
        statistics_of_sample=OVER_BATCH,
        per_group=1,
        biased=1.0,
        eps=eps,
        slope=slope,
        KIND=act,
        **work.options(),
    )
    return of_input, of_residual
