"""One forward pass, watched: which layer or function took which tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from normkit.surgery.dataflow import INPUT, OUTSIDE, Call, Flow
from normkit.surgery.norms import is_norm
from normkit.surgery.operation import check_model
from normkit.surgery.passes import run, trackable
from normkit.surgery.shapes import SHAPED_AS

_LAYERS = (
    torch.nn.Linear,
    torch.nn.modules.conv._ConvNd,
    torch.nn.Bilinear,
    torch.nn.Embedding,
)
"""Classes whose subclasses are one call too, whatever their own `forward` does."""


_plainly = torch._C.DisableTorchFunctionSubclass
"""Inside, a tensor of a class of its own is looked at without its noticing."""


def flow(model: torch.nn.Module, example: Tensor) -> Flow:
    """Watches one forward pass of a model: what feeds what.

    The model runs in the mode it is in, without gradients, and is afterwards as before, running
    statistics and random state included. A layer of PyTorch or of normkit is one call, and so is a
    function of PyTorch outside of them; modules made of others are looked into. It need not be a
    model that `torch.fx` can trace: what ran is what is seen. A function that PyTorch does not show
    (`torch.autograd.Function`) is not seen, only what it calls.

    Args:
        model: any model.
        example: what it is called with, one `x`.

    Raises:
        TypeError: a model that is compiled or wrapped, or an example that is no tensor.
        Exception: whatever the model raises.

    >>> import normkit as nk
    >>> class Block(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = torch.nn.Conv2d(3, 3, 1)
    ...
    ...     def forward(self, x):
    ...         y = self.conv(x)
    ...         y += x
    ...         return torch.relu(y)
    >>> print(nk.flow(Block(), torch.randn(1, 3, 2, 2)))
    #  call             in the model  takes     gives         read by
    -  ---------------  ------------  --------  ------------  -------
    0  Conv2d           conv          input     (1, 3, 2, 2)  1
    1  add_ (in place)  –             0, input  (1, 3, 2, 2)  2
    2  relu             –             1         (1, 3, 2, 2)  output
    """
    check_model("flow", model)
    example = trackable(example)
    watch = _Watch(model, example)
    with ExitStack() as stack:
        enter = torch_module.register_module_forward_pre_hook(watch.enter)
        stack.callback(enter.remove)
        # Also after an exception, which a model may catch.
        leave = torch_module.register_module_forward_hook(watch.leave, always_call=True)
        stack.callback(leave.remove)
        output = run(model, example, around=lambda: watch)
    return watch.flow(output)


class _Watch(TorchFunctionMode):
    def __init__(self, model: torch.nn.Module, example: Tensor) -> None:
        super().__init__()
        self.names = {module: name for name, module in model.named_modules()}
        self.calls: list[Call] = []
        self.producers: dict[int, int] = {id(example): INPUT}
        # What is alive keeps its identity: an address is not given to another tensor.
        self.alive: list[Tensor] = [example]
        self.outer: list[str] = []
        self.handed: list[tuple[torch.nn.Module, int]] = []
        """Modules made of others, and the calls whose tensors they took or returned."""
        self.unit: tuple[torch.nn.Module, _Arguments] | None = None
        self.depth = 0

    def enter(self, module: torch.nn.Module, arguments: Any) -> None:
        """Ahead of a module's `forward`: a layer is one call, others are looked into."""
        if self.unit is not None and getattr(self.unit[0], "inserted", None) is module:
            # A norm that insert_ put after a layer is called by the layer, and a call of its own.
            layer, before = self.unit
            self.unit = None
            self._record(self.names.get(layer, ""), layer, None, before, arguments)
            self.outer.append(self.names.get(layer, ""))
        if self.unit is not None:
            self.depth += 1
        elif _is_unit(module):
            # Keyword arguments do not reach a global hook; a layer is called without them.
            self.unit = (module, self._arguments(arguments))
        else:
            self.outer.append(self.names.get(module, ""))
            taken = self._arguments(arguments).takes
            self.handed += [(module, source) for source in taken]

    def leave(self, module: torch.nn.Module, arguments: Any, output: Any) -> None:
        """After a module's `forward`."""
        if self.unit is None:
            self.outer.pop()
            if isinstance(output, Tensor):
                self.handed.append((module, self.producers.get(id(output), OUTSIDE)))
            return
        if self.depth:
            self.depth -= 1
            return
        unit, before = self.unit
        self.unit = None
        if output is not None:  # As it is after an exception.
            self._record(self.names.get(unit, ""), unit, None, before, output)

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        options = options or {}
        if self.unit is not None:
            return function(*arguments, **options)
        read = arguments[:1] if function in SHAPED_AS else arguments
        before = self._arguments((read, options))
        output = function(*arguments, **options)
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(output)) or before.changed():
            self._record(self.outer[-1] if self.outer else "", None, function, before, output)
        return output

    def _arguments(self, arguments: Any) -> _Arguments:
        tensors = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
        takes = tuple(self.producers.get(id(tensor), OUTSIDE) for tensor in tensors)
        return _Arguments(tensors, takes)

    def _record(
        self,
        name: str,
        module: torch.nn.Module | None,
        function: Callable[..., Any] | None,
        before: _Arguments,
        output: Any,
    ) -> None:
        given = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        changed = before.changed()
        if not changed and given and all(any(t is s for s in before.tensors) for t in given):
            # It handed on what it was given, as an identity does, and dropout in evaluation.
            return
        with _plainly():
            shapes = tuple(tensor.shape for tensor in given)
        call = Call(
            index=len(self.calls),
            name=name,
            module=module,
            function=function,
            takes=before.takes,
            input_shapes=tuple(before.shapes),
            shapes=shapes,
            in_place=bool(changed),
            is_output=False,
        )
        self.calls.append(call)
        for tensor in [*changed, *given]:
            self.producers[id(tensor)] = call.index
            self.alive.append(tensor)

    def flow(self, output: Any) -> Flow:
        """What was seen, given what the model returned."""
        outputs = {
            self.producers.get(id(leaf)) for leaf in tensors_of(output) if isinstance(leaf, Tensor)
        }
        calls = [replace(call, is_output=call.index in outputs) for call in self.calls]
        return Flow(tuple(calls), tuple(self.handed))


