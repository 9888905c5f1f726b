"""Batch normalization layers whose statistics, γ and β are fixed."""

from __future__ import annotations

import copy
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from normkit.functional import Activation, batch_norm
from normkit.functional.checks import check_channels, check_rank
from normkit.nn.activation import Activated
from normkit.nn.method import Method


class _Fixed(torch.nn.Module):
    """γ, β and the statistics as buffers, in which a batch normalization layer's can be loaded."""

    num_features: int
    eps: float
    affine: bool
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def _set_fixed(self, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        exist = {"weight": weight, "bias": bias, "running_mean": True, "running_var": True}
        for name, exists in exist.items():
            vector = torch.empty(self.num_features, device=device, dtype=dtype)
            self.register_buffer(name, vector if exists else None)

    def reset_parameters(self) -> None:
        """Gives γ, β and the statistics the values that they start at: 1, 0, 0 and 1."""
        for name, buffer in self.named_buffers(recurse=False):
            buffer.fill_(1.0 if name in ("weight", "running_var") else 0.0)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"{self.num_features}, eps={self.eps}, affine={self.affine}, bias={bias}"


class FrozenBatchNormLayer(Activated, _Fixed):
    """What the frozen batch normalization layers of all dimensions have in common.

    It is no subclass of PyTorch's batch normalization: what looks for such layers to move their
    statistics, or to make others of them, must pass it by.
    """

    _spatial: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        device: Any = None,
        dtype: Any = None,
        *,
        affine: bool = True,
        bias: bool = True,
        act: Activation = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.affine = affine
        self._set_fixed(affine, affine and bias, device, dtype)
        self._set_activation(act)
        self.reset_parameters()

    @classmethod
    def from_batch_norm(cls, layer: _BatchNorm) -> Self:
        """A frozen layer that computes what a batch normalization layer does in evaluation.

        Args:
            layer: of PyTorch or of normkit; what it holds is copied, and it is left as it is.

        Raises:
            TypeError: a layer of another kind.
            ValueError: a layer without running statistics.
        """
        if not isinstance(layer, _BatchNorm):
            raise TypeError(
                f"{cls.__name__}.from_batch_norm takes a batch normalization layer; got a "
                f"{type(layer).__name__}. Give it each such layer of a model, not the model."
            )
        if layer.running_mean is None or layer.running_var is None:
            raise ValueError(
                f"{cls.__name__}.from_batch_norm needs the running statistics, which this layer "
                "does not keep: track_running_stats=False. Train it with them first."
            )
        frozen = cls(
            layer.num_features,
            layer.eps,
            layer.running_mean.device,
            affine=layer.affine,
            bias=layer.bias is not None,
            act=copy.deepcopy(layer.act) if isinstance(layer, Activated) else None,
        )
        for name, _ in list(frozen.named_buffers(recurse=False)):
            # Each in its own dtype: γ and β may be in half precision, and the statistics not.
            setattr(frozen, name, getattr(layer, name).detach().clone())
        return frozen.train(layer.training)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Returns `act(norm(input) + residual)`; a mask is accepted: nothing is counted."""
        check_rank(type(self).__name__, input, self._spatial)
        check_channels(type(self).__name__, input, self.num_features)
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
            act=self.act,
            residual=residual,
            mask=mask,
        )


class FrozenBatchNorm1d(FrozenBatchNormLayer):
    """Batch normalization of `(N, C)` or `(N, C, L)` with fixed statistics, γ and β.

    y = act(γ · (x − m) / √(v + ε) + β + residual), with the mean m and variance v of a trained
    layer, which stay as they are, as γ and β do: in training too, and for any optimizer. A
    batch normalization layer in evaluation computes the same, but `train()`, which is called on
    the whole model, ends that; and switching off the gradients of γ and β does not stop the
    running statistics.

    The statistics come from `from_batch_norm`, or from the `state_dict` of `BatchNorm1d`, of which
    `num_batches_tracked` is left out. The arguments are those of torchvision's layer, whose
    `state_dict` it takes too.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        device: as in PyTorch.
        dtype: as in PyTorch.
        affine: whether γ and β exist.
        bias: whether β exists, where `affine` is on.
        act: the activation: None, a name, or a module or function.

    Raises:
        ValueError: an input of another rank or number of channels; a residual of another shape.

    >>> from normkit.nn import BatchNorm1d
    >>> trained = BatchNorm1d(16)
    >>> y = trained(torch.randn(8, 16))
    >>> frozen = FrozenBatchNorm1d.from_batch_norm(trained)
    >>> x = torch.randn(8, 16)
    >>> torch.equal(frozen.train()(x), trained.eval()(x))
    True

    Paper: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, appendix
    A, https://arxiv.org/abs/1512.03385
    """

    _spatial = 1


class FrozenBatchNorm2d(FrozenBatchNormLayer):
    """Batch normalization of `(N, C, H, W)` with fixed statistics, γ and β.

    See `FrozenBatchNorm1d`.

    >>> x = torch.randn(8, 16, 4, 4)
    >>> FrozenBatchNorm2d(16, act="relu")(x, residual=x).shape
    torch.Size([8, 16, 4, 4])
    """

    _spatial = 2


class FrozenBatchNorm3d(FrozenBatchNormLayer):
    """Batch normalization of `(N, C, D, H, W)` with fixed statistics, γ and β.

    See `FrozenBatchNorm1d`.

    >>> FrozenBatchNorm3d(16)(torch.randn(8, 16, 2, 4, 4)).shape
    torch.Size([8, 16, 2, 4, 4])
    """

    _spatial = 3


METHOD = Method(
    name="frozen_batch",
    title="batch normalization with fixed statistics",
    year=2015,
    paper="He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, "
    "https://arxiv.org/abs/1512.03385",
    axes="–",
    state_dict=("weight", "bias", "running_mean", "running_var"),
    layers={1: FrozenBatchNorm1d, 2: FrozenBatchNorm2d, 3: FrozenBatchNorm3d},
    needs="the statistics of a trained batch normalization",
    when="Fine-tuning a network trained with batch, where batches are small.",
)
