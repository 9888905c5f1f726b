"""Memory by recomputation: a norm's output is not kept for the backward pass but rebuilt in it.

Autograd hands every tensor that it saves to a pair of hooks. Where it is the output of a norm, or a
view of it, a recipe is kept in its place: how it was computed, and from what. That is kept for the
norm's own backward anyway, or is a recipe itself, as along the residual stream of a network.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

_MAKES_HOOKS_OF_CHECKPOINTS = "torch.utils.checkpoint"

_entered = 0
"""How many `lean` there are around, in all threads. At 0 PyTorch need not be asked if one acts."""


@contextmanager
def lean() -> Iterator[None]:
    """Keeps no activation after a norm for the backward pass, but rebuilds it there.

    The output y = act(γ · (x − μ) / √(σ² + ε) + β + residual) is saved by what consumes it: a
    convolution, a linear layer, the norm of the next block. Inside, each keeps in its place how y
    is computed from x, γ, β and the residual, which the norm keeps for its own backward pass
    anyway. Put it around the forward pass; the backward pass may be outside.

    It concerns batch, layer, group and instance normalization and activations that go with them:
    those that a kernel applies in the same pass, and of a plain formula all that have a name. There
    nothing that the formula computes on its way is kept either. Gradients are what they are
    without; what is rebuilt is the same bit for bit, under autocast too.

    Left alone are, and `normkit.explain` says so: regions that are checkpointed, compiled graphs,
    and code inside other hooks on saved tensors, of which PyTorch applies the innermost.

    Raises:
        RuntimeError: in the backward pass, where x, γ, β, the residual or anything else that was
            saved inside has been changed in place since, such as by a step of an optimizer
            (what autograd cannot see, such as a change of `.data`, is not seen here either); of
            PyTorch, for gradients by `torch.func`, which it refuses inside such hooks.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3), nk.nn.BatchNorm2d(8, act="relu"), torch.nn.Conv2d(8, 4, 3)
    ... )
    >>> with nk.lean():
    ...     loss = model(torch.randn(2, 3, 8, 8)).square().mean()
    >>> loss.backward()
    """
    global _entered
    # In a checkpointed region its hooks would take from the checkpoint what that is to leave out.
    if torch.compiler.is_compiling() or _acts(top := _top_hooks()) or _is_checkpoint(top):
        yield
        return
    _entered += 1
    try:
        with torch.autograd.graph.saved_tensors_hooks(_pack, _unpack):
            yield
    finally:
        _entered -= 1


Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]


def _top_hooks() -> Hooks | None:
    """The pair that PyTorch applies in this thread: the innermost."""
    hooks: Hooks | None = torch._C._autograd._top_saved_tensors_default_hooks(False)
    return hooks


def _acts(hooks: Hooks | None) -> bool:
    return hooks is not None and hooks[0] is _pack


def _is_checkpoint(hooks: Hooks | None) -> bool:
    return hooks is not None and hooks[0].__module__ == _MAKES_HOOKS_OF_CHECKPOINTS


def acts() -> bool:
    """Whether what is saved right now goes through `lean`."""
    return not torch.compiler.is_compiling() and _entered > 0 and _acts(_top_hooks())


def is_around() -> bool:
    """Whether there is a `lean` around, even where it does not act."""
    return _entered > 0


def rebuilds(tensor: Tensor) -> bool:
    """Whether a recipe would be kept in the place of a tensor, if it were saved right now."""
    return acts() and _recipe_of(tensor) is not None


def told() -> str:
    """What `lean` does with the output of a norm that is computed right now, if there is one."""
    if not is_around():
        return ""
    left = "lean() leaves its output alone, since "
    if torch.compiler.is_compiling():
        return left + "a compiled graph decides what it keeps"
    hooks = _top_hooks()
    if hooks is None:
        return ""
    if not torch.is_grad_enabled():
        return left + "no gradient is computed here"
    if _is_checkpoint(hooks):
        return left + "a checkpointed region is recomputed as a whole"
    if not _acts(hooks):
        return left + "other hooks on saved tensors are further in"
    return "lean() rebuilds its output in the backward pass"


def remember(output: Tensor, rebuild: Callable[..., Tensor], **sources: Tensor | None) -> None:
    """Tells how a tensor was computed, so that from now on this is kept in its place.

    Args:
        output: as autograd has it.
        rebuild: computes it from the sources, given by name; the same bit for bit, in the same
            layout.
        sources: all that it depends on, by name.
    """
    storage = output.untyped_storage()
    whole = output.numel() * output.element_size()
    # Views are rebuilt from their place in the storage, so the output is to be all there is in it.
    if output.storage_offset() != 0 or storage.nbytes() != whole or whole == 0:
        return
    key = storage._cdata
    recipe = Recipe(rebuild, {name: _source(value) for name, value in sources.items()})

    def forget(dead: weakref.ref[Tensor]) -> None:
        # The place may already be another output's.
        if (now := _outputs.get(key)) is not None and now.tensor is dead:
            del _outputs[key]

    _outputs[key] = _Output(weakref.ref(output, forget), output._version, output.dtype, recipe)


class _Output(NamedTuple):
    tensor: weakref.ref[Tensor]
    version: int
    dtype: torch.dtype
    recipe: Recipe


_outputs: dict[int, _Output] = {}
"""The living outputs by where their storage is; a view keeps the tensor that it is of alive."""


class _Kept(NamedTuple):
    """A tensor that is kept as it is."""

    tensor: Tensor
    version: int


class _Part(NamedTuple):
    """An output, or a view of one, that is rebuilt."""

    recipe: Recipe
    size: torch.Size
    stride: tuple[int, ...]
    offset: int


_Packed = _Kept | _Part


def _pack(tensor: Tensor) -> _Packed:
    recipe = _recipe_of(tensor)
    if recipe is not None:
        return _Part(recipe, tensor.size(), tensor.stride(), int(tensor.storage_offset()))
    # Detached, or what an operation saves of its own output would keep the operation alive.
    return _Kept(tensor.detach(), tensor._version)


def _recipe_of(tensor: Tensor) -> Recipe | None:
    """That of the output which a tensor is, or is a view of, if it has not been changed since."""
    if type(tensor) is not Tensor or tensor.layout is not torch.strided:
        return None
    key = tensor.untyped_storage()._cdata
    found = _outputs.get(key)
    if found is None:
        return None
    output = found.tensor()
    is_same = (
        output is not None
        # By its address alone it could be another that has come to lie where the output was.
        and output.untyped_storage()._cdata == key
        and output._version == found.version == tensor._version
        and tensor.dtype is found.dtype
    )
    return found.recipe if is_same else None


def _unpack(packed: _Packed) -> Tensor:
    if isinstance(packed, _Part):
        value = packed.recipe.value()
        if value.size() == packed.size and value.stride() == packed.stride:
            return value.detach()
        return value.as_strided(packed.size, packed.stride, packed.offset)
    tensor, version = packed
    if tensor._version != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {_described(tensor)}, saved inside lean(), is at version "
            f"{tensor._version}; expected version {version}. Change a copy of it, or change it "
            "after the backward pass."
        )
    return tensor


def _described(tensor: Tensor) -> str:
    return f"a {str(tensor.dtype).removeprefix('torch.')} tensor of shape {tuple(tensor.shape)}"


def _source(tensor: Tensor | None) -> _Packed | None:
    return None if tensor is None else _pack(tensor)


class Recipe:
    """How an output is rebuilt.

    What was rebuilt is kept for other consumers until all are done, when nothing refers to the
    recipe any more, or to the end of the backward pass: of a chain of recipes each would otherwise
    rebuild all those below it.
    """

    __slots__ = ("__weakref__", "_built", "_rebuild", "_sources", "_stream")

    def __init__(self, rebuild: Callable[..., Tensor], sources: dict[str, _Packed | None]) -> None:
        self._rebuild = rebuild
        self._sources = sources
        self._built: _Kept | None = None
        self._stream: object = None

    def value(self) -> Tensor:
        """The output, rebuilt unless it is still there."""
        made = []
        # From below, and not by recursion: a residual stream may be hundreds of blocks long.
        ahead = [self]
        while ahead:
            recipe = ahead[-1]
            below = recipe._to_be_built() if recipe._standing() is None else []
            if below:
                ahead += below
                continue
            ahead.pop()
            if recipe._standing() is None:
                recipe._build()
                made.append(recipe)
        value = self._standing()
        assert value is not None
        for recipe in made:
            recipe._forget_later()
        return value

    def _standing(self) -> Tensor | None:
        """What was rebuilt, if it is still there, unchanged and can be used without waiting."""
        built = self._built
        if built is None or built.tensor._version != built.version:
            return None
        return built.tensor if self._stream == _stream(built.tensor) else None

    def _to_be_built(self) -> list[Recipe]:
        parts = [source for source in self._sources.values() if isinstance(source, _Part)]
        return [part.recipe for part in parts if part.recipe._standing() is None]

    def _build(self) -> None:
        sources = {name: self._unpacked(name, packed) for name, packed in self._sources.items()}
        with torch.no_grad():
            value = self._rebuild(**sources)
        self._built, self._stream = _Kept(value, value._version), _stream(value)

    def _unpacked(self, name: str, packed: _Packed | None) -> Tensor | None:
        if packed is None:
            return None
        if isinstance(packed, _Kept) and packed.tensor._version != packed.version:
            raise RuntimeError(
                f"lean() rebuilds the output of a norm from its {name}, "
                f"{_described(packed.tensor)}, which has been modified by an inplace operation "
                f"since: it is at version {packed.tensor._version}; expected version "
                f"{packed.version}. Change a copy of it, or change it after the backward pass."
            )
        return _unpack(packed)

    def _forget_later(self) -> None:
        if torch._C._current_graph_task_id() == -1:
            self._forget()
            return
        itself = weakref.ref(self)

        def forget() -> None:
            if (recipe := itself()) is not None:
                recipe._forget()

        torch.autograd.Variable._execution_engine.queue_callback(forget)

    def _forget(self) -> None:
        self._built = self._stream = None


def _stream(tensor: Tensor) -> object:
    """Where work on a tensor is queued right now; None where it is not."""
    device = tensor.device
    return torch.accelerator.current_stream(device) if device.type == "cuda" else None
