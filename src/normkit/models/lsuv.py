"""First weights that give every layer's output unit variance on a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import init
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from normkit.seeding import restored

_LAYERS = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.Linear)


class Reached(NamedTuple):
    """How far `lsuv_` came with a layer.

    Attributes:
        variance: of the layer's output on the batch.
        iterations: how often its weights were scaled.
    """

    variance: float
    iterations: int


def lsuv_(
    model: torch.nn.Module,
    batch: Tensor,
    *,
    orthogonal: bool = True,
    tolerance: float = 0.1,
    max_iterations: int = 10,
    generator: Generator | None = None,
) -> dict[str, Reached]:
    """Gives the output of every convolution and linear layer unit variance on a batch.

    Their weights are drawn orthogonal and their biases set to 0; then, layer by layer in the order
    in which the model calls them, the weights are divided by the standard deviation of the layer's
    output until its variance is within `tolerance` of 1. The model runs as in training, but for
    dropout. Layers that it does not call are left as they are.

    Args:
        model: changed in place: its weights and biases alone. Its modes, hooks and running
            statistics are as before, and after an exception so are the weights and torch's random
            state.
        batch: what the model is called with.
        orthogonal: whether weights are drawn orthogonal and biases set to 0 first, as in the paper;
            otherwise those that there are are scaled.
        tolerance: how far the variance may be from 1.
        max_iterations: how often the weights of one layer are scaled at most. A method on the
            weights that ignores their scale is scaled in vain; the result shows it.
        generator: where the random numbers of the weights come from; None is torch's own. Those
            that the model draws when it is called do not count.

    Returns:
        The name of each layer, in the order of the calls → what it reached.

    Raises:
        ValueError: a tolerance or a number of iterations that is not positive; a layer whose
            output is constant or not finite, with its name; a model that calls no such layer.

    >>> from torch.nn import Linear, ReLU, Sequential
    >>> model = Sequential(Linear(20, 30), ReLU(), Linear(30, 5))
    >>> reached = lsuv_(model, torch.randn(256, 20) * 7)
    >>> {name: round(layer.variance, 3) for name, layer in reached.items()}
    {'0': 1.0, '2': 1.0}

    Paper: Mishkin and Matas, "All You Need is a Good Init", 2015,
    https://arxiv.org/abs/1511.06422
    """
    if not tolerance > 0 or max_iterations < 1:
        raise ValueError(
            "lsuv_: tolerance must be positive and max_iterations at least 1; got "
            f"tolerance={tolerance} and max_iterations={max_iterations}."
        )
    with _put_back(model):
        names = {layer: name for name, layer in model.named_modules()}
        layers = _called(model, batch)
        if not layers:
            raise ValueError(
                "lsuv_: the model calls no convolution or linear layer. Give the network itself."
            )
        for layer in layers if orthogonal else ():
            # In half precision there is no orthogonalisation.
            weight = torch.empty_like(_weight(layer), dtype=_drawn_in(_weight(layer)))
            _assign_(layer, init.orthogonal_(weight, generator=generator).to(_weight(layer).dtype))
            if isinstance(layer.bias, Tensor):
                init.zeros_(layer.bias)
        return {
            names[layer]: _scale_(model, batch, layer, names[layer], tolerance, max_iterations)
            for layer in layers
        }


def _scale_(
    model: torch.nn.Module,
    batch: Tensor,
    layer: torch.nn.Module,
    name: str,
    tolerance: float,
    max_iterations: int,
) -> Reached:
    iterations = 0
    while True:
        variance = _variance(model, batch, layer)
        if not 0 < variance < float("inf"):
            raise ValueError(
                f"lsuv_: the output of {name!r} has the variance {variance} on this batch, and "
                "cannot be scaled to 1. Give a batch of several samples that differ, and finite."
            )
        if abs(variance - 1) < tolerance or iterations == max_iterations:
            return Reached(variance, iterations)
        _assign_(layer, _weight(layer) / variance**0.5)
        iterations += 1


def _drawn_in(weight: Tensor) -> torch.dtype:
    return torch.promote_types(weight.dtype, torch.float32)


def _weight(layer: torch.nn.Module) -> Tensor:
    """What is drawn and scaled: where a method is on the weights, what it normalises."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _assign_(layer: torch.nn.Module, weight: Tensor) -> None:
    if is_parametrized(layer, "weight"):
        layer.weight = weight
    else:
        with torch.no_grad():
            layer.get_parameter("weight").copy_(weight)


def _called(model: torch.nn.Module, batch: Tensor) -> list[torch.nn.Module]:
    """The layers in the order of their first calls."""
    found: dict[torch.nn.Module, None] = {}
    handles = [
        module.register_forward_hook(lambda layer, *_: found.setdefault(layer))
        for module in model.modules()
        if isinstance(module, _LAYERS)
    ]
    try:
        with restored(batch.device.type):
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return list(found)


class _Seen(Exception):  # noqa: N818  It says that the rest of the network need not run.
    pass


def _variance(model: torch.nn.Module, batch: Tensor, layer: torch.nn.Module) -> float:
    """Of the output of a layer at its first call."""
    seen: list[float] = []

    def look(_: object, __: object, output: Tensor) -> None:
        seen.append(output.double().var(correction=0).item())
        raise _Seen

    handle = layer.register_forward_hook(look)
    try:
        with restored(batch.device.type), suppress(_Seen):
            model(batch)
    finally:
        handle.remove()
    return seen[0]


@contextmanager
def _put_back(model: torch.nn.Module) -> Iterator[None]:
    """Runs as in training but for dropout; undoes all but the weights, and after an error those."""
    modes = {module: module.training for module in model.modules()}
    # Singular vectors and the like belong to the weights, and stay with them.
    of_weights = {
        id(buffer)
        for module in model.modules()
        if isinstance(module, ParametrizationList)
        for buffer in module.buffers()
    }
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    random_state = torch.get_rng_state()
    parameters = [(parameter, parameter.detach().clone()) for parameter in model.parameters()]
    try:
        for module in modes:
            module.training = not isinstance(module, _DropoutNd)
        with torch.no_grad():
            yield
    except BaseException:
        _restore_([*parameters, *buffers])
        torch.set_rng_state(random_state)
        raise
    finally:
        for module, training in modes.items():
            module.training = training
        _restore_([pair for pair in buffers if id(pair[0]) not in of_weights])


def _restore_(pairs: list[tuple[torch.nn.Parameter, Tensor]] | list[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for tensor, before in pairs:
            tensor.copy_(before)
