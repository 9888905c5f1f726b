"""What enters and leaves the norm layers of a network, forwards and backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.restore import unchanged


@dataclass(frozen=True)
class Passage:
    """One batch on its way through one norm layer, `(N, C, *)` each.

    Attributes:
        input: the values that enter.
        output: those that leave.
        arriving: the gradient of the loss that arrives at the output.
        leaving: the gradient that leaves at the input, from this layer alone.
    """

    input: Tensor
    output: Tensor
    arriving: Tensor
    leaving: Tensor


def passages(
    model: nn.Module, norms: Sequence[nn.Module], images: Tensor, labels: Tensor
) -> list[Passage]:
    """Follow one batch through norm layers in training mode; the loss is the mean cross-entropy.

    Args:
        model: maps `images` to logits `(N, classes)`; left as it was found.
        norms: modules of `model`; each is called once.
        images: one batch, `(N, C, *)`.
        labels: class numbers, `(N,)`.

    Returns:
        One passage per layer.

    Raises:
        RuntimeError: a norm was not called, or the loss does not depend on its output.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
    >>> [found] = passages(net, [net[1]], torch.randn(8, 1, 5, 5), torch.randint(2, (8,)))
    >>> bool(found.leaving.sum((0, 2, 3)).abs().max() < 1e-5)
    True
    """
    entering: dict[int, Tensor] = {}
    values: dict[int, tuple[Tensor, Tensor]] = {}
    arriving: dict[int, Tensor] = {}

    def enter(place: int, x: Tensor) -> Tensor:
        # A tensor of this layer's own, so that a shortcut's gradient is not counted with it.
        entering[place] = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
        return entering[place]

    def leave(place: int, output: Tensor) -> None:
        # Cloned, since an activation that works in place may overwrite it later in the pass; for
        # the same reason its gradient is caught here, before that.
        values[place] = entering[place].detach().clone(), output.detach().clone()
        if output.requires_grad:
            output.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: arriving.update({place: gradient.clone()})
            )

    handles = []
    for place, norm in enumerate(norms):
        handles += [
            norm.register_forward_pre_hook(
                lambda _, given, place=place: (enter(place, given[0]), *given[1:])
            ),
            norm.register_forward_hook(lambda _, __, output, place=place: leave(place, output)),
        ]
    try:
        with unchanged(model), torch.enable_grad():
            loss = F.cross_entropy(model.train()(images), labels)
            missing = [type(n).__name__ for i, n in enumerate(norms) if i not in values]
            if missing:
                raise RuntimeError(
                    "every norm measured must take part in the forward pass; "
                    f"not called: {', '.join(missing)}"
                )
            leaving = (
                torch.autograd.grad(
                    loss, [entering[i] for i in range(len(norms))], allow_unused=True
                )
                if norms
                else ()
            )
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for place, (norm, gradient) in enumerate(zip(norms, leaving, strict=True)):
        if gradient is None or place not in arriving:
            raise RuntimeError(
                "the loss must depend on the output of every norm measured; it does not depend "
                f"on that of {type(norm).__name__}"
            )
        found.append(Passage(*values[place], arriving[place], gradient))
    return found
