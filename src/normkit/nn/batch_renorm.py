"""Batch renormalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from normkit.functional import Activation
from normkit.functional.batch_renorm import batch_renorm_of_batch, correction_limits
from normkit.functional.running import recomputes
from normkit.functional.statistics import Moments, at_least_float32, in_precision_of
from normkit.nn.batch import BatchNormLayer
from normkit.nn.method import Method


class BatchRenormLayer(BatchNormLayer):
    """What the batch renormalization layers of all dimensions have in common."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup: int = 100,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        if not track_running_stats:
            raise ValueError(
                f"{type(self).__name__} corrects the statistics of the batch towards the running "
                "ones; got track_running_stats=False. Without them use batch normalization."
            )
        if not r_max >= 1 or not d_max >= 0 or not warmup >= 0:
            raise ValueError(
                f"{type(self).__name__}: r_max must be at least 1, d_max and warmup at least 0; "
                f"got r_max={r_max}, d_max={d_max}, warmup={warmup}. "
                "With r_max=1 and d_max=0 it is batch normalization."
            )
        super().__init__(
            num_features,
            eps,
            momentum,
            affine,
            device=device,
            dtype=dtype,
            bias=bias,
            act=act,
        )
        self.r_max = r_max
        self.d_max = d_max
        self.warmup = warmup

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments]:
        seen = self.num_batches_tracked
        momentum: float | Tensor = 0.0
        if self.track_running_stats and self._pool is None:
            # A recomputation comes after the batch was counted, and must not see that it was.
            seen = (seen - 1 * recomputes(seen.device)).clamp(min=0)
            momentum = self._momentum_after(seen, self.running_mean)
        seen = in_precision_of(at_least_float32(self.running_mean), seen)
        r_max, d_max = correction_limits(seen, self.warmup, self.r_max, self.d_max)
        return batch_renorm_of_batch(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            momentum,
            self.eps,
            r_max=r_max,
            d_max=d_max,
            **ending,
        )

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return f"{text}, r_max={self.r_max}, d_max={self.d_max}, warmup={self.warmup}"


class BatchRenorm1d(BatchRenormLayer):
    """Batch renormalization of `(N, C)` or `(N, C, L)`, over the batch and all positions.

    y = act(γ · ((x − μ) / √(σ² + ε) · r + d) + β + residual), with μ and σ² of the batch, and r
    and d such that, within their limits, the output is the one of evaluation, where it is
    (x − m) / √(v + ε) with the running statistics m and v. `normkit.functional.batch_renorm` gives
    r and d, which carry no gradient. The `state_dict` is that of `BatchNorm1d`.

    The limits follow `num_batches_tracked`. For the first `warmup` batches r = 1 and d = 0, which
    is batch normalization; then they rise linearly, the one of d to `d_max` at 5 and the one of r
    to `r_max` at 8 times as many batches. These are the paper's proportions; it trained for very
    long, with `warmup=5000` and `momentum=0.01`. The default lets the running statistics forget
    where they started, for `momentum=0.1`, and is over early in a short training too; a smaller
    momentum wants a longer warm-up.

    Under activation checkpointing a batch that goes through again meets the running statistics
    that it met at first, unless another came between them; around micro-batches `accumulate` holds
    them still.

    Args:
        num_features: C.
        eps: ε, added to the variances.
        momentum: how far the running statistics move towards the batch's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: must be True; here so that the arguments are those of `BatchNorm1d`.
        device: as in PyTorch.
        dtype: as in PyTorch.
        r_max: the limit of r, at least 1: it stays between 1 / r_max and r_max.
        d_max: the limit of d, at least 0: it stays between −d_max and d_max.
        warmup: how many batches are normalised without the correction; with 0 the limits are
            `r_max` and `d_max` from the first batch on.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: a limit or a warm-up that is too small; an input of another rank or number of
            channels, or with one value per channel in training; a residual of another shape.

    >>> import torch
    >>> BatchRenorm1d(16, act="relu")(torch.randn(8, 16)).shape
    torch.Size([8, 16])

    Paper: Ioffe, "Batch Renormalization", 2017, https://arxiv.org/abs/1702.03275
    """

    _spatial = 1


class BatchRenorm2d(BatchRenormLayer):
    """Batch renormalization of `(N, C, H, W)`; see `BatchRenorm1d`.

    >>> import torch
    >>> x = torch.randn(8, 16, 4, 4)
    >>> BatchRenorm2d(16, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class BatchRenorm3d(BatchRenormLayer):
    """Batch renormalization of `(N, C, D, H, W)`; see `BatchRenorm1d`.

    >>> import torch
    >>> BatchRenorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="batch_renorm",
    title="batch renormalization",
    year=2017,
    paper="Ioffe, Batch Renormalization, https://arxiv.org/abs/1702.03275",
    axes="N, *",
    state_dict=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    layers={1: BatchRenorm1d, 2: BatchRenorm2d, 3: BatchRenorm3d},
    needs="more than one value per channel in training",
    when="In place of batch where batches are small, or their samples are not independent.",
)
