"""The methods by name: what each normalises over, and a layer of it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from normkit.functional import Activation
from normkit.functional.names import unknown_name
from normkit.nn.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from normkit.nn.channel_layer import LayerNorm1d, LayerNorm2d, LayerNorm3d
from normkit.nn.group import GroupNorm
from normkit.nn.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from normkit.nn.none import Identity
from normkit.nn.rms import RMSNorm1d, RMSNorm2d, RMSNorm3d


@dataclass(frozen=True)
class Method:
    """One method of the catalogue.

    Attributes:
        name: the key, as `make` takes it.
        title: the name in prose.
        year: of the paper; None where there is none.
        paper: authors, title and address.
        axes: what one mean and variance are taken over, of `(N, C, *)`.
        state_dict: the keys that `make` gives a layer's `state_dict` by default.
        layers: number of axes of positions → class.
        needs: what an input must have.
        when: when to use it.
        options: the options that `make` takes for it, besides `affine` and `act`.
    """

    name: str
    title: str
    year: int | None
    paper: str
    axes: str
    state_dict: tuple[str, ...]
    layers: Mapping[int, type[torch.nn.Module]]
    needs: str
    when: str
    options: tuple[str, ...]


_LAYER_PAPER = "Ba, Kiros and Hinton, Layer Normalization, https://arxiv.org/abs/1607.06450"

_METHODS = (
    Method(
        name="none",
        title="no normalization",
        year=None,
        paper="",
        axes="–",
        state_dict=(),
        layers=MappingProxyType({1: Identity, 2: Identity, 3: Identity}),
        needs="nothing",
        when="The comparison every other method has to win.",
        options=("device", "dtype"),
    ),
    Method(
        name="batch",
        title="batch normalization",
        year=2015,
        paper="Ioffe and Szegedy, Batch Normalization, https://arxiv.org/abs/1502.03167",
        axes="N, *",
        state_dict=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
        layers=MappingProxyType({1: BatchNorm1d, 2: BatchNorm2d, 3: BatchNorm3d}),
        needs="more than one value per channel in training",
        when="Images in batches of 16 or more, drawn at random from one source.",
        options=("eps", "momentum", "track_running_stats", "bias", "device", "dtype"),
    ),
    Method(
        name="layer",
        title="layer normalization over the whole sample",
        year=2016,
        paper=_LAYER_PAPER,
        axes="C, *",
        state_dict=("weight", "bias"),
        layers=MappingProxyType({1: GroupNorm, 2: GroupNorm, 3: GroupNorm}),
        needs="more than one value per sample",
        when="Batches of any size, where all channels of a layer are of one kind.",
        options=("eps", "bias", "device", "dtype"),
    ),
    Method(
        name="channel_layer",
        title="layer normalization over the channels at each position",
        year=2016,
        paper=_LAYER_PAPER,
        axes="C",
        state_dict=("weight", "bias"),
        layers=MappingProxyType({1: LayerNorm1d, 2: LayerNorm2d, 3: LayerNorm3d}),
        needs="more than one channel",
        when="Networks in the manner of ConvNeXt, and maps whose positions differ in scale.",
        options=("eps", "bias", "device", "dtype"),
    ),
    Method(
        name="instance",
        title="instance normalization",
        year=2016,
        paper="Ulyanov, Vedaldi and Lempitsky, Instance Normalization, "
        "https://arxiv.org/abs/1607.08022",
        axes="*",
        state_dict=("weight", "bias"),
        layers=MappingProxyType({1: InstanceNorm1d, 2: InstanceNorm2d, 3: InstanceNorm3d}),
        needs="more than one position",
        when="Style transfer and image generation, where contrast must not matter.",
        options=("eps", "momentum", "track_running_stats", "bias", "device", "dtype"),
    ),
    Method(
        name="group",
        title="group normalization",
        year=2018,
        paper="Wu and He, Group Normalization, https://arxiv.org/abs/1803.08494",
        axes="C / G, *",
        state_dict=("weight", "bias"),
        layers=MappingProxyType({1: GroupNorm, 2: GroupNorm, 3: GroupNorm}),
        needs="more than one value per group",
        when="Small batches: detection, segmentation, video, fine-tuning.",
        options=("num_groups", "eps", "bias", "device", "dtype"),
    ),
    Method(
        name="rms",
        title="root mean square normalization over the channels at each position",
        year=2019,
        paper="Zhang and Sennrich, Root Mean Square Layer Normalization, "
        "https://arxiv.org/abs/1910.07467",
        axes="C",
        state_dict=("weight",),
        layers=MappingProxyType({1: RMSNorm1d, 2: RMSNorm2d, 3: RMSNorm3d}),
        needs="nothing",
        when="In place of channel_layer, where subtracting the mean is not worth its cost.",
        options=("eps", "device", "dtype"),
    ),
)

_CATALOGUE: Mapping[str, Method] = MappingProxyType({method.name: method for method in _METHODS})


def catalogue() -> Mapping[str, Method]:
    """All methods, name → `Method`, read-only.

    >>> list(catalogue())
    ['none', 'batch', 'layer', 'channel_layer', 'instance', 'group', 'rms']
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
            `group` the default of `num_groups` is `default_groups(channels)`.

    Raises:
        ValueError: an unknown name, number of dims or activation; channels below 1; groups that
            do not divide the channels.
        TypeError: an option that the method does not take.

    >>> make("group", 64, act="relu")
    GroupNorm(32, 64, eps=1e-05, affine=True, bias=True, act='relu')
    >>> make("bach", 64)
    Traceback (most recent call last):
        ...
    ValueError: unknown method 'bach'. Did you mean 'batch'? The names are: none, batch, layer, \
