"""Global response normalization, from Woo et al., 2023, equations 1 to 3 and algorithm 1."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from normkit import nn
from normkit.testing.invariants import positions_permuted, samples_alone
from normkit.testing.problem import MAPS, Problem, State, close, per_channel

EPS = 1e-6


def reference(x: Tensor, state: State, training: bool) -> Tensor:
    """y = γ · (x · N(G(x))) + β + x, with G(x) = ‖x‖ of a channel and N(G) = G / (mean(G) + ε)."""
    norm: Tensor = torch.linalg.vector_norm(x.reshape(*x.shape[:2], -1), dim=2)
    scale = norm / (norm.sum(1, keepdim=True) / x.shape[1] + EPS)
    y = x * scale.reshape(*scale.shape, *(1,) * (x.ndim - 2))
    if "weight" in state:
        y = per_channel(state["weight"], x) * y + per_channel(state["bias"], x)
    return y + x


def _starts_as_identity(layer: torch.nn.Module, x: Tensor) -> None:
    close(layer(x), x)


def _mean_scale(layer: torch.nn.Module, x: Tensor) -> None:
    """What the channels are scaled by is 1 in the mean, up to ε, and proportional to their norm."""
    scale = (layer(x) / x - 1).reshape(*x.shape[:2], -1).mean(2)
    norm = x.square().reshape(*x.shape[:2], -1).sum(2).sqrt()
    mean = norm.mean(1, keepdim=True)
    close(scale.mean(1, keepdim=True), mean / (mean + EPS), 1e-7, 1e-7, "mean")
    close(scale * norm[:, :1], scale[:, :1] * norm, 1e-7, 1e-7, "proportion")


def _grows_with_scale(layer: torch.nn.Module, x: Tensor) -> None:
    """A factor a grows the output by a, if ε grows by a."""
    scaled = copy.deepcopy(layer)
    vars(scaled)["eps"] = EPS * 4
    close(scaled(x * 4), layer(x) * 4, 1e-9, 1e-9, "scaled")


def _channels_permuted(layer: torch.nn.Module, x: Tensor) -> None:
    order = torch.randperm(x.shape[1])
    close(layer(x[:, order]), layer(x)[:, order], 1e-9, 1e-9, "channels permuted")


def _dead_channels(layer: torch.nn.Module, x: Tensor) -> None:
    """Channels that are zero everywhere stay so, and have a gradient."""
    for dead in (x * 0, torch.cat((x[:, :1] * 0, x[:, 1:]), 1)):
        leaf = dead.detach().requires_grad_()
        y = layer(leaf)
        close(y[:, 0], torch.zeros_like(y[:, 0]))
        (gradient,) = torch.autograd.grad(y.sum(), leaf)
        close(gradient[:, 0], torch.ones_like(y[:, 0]))


LAYERS = {
    "features": nn.GlobalResponseNorm1d,
    "1d": nn.GlobalResponseNorm1d,
    "2d": nn.GlobalResponseNorm2d,
    "3d": nn.GlobalResponseNorm3d,
}


def problem(name: str, affine: bool) -> Problem:
    """The layer on maps of some number of axes; without γ and β its first values hide nothing."""
    shared = {
        "dead channels": _dead_channels,
        "samples alone": samples_alone,
        "positions permuted": positions_permuted,
    }
    plain = {
        "mean scale": _mean_scale,
        "grows with scale": _grows_with_scale,
        "channels permuted": _channels_permuted,
    }
    first = {"starts as the identity": _starts_as_identity}
    return Problem(
        f"global_response-{name}{'' if affine else '-plain'}",
        LAYERS[name],
        reference,
        shape=(5, 6, *MAPS[name]),
        arguments=lambda channels: {"num_channels": channels, "affine": affine},
        invariants={**(first if affine else plain), **shared},
    )


PROBLEMS = [problem(name, affine) for affine in (True, False) for name in MAPS]
