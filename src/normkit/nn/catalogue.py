"""The methods by name: what each normalises over, and a layer of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import torch

from normkit.functional import Activation
from normkit.functional.names import unknown_name
from normkit.nn.method import Method

ORDER = (
    "none",
    # over the batch
    "batch",
    "sync_batch",
    "ghost_batch",
    "split_batch",
    "batch_renorm",
    "frozen_batch",
    # over the sample
    "layer",
    "channel_layer",
    "instance",
    "group",
    "rms",
    "group_rms",
    "positional",
    "local_response",
    "local_context",
    # mixtures
    "switchable",
    "batch_channel",
    # whitening
    "decorrelated_batch",
    "iterative",
    # norm and activation as one
    "filter_response",
    "evonorm_b0",
    "evonorm_s0",
    # responses, and what needs no statistics
    "global_response",
    "dynamic_tanh",
    # on the weights
    "weight_norm",
    "spectral_norm",
    "weight_standardization",
    "scaled_weight_standardization",
)
"""The methods in the order in which they are listed; each has a file of its name in this room."""

METHODS: tuple[Method, ...] = tuple(import_module(f"normkit.nn.{name}").METHOD for name in ORDER)

_CATALOGUE: Mapping[str, Method] = MappingProxyType({method.name: method for method in METHODS})


def catalogue() -> Mapping[str, Method]:
    """All methods, name → `Method`, read-only.

    >>> list(catalogue())[:4]
    ['none', 'batch', 'sync_batch', 'ghost_batch']
    >>> catalogue()["group"].axes
    'C / G, *'
    """
    return _CATALOGUE


def make(
    name: str,
    channels: int,
    dims: int = 2,
    affine: bool = True,
    act: Activation = None,
    **options: Any,
) -> torch.nn.Module:
    """Makes a layer by the name of its method.

    Args:
        name: a key of `catalogue()`.
        channels: C.
        dims: the number of axes of positions: 1 for `(N, C, L)` and `(N, C)`, 2 for
            `(N, C, H, W)`, 3 for `(N, C, D, H, W)`.
        affine: whether γ, and β where the method has it, exist.
        act: the activation: None, a name, or a module or function.
        **options: what the method takes besides; `catalogue()[name].options` lists them. For
            `group` the default of `num_groups` is the largest divisor of C up to 32 that leaves
            at least two channels a group.

    Raises:
        ValueError: an unknown name, number of dims or activation; a method on the weights; channels
            below 1; groups that do not divide the channels.
        TypeError: an option that the method does not take.

    >>> make("group", 64, act="relu")
    GroupNorm(32, 64, eps=1e-05, affine=True, bias=True, act='relu')
    >>> make("bach", 64)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: unknown method 'bach'. Did you mean 'batch'? The names are: none, batch, ...
    """
    if not isinstance(name, str) or name not in _CATALOGUE:
        raise ValueError(unknown_name("method", name, _CATALOGUE))
    method = _CATALOGUE[name]
    if method.on == "weights":
        raise ValueError(
            f"{name!r} is a method on the weights, of which there is no layer. Put it on a "
            f"convolution or linear layer: nk.nn.{name}(conv)."
        )
    if not isinstance(dims, int) or dims not in method.layers:
        raise ValueError(
            f"dims is the number of axes of positions, 1, 2 or 3; got {dims!r}. "
            "For (N, C, H, W) it is 2."
        )
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be a whole number of at least 1; got {channels!r}.")
    return method.make(channels, dims, affine, {"act": act, **options})


def table() -> str:
    """The catalogue as a Markdown table: key → class → axes → `state_dict` keys."""
    rows = [
        "| key | class | normalises over | `state_dict` keys | needs | when to use it | paper |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in METHODS:
        keys = ", ".join(f"`{key}`" for key in method.state_dict) or "–"
        paper = method.paper and f"{method.paper}, {method.year}"
        rows.append(
            f"| [`{method.name}`](methods/{method.name}.md) | {_class_text(method)} "
            f"| {method.axes} | {keys} "
            f"| {method.needs} | {method.when} | {paper or '–'} |"
        )
    return "\n".join(rows) + "\n"


def _class_text(method: Method) -> str:
    names = [layer.__name__ for layer in method.layers.values()]
    if len(set(names)) > 1:
        return f"`{names[0]}`, `2d`, `3d`"
    fixed = ", ".join(f"{name}={value!r}" for name, value in method.fixed.items())
    return f"`{names[0]}` with `{fixed}`" if fixed else f"`{names[0]}`"
