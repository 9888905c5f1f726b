"""Two layers that are one computation: the first may be read by the second alone.

After folding, what a convolution returns is what its norm would have returned. Whoever else reads
it, in a mode or on a branch that was not watched, would get that for the convolution's own output.
So it is marked, and any other reader is an error; so is a second layer that is given anything else.
The mark costs about a microsecond, and nothing in a compiled graph, where it is checked when the
graph is made.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isgetsetdescriptor
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from normkit.surgery.derived import Derived
from normkit.surgery.handing_on import CONVERSIONS, DROPOUTS
from normkit.surgery.shapes import RESHAPES, SHAPED_AS

_number = count()


class Seam:
    """What ties the first layers to the second one.

    Args:
        norm: the name of the norm that was folded.
        into: the name of the layer that it was folded into.
        reshapes: whether what is between them may be reshaped, as around a fully connected layer,
            whose channels are on the last axis.
    """

    def __init__(self, norm: str, into: str, reshapes: bool) -> None:
        self.norm, self.into, self.reshapes = norm, into, reshapes
        # Copies of the two layers, made one by one, still belong together.
        self.number = next(_number)

    def broken(self, how: str) -> RuntimeError:
        """The error for a model that does something else than when it was watched."""
        return RuntimeError(
            f"{self.norm!r} was folded into {self.into!r}, and now {how}, which did not happen "
            "when the model was watched: the result would be wrong. Undo the surgery, and leave "
            f"this norm out of it: where=lambda name, layer: name != {self.norm!r}."
        )


class Marked(Tensor):
    """What the first of two layers returned, for the second."""

    _seam: Seam
    _first: torch.Size
    """The shape in which the first layer returned it."""

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Any,
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        if function in _SHAPE:
            with torch._C.DisableTorchFunctionSubclass():
                return function(*arguments, **(options or {}))
        if function in SHAPED_AS and len(arguments) == 2 and not isinstance(arguments[0], Marked):
            return SHAPED_AS[function](arguments[0], arguments[1].shape)
        if function in _GRAD:
            return None  # Compilers ask, and it has none, but PyTorch would warn of the question.
        marked = arguments[0] if arguments else None
        if function is Tensor.view_as and marked is arguments[-1]:
            # The second layer takes the mark off so. In a graph that begins there, it comes here.
            with torch._C.DisableTorchFunctionSubclass():
                return function(*arguments)
        if function is torch.ops.aten.view.default:
            # So it reads in a graph of operators, whose Python was looked at when it was made.
            with torch._C.DisableTorchFunctionSubclass():
                return function(arguments[0].as_subclass(Tensor), *arguments[1:])
        if function in RESHAPES and isinstance(marked, Marked):
            with torch._C.DisableTorchFunctionSubclass():
                reshaped = function(*arguments, **(options or {})).as_subclass(Marked)
            reshaped._seam, reshaped._first = marked._seam, marked._first
            return reshaped
        if function in _HAND_ON and isinstance(marked, Marked):
            with torch._C.DisableTorchFunctionSubclass():
                handed_on = function(*arguments, **(options or {}))
            if handed_on is marked:
                return marked
        seams = [each._seam for each in tree_leaves((arguments, options)) if type(each) is Marked]
        what = getattr(function, "__name__", function)
        raise seams[0].broken(f"something else reads what is between them ({what})")


_GRAD = frozenset({Tensor.grad.__get__})  # type: ignore[union-attr]

_VALUES = {"data", "grad", "T", "mT", "H", "mH", "real", "imag"}
"""The properties of a tensor that are its values."""

_SHAPE = frozenset(
    {
        Tensor.size,
        Tensor.dim,
        Tensor.numel,
        Tensor.stride,
        Tensor.storage_offset,
        Tensor.is_contiguous,
        Tensor.is_floating_point,
        Tensor.is_complex,
        Tensor.is_inference,
        Tensor.is_conj,
        Tensor.is_neg,
        Tensor._is_view,
        Tensor.untyped_storage,
        Tensor.element_size,
        *(
            member.__get__
            for name, member in vars(torch._C.TensorBase).items()
            if isgetsetdescriptor(member) and name not in _VALUES
        ),
    }
)
"""What tells nothing of the values; compilers ask for it."""

_HAND_ON = CONVERSIONS | DROPOUTS


class Folded(Derived):
    """Added to the classes of a norm that was folded and of the layers that it was folded into."""

    prefix = "Folded"

    hands_to: Seam | None = None
    """To the second layer of this seam alone goes what it returns."""
    takes_from: Seam | None = None
    """From the first layers of this seam alone comes what it is called with."""
    training: bool

    def forward(self, input: Tensor, *further: Any, **options: Any) -> Tensor:  # noqa: A002
        """As the layer's own, in evaluation."""
        if self.training:
            raise RuntimeError(
                "this model was folded, which is for evaluation: its batch normalization has no "
                "statistics of batches any more. Call model.eval(), or undo the surgery to train."
            )
        if self.takes_from is not None:
            input = self._taken(input, self.takes_from)  # noqa: A001
        y: Tensor = super().forward(input, *further, **options)  # type: ignore[misc]
        if self.hands_to is None or not _marks() or not isinstance(y, Tensor):
            return y
        marked = y.as_subclass(Marked)
        marked._seam, marked._first = self.hands_to, y.shape
        return marked

    def _taken(self, x: Tensor, seam: Seam) -> Tensor:
        if not isinstance(x, Marked):
            if _marks() and isinstance(x, Tensor):
                raise seam.broken("the two are not called one after the other")
            return x
        if x._seam.number != seam.number:
            raise seam.broken("the second of them is given what another layer returned")
        before, now = x._first, x.shape
        if now[-1] != before[-1] if seam.reshapes else now != before:
            raise seam.broken(f"what is between them is reshaped from {before} to {now}")
        with torch._C.DisableTorchFunctionSubclass():
            return x.view_as(x)


def _marks() -> bool:
    # An exported graph holds one flow of data for good.
    if torch.compiler.is_compiling():
        return not torch.compiler.is_exporting()
    return not torch._C._is_tracing()
