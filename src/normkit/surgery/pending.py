"""A norm's output that waits for what comes next, so that both can be computed in one call.

A fused layer does not compute its output when it is called. It returns a tensor that knows its
shape and waits. The sum and the activation that come next are then computed with it; whatever
else is done with it, by any code at all, it is computed first. So what a model computes never
depends on whether it still does what it did when it was watched: only its speed does.

What could get past this raises: code that takes the tensor below Python sees one without data, and
a gradient that arrives at it, rather than at what was computed for it, is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn, Protocol
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from normkit.functional import Activation
from normkit.surgery.endings import (
    ACTIVATION_OF,
    IN_PLACE_ACTIVATIONS,
    IN_PLACE_SUMS,
    SUMS,
    activation,
)
from normkit.surgery.handing_on import DROPOUTS


class Layer(Protocol):
    """A fused layer, as what waits for it sees it."""

    def compute(
        self,
        input: Tensor,  # noqa: A002
        residual: Tensor | None,
        act: Activation,
        again: bool,
    ) -> Tensor:
        """`act(norm(input) + residual)`; `again` if it was computed before, for someone else."""


_SHAPE = frozenset(
    {
        Tensor.size,
        Tensor.dim,
        Tensor.numel,
        Tensor.ndimension,
        Tensor.__len__,
        Tensor.is_floating_point,
        torch.is_floating_point,
        Tensor.shape.__get__,  # type: ignore[attr-defined]
        Tensor.ndim.__get__,  # type: ignore[attr-defined]
        Tensor.device.__get__,
        Tensor.dtype.__get__,  # type: ignore[attr-defined]
        Tensor.is_cuda.__get__,  # type: ignore[attr-defined]
        Tensor.layout.__get__,  # type: ignore[attr-defined]
    }
)
"""What can be told of a tensor before it is computed."""


class Pending(Tensor):
    """The output of a fused layer, before it is known what it is to end with."""

    _work: Work

    @staticmethod
    def of(work: Work) -> Pending:
        """A tensor with the shape of what `work` computes, and without data."""
        x = work.input
        gradient = torch.is_grad_enabled() and work.differentiable
        pending: Pending = torch.Tensor._make_wrapper_subclass(
            Pending,
            x.shape,
            strides=x.stride(),
            dtype=x.dtype,
            device=x.device,
            requires_grad=gradient,
        )
        pending._work = work
        if gradient:
            with torch._C.DisableTorchFunctionSubclass():
                pending.register_hook(_got_past)  # type: ignore[no-untyped-call]
        return pending

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Any,
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        options = options or {}
        if function in _SHAPE:
            with torch._C.DisableTorchFunctionSubclass():
                return function(*arguments, **options)
        if function in DROPOUTS and options.get("training") is False:
            return arguments[0]
        if function in SUMS:
            ended = _sum(function, arguments, options)
        elif function in ACTIVATION_OF:
            ended = _activation(function, arguments, options)
        else:
            ended = None
        if ended is not None:
            return ended
        arguments, options = tree_map_only(Pending, Pending.value, (arguments, options))
        return function(*arguments, **options)

    @classmethod
    def __torch_dispatch__(cls, function: Any, *_: object) -> NoReturn:
        raise RuntimeError(
            f"{function} was given the output of a layer that fuse_ fused, in a way that PyTorch "
            "does not show to Python, before the output was computed. Undo the surgery, or leave "
            "this layer out of it: fuse_(..., where=...)."
        )

    def value(self) -> Tensor:
        """The tensor itself, computed now unless it is known."""
        return self._work.value()


class Work:
    """What a fused layer was called with, and what it has come to.

    Args:
        layer: that was called.
        input: its input.
        sums: whether a sum is to be computed with it.
        acts: whether an activation is.
        residual: what was added.
    """

    __slots__ = (
        "__weakref__",
        "_called_with",
        "_gradient",
        "_value",
        "acts",
        "computed",
        "input",
        "layer",
        "residual",
        "sums",
    )

    def __init__(
        self,
        layer: Layer,
        input: Tensor,  # noqa: A002
        sums: bool,
        acts: bool,
        residual: Tensor | None = None,
    ) -> None:
        self.computed = True  # Until it is one that waits.
        _let_earlier_count(layer, self)
        self.layer, self.input, self.residual = layer, input, residual
        self.sums, self.acts = sums, acts
        self.computed = False
        """Whether the layer ran: once, it counts the batch; again, it must not."""
        self._value: Tensor | None = None
        self._gradient = torch.is_grad_enabled()
        self._called_with = self._now()

    @property
    def differentiable(self) -> bool:
        """Whether a gradient can go through what it computes."""
        tensors = (self.input, self.residual, *self.layer.parameters())  # type: ignore[attr-defined]
        return any(tensor is not None and tensor.requires_grad for tensor in tensors)

    @property
    def waits(self) -> bool:
        """Whether what comes next can still be computed with it, in the same mode of autograd."""
        return self._value is None and self._gradient is torch.is_grad_enabled()

    def value(self) -> Tensor:
        """Without an activation; what is done in place with it, later calls see."""
        if self._value is None:
            self._value = self.end(None)
        return self._value

    def settle(self, value: Tensor) -> Tensor:
        """From now on it is this tensor."""
        self._value = value
        return value

    def _now(self) -> list[object]:
        """All that the output depends on, as it is now."""
        layer: Any = self.layer
        options = (vars(layer).get(name) for name in _OPTIONS)
        tensors = (self.input, self.residual, *layer._parameters.values())
        # In training it is the batch that counts, and the first computation moves the buffers.
        moved = layer.training and self.computed
        buffers = () if moved else layer._buffers.values()
        return [layer.training, *map(_state, tensors), *options, *map(_state, buffers)]

    @property
    def is_as_called(self) -> bool:
        """Whether all that the output depends on is as it was."""
        now = self._now()
        return hasattr(self.layer, "compute") and now == self._called_with[: len(now)]

    def end(self, act: Activation) -> Tensor:
        """What the layer computes, ending with an activation."""
        if not self.is_as_called:
            self.computed = True
            raise RuntimeError(
                "what a fused layer was called with, what is added to its output, its parameters, "
                "buffers, options or its mode were changed before the output was used. Undo the "
                "surgery, or leave this layer out of it: fuse_(..., where=...)."
            )
        again, self.computed = self.computed, True
        with torch.set_grad_enabled(self._gradient):
            return self.layer.compute(self.input, self.residual, act, again)

    def plus(self, residual: Tensor) -> Work:
        """The same with something added."""
        # Of the two only one counts the batch: the new one, unless this one has.
        computed, self.computed = self.computed, True
        work = Work(self.layer, self.input, sums=False, acts=self.acts, residual=residual)
        work.computed = computed
        return work

    def count(self) -> None:
        """Moves running statistics as the call would have; of the output nothing is known.

        They depend on the input alone, whatever else has changed since.
        """
        layer: Any = self.layer
        self.computed = True
        if _state(self.input) != self._called_with[1] or not hasattr(layer, "compute"):
            raise RuntimeError(
                "what a fused layer was called with was changed in place, or its surgery undone, "
                "and nobody had used its output: running statistics cannot move. Leave this layer "
                "out of the surgery: fuse_(..., where=...)."
            )
        now, layer.training = layer.training, True
        try:
            with torch.no_grad():
                layer.compute(self.input, None, None, again=False)
        finally:
            layer.training = now

    def __del__(self) -> None:
        # Nobody used the output, but the layer was called: running statistics move all the same.
        if not self.computed and self._called_with[0]:
            try:
                self.count()
            except RuntimeError as error:
                # Nothing can be raised from here; the layer's next call does.
                _failed[self.layer] = str(error)


_failed: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Layers whose output nobody used, and could not be computed any more."""