channel_layer, instance, group, rms.
    """
    if name not in _CATALOGUE:
        raise ValueError(unknown_name("method", name, _CATALOGUE))
    method = _CATALOGUE[name]
    if dims not in method.layers:
        raise ValueError(
            f"dims is the number of axes of positions, 1, 2 or 3; got {dims!r}. "
            "For (N, C, H, W) it is 2."
        )
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be a whole number of at least 1; got {channels!r}.")
    for option in options:
        if option not in method.options:
            raise TypeError(_unknown_option(method, option))

    layer = method.layers[dims]
    if name == "none":
        return layer(channels, act=act, **options)
    if name == "layer":
        options["num_groups"] = 1
    elif name == "group":
        options.setdefault("num_groups", default_groups(channels))
    if "num_groups" in options:
        return layer(options.pop("num_groups"), channels, affine=affine, act=act, **options)
    affine_name = "affine" if "affine" in inspect.signature(layer).parameters else _ELEMENTWISE
    return layer(channels, **{affine_name: affine}, act=act, **options)


_ELEMENTWISE = "elementwise_affine"


def default_groups(channels: int) -> int:
    """The largest divisor of the channels, up to 32, that leaves at least two channels a group.

    >>> [default_groups(channels) for channels in (1, 2, 7, 16, 48, 64, 96)]
    [1, 1, 1, 8, 24, 32, 32]
    """
    return max(
        (g for g in range(1, min(32, channels // 2) + 1) if channels % g == 0),
        default=1,
    )


def table() -> str:
    """The catalogue as a Markdown table: key → class → axes → `state_dict` keys."""
    rows = [
        "| key | class | normalises over | `state_dict` keys | needs | when to use it | paper |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in _METHODS:
        keys = ", ".join(f"`{key}`" for key in method.state_dict) or "–"
        paper = method.paper and f"{method.paper}, {method.year}"
        rows.append(
            f"| `{method.name}` | {_class_text(method)} | {method.axes} | {keys} "
            f"| {method.needs} | {method.when} | {paper or '–'} |"
        )
    return "\n".join(rows) + "\n"


def _class_text(method: Method) -> str:
    names = [layer.__name__ for layer in method.layers.values()]
    if len(set(names)) > 1:
        return f"`{names[0]}`, `2d`, `3d`"
    return "`GroupNorm` with one group" if method.name == "layer" else f"`{names[0]}`"


def _unknown_option(method: Method, option: str) -> str:
    taken = ("affine", "act", *method.options)
    close = difflib.get_close_matches(option, taken, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"the method {method.name!r} takes no option {option!r}.{hint} "
        f"It takes: {', '.join(taken)}."
    )
