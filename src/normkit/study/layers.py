"""The layers of a network that probes look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from normkit.models import Classifier, MicroBatched
from normkit.nn import Identity, LayerNorm, RMSNorm
from normkit.nn.method import Method
from normkit.probes.restore import unchanged
from normkit.surgery import norms as surgery_norms
from normkit.surgery.linear import CONVOLUTIONS_AND_LINEAR
from normkit.surgery.norms import METHODS

LINEAR = CONVOLUTIONS_AND_LINEAR
NORMS = (MicroBatched, *surgery_norms.NORMS)
_OVER_LAST_AXES = (nn.LayerNorm, nn.RMSNorm, LayerNorm, RMSNorm)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, the norm that goes with it, and what their output is."""

    linear: nn.Module
    norm: nn.Module | None
    """None, or an identity, where the layer has no norm."""
    output: nn.Module
    """The module whose output is the layer's: after norm and activation in normkit's own models,
    the norm or else the linear one in the user's."""


def layers(model: nn.Module, images: Tensor) -> list[Layer]:
    """The hidden layers of a network in the order in which they are called.

    In a user's model these are seen in one forward pass, which leaves the model as it was: every
    convolution and linear layer that the output depends on, once, but the last, which is the
    classifier. A norm belongs to the layer whose output came just before it, and so does what
    stands in its place in a network without norms, so that outputs are taken at the same place.
    In normkit's own models those on shortcuts are left out.

    Args:
        model: maps images to logits.
        images: one batch, `(N, C, H, W)`.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    >>> [layer.norm for layer in layers(net, torch.randn(2, 1, 8, 8))] == [net[1]]
    True
    """
    if isinstance(model, Classifier):
        return [Layer(block.linear, block.norm, block) for block in model.blocks]
    return _layers(model, images)[:-1]


def classifier(model: nn.Module, images: Tensor) -> nn.Module:
    """The layer that gives the logits: the last convolution or linear layer that is called.

    Args:
        model: maps images to logits.
        images: one batch, `(N, C, H, W)`.

    Raises:
        ValueError: the network has none through which a gradient goes.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    >>> classifier(net, torch.randn(2, 1, 8, 8)) == net[3]
    True
    """
    if isinstance(model, Classifier):
        return model.classifier
    found = _layers(model, images)
    if not found:
        raise ValueError("a network needs a convolution or linear layer that trains; it has none")
    return found[-1].linear


def _layers(model: nn.Module, images: Tensor) -> list[Layer]:
    found: list[Layer] = []
    for module in [call.module for call in _called(model, images) if call.depended_on]:
        if isinstance(module, LINEAR):
            found.append(Layer(module, None, module))
        elif found and found[-1].norm is None:
            found[-1] = Layer(found[-1].linear, module, module)
    return found


def norms(
    model: nn.Module, images: Tensor, followed: bool = False, stand_ins: bool = False
) -> list[nn.Module]:
    """The norm layers of a network in the order in which they are called.

    Args:
        model: maps images to logits.
        images: one batch, `(N, C, H, W)`.
        followed: only those through which a batch can be followed, there and back: called once, and
            with the output depending on them.
        stand_ins: also what stands in their place in a network without norms.
    """
    if isinstance(model, Classifier):
        return [layer.norm for layer in layers(model, images) if layer.norm is not None]
    return [
        call.module
        for call in _called(model, images)
        if isinstance(call.module, (*NORMS, Identity) if stand_ins else NORMS)
        and (not followed or (call.depended_on and call.times == 1))
    ]


def axes(norm: nn.Module) -> tuple[str, int] | None:
    """What a norm takes its statistics over, and in how many groups or axes.

    Returns:
        The arguments `axes` and `groups` of :func:`normkit.probes.standardise.standardisation`;
        None for a norm that brings no set of values to mean 0 and variance 1.

    >>> axes(nn.GroupNorm(2, 8)), axes(nn.LayerNorm((4, 4)))
    (('sample', 2), ('trailing', 2))
    """
    if isinstance(norm, MicroBatched):
        return axes(norm.norm)
    method = METHODS.get(type(norm))
    if method is not None:
        return _of_method(method, norm)
    if _moves_channels(norm):
        return "position", 1
    if isinstance(norm, nn.GroupNorm):
        return "sample", norm.num_groups
    if isinstance(norm, _InstanceNorm):
        return "instance", 1
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return "trailing", len(norm.normalized_shape)
    # Batch norm; and an identity, to which it makes no difference what it does not standardise.
    return "batch", 1


def _of_method(method: Method, norm: nn.Module) -> tuple[str, int] | None:
    if method.name == "none":
        return "batch", 1
    if method.standardises is None:
        return None
    groups = getattr(norm, "num_groups", 1)
    return method.standardises, groups if method.standardises == "sample" else 1


def _moves_channels(norm: nn.Module) -> bool:
    """Whether a layer norm brings the channels to the last axis and back by itself.

    So do those of ConvNeXt: PyTorch's class, over one axis, with a forward pass of their own. One
    that only casts, as CLIP's, refuses maps whose last axis is not the one it standardises.
    """
    if (
        not isinstance(norm, nn.LayerNorm | nn.RMSNorm)
        or len(norm.normalized_shape) != 1
        or type(norm).forward in [known.forward for known in _OVER_LAST_AXES]
    ):
        return False
    [channels] = norm.normalized_shape
    like = next(norm.parameters(), torch.zeros(1))
    try:
        with torch.no_grad():
            norm(like.new_zeros(1, channels, 2, channels + 1))
    except (RuntimeError, ValueError):
        return False
    return True


@dataclass
class _Call:
    """A layer or norm that was called in a forward pass."""

    module: nn.Module
    output: Tensor
    """Of its first call."""
    times: int = 1
    depended_on: bool = False
    """Whether the network's output depends on it: not on what feeds nothing, nor, as far as
    gradients tell, on what is frozen."""


def _called(model: nn.Module, images: Tensor) -> list[_Call]:
    """Layers and norms in the order of their first call."""
    inner = {m.norm for m in model.modules() if isinstance(m, MicroBatched)}
    calls: dict[nn.Module, _Call] = {}
    begun: dict[nn.Module, None] = {}

    def begin(module: nn.Module, _: object) -> None:
        # A layer that calls its norm by itself begins before it, and ends after it.
        begun.setdefault(module)

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        if module in calls:
            calls[module].times += 1
        else:
            calls[module] = _Call(module, output)

    watched = [
        module
        for module in model.modules()
        if isinstance(module, (*LINEAR, *NORMS, Identity)) and module not in inner
    ]
    handles = [module.register_forward_pre_hook(begin) for module in watched]
    handles += [module.register_forward_hook(keep) for module in watched]
    try:
        with unchanged(model), torch.enable_grad():
            logits = model.train()(images)
            live = [call for call in calls.values() if call.output.requires_grad]
            outputs = [call.output for call in live]
            gradients = (
                torch.autograd.grad(logits.sum(), outputs, allow_unused=True) if live else ()
            )
    finally:
        for handle in handles:
            handle.remove()
    for call, gradient in zip(live, gradients, strict=True):
        call.depended_on = gradient is not None
    return [calls[module] for module in begun if module in calls]