def _let_earlier_count(layer: Layer, work: Work) -> None:
    """Computes what a layer was called with before: running statistics move in the order of calls.

    What is computed later than that of a later call would weigh more than it should.
    """
    if (error := _failed.pop(layer, None)) is not None:
        raise RuntimeError(error)
    if not layer.training:  # type: ignore[attr-defined]
        return
    waiting = vars(_local).setdefault("waiting", WeakKeyDictionary())
    earlier = waiting.get(layer)
    if earlier is not None and (before := earlier()) is not None and not before.computed:
        if before.is_as_called:
            before.value()
        else:
            before.count()
    waiting[layer] = ref(work)


def _sum(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> Tensor | None:
    if len(arguments) != 2 or options:
        return None
    left, right = arguments
    if not isinstance(left, Tensor) or not isinstance(right, Tensor):
        return None
    in_place = function in IN_PLACE_SUMS
    if _expects_sum(left):
        pending, residual = left, right
    elif not in_place and _expects_sum(right):
        pending, residual = right, left
    else:
        return None
    assert isinstance(pending, Pending)
    if isinstance(residual, Pending):
        residual = residual.value()
    x = pending._work.input
    if residual.shape != x.shape or residual.dtype != x.dtype or residual.device != x.device:
        return None
    work = pending._work.plus(residual)
    if not work.acts:
        value = work.value()
        return pending._work.settle(value) if in_place else value
    if in_place:
        pending._work = work
        return pending
    return Pending.of(work)


def _expects_sum(tensor: Tensor) -> bool:
    return isinstance(tensor, Pending) and tensor._work.sums and tensor._work.waits


def _activation(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> Tensor | None:
    pending = arguments[0] if arguments else options.get("input")
    if not isinstance(pending, Pending) or not (pending._work.acts and pending._work.waits):
        return None
    if "out" in options:
        return None
    rest = {name: value for name, value in options.items() if name not in ("input", "inplace")}
    value = pending._work.end(activation(function, arguments[1:], rest))
    if options.get("inplace") or function in IN_PLACE_ACTIVATIONS:
        pending._work.settle(value)
    return value


_OPTIONS = ("eps", "momentum", "track_running_stats", "num_groups")
"""Attributes of layers on which the output, or what the batch does to them, depends."""


def _state(tensor: Tensor | None) -> object:
    """What changes when a tensor does, or another is in its place."""
    if tensor is None:
        return None
    version = None if tensor.is_inference() else tensor._version
    return id(tensor), tensor.data_ptr(), version


def _got_past(_: Tensor) -> NoReturn:
    raise RuntimeError(
        "a gradient arrived at the output of a layer that fuse_ fused, past what was computed for "
        "it: a torch.autograd.Function, or reentrant checkpointing, took it. Undo the surgery, or "
        "leave this layer out of it: fuse_(..., where=...)."
    )


_local = threading.local()


def act_of_call() -> Activation:
    """The activation that the fused layer which runs in this thread is to end with."""
    return getattr(_local, "act", None)


class acting:  # noqa: N801
    """Lets the fused layer that is called inside end with an activation."""

    def __init__(self, act: Activation) -> None:
        self.act = act

    def __enter__(self) -> None:
        _local.act = self.act

    def __exit__(self, *_: object) -> None:
        _local.act = None
