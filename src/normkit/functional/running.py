"""Running statistics: what moves them, and what must not.

A batch moves them once, and only if its statistics are finite:

- a batch with an infinite value or a NaN in it, or with fewer than two values per channel, leaves
  them as they are and is not counted;
- a forward that runs while gradients are being computed is a recomputation, as activation
  checkpointing makes it; its batch was counted when it came first;
- under a transform of `torch.func` statistics that the function captured are left alone, since
  PyTorch does not let it change them; those given to it through `torch.func.functional_call`
  are updated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from normkit.functional.statistics import Moments, at_least_float32, in_precision_of
from normkit.kernels import running as kernel
from normkit.kernels.running import Running

_functorch = torch._C._functorch


def update_running_(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    moments: Moments,
    momentum: float | Tensor,
    num_batches_tracked: Tensor | None = None,
) -> None:
    """Moves running statistics towards a batch's: running + momentum · (batch − running).

    Args:
        running_mean: `(C)` or None.
        running_var: `(C)` or None.
        moments: the batch's.
        momentum: a number, or a tensor of one.
        num_batches_tracked: one number, counted up with the batch, or None.

    >>> mean, variance = torch.zeros(1), torch.ones(1)
    >>> batch = Moments(torch.tensor([2.0]), torch.tensor([5.0]), size=8)
    >>> update_running_(mean, variance, batch, momentum=0.5)
    >>> mean.item(), variance.item()
    (1.0, 3.0)
    """
    if is_recomputation():
        return
    as_given = Running(running_mean, running_var, num_batches_tracked, momentum)
    if kernel.moves(as_given, *moments):
        kernel.move_(as_given, moments.mean, moments.variance)
        return
    with torch.no_grad():
        moved = [
            (running, _moved(running, batch, momentum))
            for running, batch in ((running_mean, moments.mean), (running_var, moments.variance))
            if running is not None
        ]
        counts = unless_recomputed(_of_several(moments))
        for _, after in moved:
            # What is moved by something that is not finite is not; nor may it be what the
            # precision of the statistic, which may be half, cannot hold.
            counts = counts & after.isfinite().all()
        for running, after in moved:
            assign_(running, torch.where(counts, after, running))
        if num_batches_tracked is not None:
            assign_(num_batches_tracked, num_batches_tracked + counts)


def _moved(running: Tensor, batch: Tensor, momentum: float | Tensor) -> Tensor:
    now = at_least_float32(running)
    weight = in_precision_of(now, momentum) if isinstance(momentum, Tensor) else momentum
    return in_precision_of(running, now.lerp(in_precision_of(now, batch), weight))


def is_counted(moments: Moments) -> Tensor:
    """Whether a batch moves running statistics: one truth value, on the device of its moments."""
    return unless_recomputed(is_sound(moments))


def is_sound(moments: Moments) -> Tensor:
    """Whether moments are finite, and of several values each."""
    finite = moments.mean.isfinite().all() & moments.variance.isfinite().all()
    return finite & _of_several(moments)


def _of_several(moments: Moments) -> Tensor:
    if isinstance(moments.size, Tensor):
        return (moments.size > 1).all()
    return torch.full((), moments.size > 1, device=moments.mean.device)


def unless_recomputed(counts: Tensor) -> Tensor:
    """`counts`, and False in a compiled graph that runs while gradients are being computed."""
    if _is_compiled() and not _is_transformed():
        counts = counts & ~_recomputes(counts.device)
    return counts


def _is_compiled() -> bool:
    """Whether this is being compiled, to be run later; not whether it is exported."""
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()


def _is_transformed() -> bool:
    return _functorch.get_dynamic_layer_stack_depth() > 0


def is_recomputation() -> bool:
    """Whether gradients are being computed right now.

    In a compiled graph it is False; see `recomputes`.
    """
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def as_met(running: Tensor, batch: Tensor, momentum: float | Tensor) -> Tensor:
    """A running statistic as a batch met it, before the batch moved it.

    For who normalises a batch with running statistics: a recomputation must see those that it saw
    when it came first. They are what they were then, unless a batch came between.

    Args:
        running: `(C)`.
        batch: `(C)`, the statistic of the batch.
        momentum: how far the batch moved `running`; 0 where it did not.

    >>> as_met(torch.tensor([4.0]), torch.tensor([8.0]), momentum=0.5)  # no recomputation
    tensor([4.])
    """
    again = recomputes(running.device)
    if again is False:
        return running
    before = (running - batch * momentum) / (1 - momentum)
    # What is not finite moved nothing; and what a momentum of 1 moved cannot be told any more.
    again = before.isfinite() & again
    return torch.where(again, before, running)


def recomputes(device: torch.device) -> bool | Tensor:
    """Whether gradients are being computed right now; in a compiled graph, when it runs."""
    if _is_compiled() and not _is_transformed():
        now: Tensor = _recomputes(device)
        return now
    return is_recomputation()


def assign_(buffer: Tensor, value: Tensor) -> None:
    """Gives a buffer another value, unless a transform of `torch.func` captured it."""
    if torch.compiler.is_compiling() and _is_transformed():
        # Here, because it loads torch's compiler, which is loaded already in this case alone.
        from normkit.functional.compiled import assign_in_graph_

        assign_in_graph_(buffer, value)
    elif not is_captured(buffer, value):
        buffer.copy_(value)


def is_captured(buffer: Tensor, value: Tensor) -> bool:
    """Whether a transform of `torch.func` does not let `buffer` take on `value`."""
    level = _functorch.maybe_current_level()
    if level is None:
        return False
    if _functorch.maybe_get_level(buffer) < level:
        return True
    # Given to the innermost transform, but one for all the members of a vmap outside it.
    return not _batched_at(value) <= _batched_at(buffer)


def _batched_at(x: Tensor) -> set[int]:
    levels = set()
    while _functorch.is_functorch_wrapped_tensor(x):
        if _functorch.is_batchedtensor(x):
            levels.add(_functorch.maybe_get_level(x))
        x = _functorch.get_unwrapped(x)
    return levels


# A graph that is captured for replay would keep the answer that it had when it was captured.
@torch.library.custom_op("normkit::recomputes", mutates_args=(), tags=(torch.Tag.cudagraph_unsafe,))
def _recomputes(device: torch.device) -> Tensor:
    """Whether the graph that calls it is run while gradients are being computed.

    It takes no tensor, so that a graph asks once for all its layers.
    """
    return torch.full((), torch._C._current_graph_task_id() != -1, device=device)


@_recomputes.register_fake
def _(device: torch.device) -> Tensor:
    return torch.empty((), dtype=torch.bool, device=device)


def kept_for_backward(constant: Tensor) -> Tensor:
    """A constant that depends on running statistics, as it is now.

    A compiled graph may recompute in its backward what it can; from running statistics it must not,
    since by then they have moved.
    """
    if _is_compiled() and not _is_transformed():
        kept: Tensor = _kept(constant)
        return kept
    return constant


@torch.library.custom_op("normkit::kept", mutates_args=())
def _kept(constant: Tensor) -> Tensor:
    return constant.clone()


@_kept.register_fake
def _(constant: Tensor) -> Tensor:
    return torch.empty_like(constant)
