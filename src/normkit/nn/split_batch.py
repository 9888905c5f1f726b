"""Split batch normalization layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from normkit.functional import Activation
from normkit.functional.split_batch import check_num_splits, split_batch_norm_of_batch
from normkit.functional.statistics import Moments
from normkit.nn.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormLayer
from normkit.nn.method import Method


class SplitBatchNormLayer(BatchNormLayer):
    """What the split batch normalization layers of all dimensions have in common."""

    _auxiliary: type[BatchNormLayer]

    def __init__(
        self,
        num_features: int,
        num_splits: int = 2,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        check_num_splits(num_splits)
        arguments = (num_features, eps, momentum, affine, track_running_stats, device, dtype)
        super().__init__(*arguments, bias=bias, act=act)
        self.num_splits = num_splits
        self.aux_bn = torch.nn.ModuleList(
            [self._auxiliary(*arguments, bias=bias) for _ in range(num_splits - 1)]
        )

    def _of_batch(self, x: Tensor, ending: Mapping[str, Any]) -> tuple[Tensor, Moments | None]:
        if not self.training:
            return super()._of_batch(x, ending)
        y, (main, *others) = split_batch_norm_of_batch(
            x,
            self._of_splits("weight"),
            self._of_splits("bias"),
            self.eps,
            num_splits=self.num_splits,
            **ending,
        )
        if self.track_running_stats:
            for layer, moments in zip(self._others(), others, strict=True):
                layer._track_(moments)
        return y, main

    def _others(self) -> list[BatchNormLayer]:
        return cast("list[BatchNormLayer]", list(self.aux_bn))

    def _of_splits(self, name: str) -> list[Tensor] | None:
        vectors = [getattr(layer, name) for layer in (self, *self._others())]
        return None if vectors[0] is None else vectors

    def reset_parameters(self) -> None:
        """Gives γ, β and the running statistics of every split the values that they start at."""
        super().reset_parameters()
        if "aux_bn" in self._modules:  # Not yet, where PyTorch's constructor calls this.
            for layer in self._others():
                layer.reset_parameters()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, num_splits={self.num_splits}"


class SplitBatchNorm1d(SplitBatchNormLayer):
    """Split batch normalization of `(N, C)` or `(N, C, L)`, over parts of the batch.

    y = act(γ · (x − μ) / √(σ² + ε) + β + residual). In training a batch is cut into `num_splits`
    splits, of samples that follow each other, each with statistics, γ and β of its own. The first
    is the main one, of this layer; the others are those of the layers in `aux_bn`. Evaluation takes
    all samples by the main running statistics, γ and β.

    If `num_splits` does not divide N, the last splits are one sample larger, and none is more than
    one sample larger than another; `normkit.functional.split_batch_norm` tells why.

    What is saved without `aux_bn` is what batch normalization saves, and either loads the other's
    with `strict=False`.

    Args:
        num_features: C.
        num_splits: how many splits a batch has in training.
        eps: ε, added to the variance.
        momentum: how far the running statistics move towards their split's; None takes the
            cumulative average.
        affine: whether γ and β exist.
        track_running_stats: whether running statistics are kept; without them evaluation uses the
            batch's, uncut.
        device: as in PyTorch.
        dtype: as in PyTorch.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: a `num_splits` below 1; an input of another rank or number of channels, or, in
            training, with fewer samples than splits or one value per channel and split; a residual
            of another shape.

    >>> clean, adversarial = torch.randn(8, 16), torch.randn(8, 16)
    >>> SplitBatchNorm1d(16, act="relu")(torch.cat([clean, adversarial])).shape
    torch.Size([16, 16])

    Paper: Xie, Tan, Gong, Wang, Yuille and Le, "Adversarial Examples Improve Image Recognition",
    2020, https://arxiv.org/abs/1911.09665
    """

    _spatial = 1
    _auxiliary = BatchNorm1d


class SplitBatchNorm2d(SplitBatchNormLayer):
    """Split batch normalization of `(N, C, H, W)`; see `SplitBatchNorm1d`.

    >>> x = torch.randn(8, 16, 4, 4)
    >>> SplitBatchNorm2d(16, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2
    _auxiliary = BatchNorm2d


class SplitBatchNorm3d(SplitBatchNormLayer):
    """Split batch normalization of `(N, C, D, H, W)`; see `SplitBatchNorm1d`.

    >>> SplitBatchNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3
    _auxiliary = BatchNorm3d


_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

METHOD = Method(
    name="split_batch",
    title="split batch normalization",
    year=2020,
    paper="Xie, Tan, Gong, Wang, Yuille and Le, Adversarial Examples Improve Image Recognition, "
    "https://arxiv.org/abs/1911.09665",
    axes="N of a split, *",
    state_dict=(*_KEYS, *(f"aux_bn.0.{key}" for key in _KEYS)),
    layers={1: SplitBatchNorm1d, 2: SplitBatchNorm2d, 3: SplitBatchNorm3d},
    needs="more than one value per channel and split in training",
    when="A batch put together from several sources, of which the first counts in evaluation: "
    "clean images and adversarial ones.",
    standardises="batch",
)