class _Arguments:
    """The tensors among the arguments of a call, as they were before it."""

    def __init__(self, tensors: list[Tensor], takes: tuple[int, ...]) -> None:
        self.tensors = tensors
        self.takes = takes
        with _plainly():
            self.shapes = [tensor.shape for tensor in tensors]
            self.versions = [_version(tensor) for tensor in tensors]

    def changed(self) -> list[Tensor]:
        """Those that the call has changed in place."""
        with _plainly():
            return [
                tensor
                for tensor, version in zip(self.tensors, self.versions, strict=True)
                if _version(tensor) != version
            ]


def _version(tensor: Tensor) -> int | None:
    # Parameters may have been made in inference mode.
    return None if tensor.is_inference() else tensor._version


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors in what a model returned: a tensor, or containers and objects of any depth."""
    found: list[Tensor] = []
    waiting, met = [output], set[int]()
    while waiting:
        for leaf in tree_leaves(waiting.pop()):
            if isinstance(leaf, Tensor):
                found.append(leaf)
            elif id(leaf) not in met and not isinstance(leaf, type | torch.nn.Module):
                met.add(id(leaf))
                slots = (vars(cls).get("__slots__", ()) for cls in type(leaf).__mro__)
                names = [name for each in slots for name in ([each] if type(each) is str else each)]
                waiting += [getattr(leaf, name, None) for name in names]
                waiting += getattr(leaf, "__dict__", {}).values()
    return found


def _is_unit(module: torch.nn.Module) -> bool:
    """Whether a module is one call: a norm, a convolution, or one of PyTorch's without children."""
    if is_norm(module) or isinstance(module, _LAYERS):
        return True
    if any(True for _ in module.children()):
        return False
    return type(module).__module__.startswith(("torch.nn.", "normkit.nn."))
