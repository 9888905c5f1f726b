"""Samples and positions that a mask leaves out are in no statistic."""

from __future__ import annotations

import copy

import torch

from normkit.testing.problem import Problem, close, state_of
from normkit.testing.problem import gradients as gradients_of


def check(problem: Problem) -> None:
    """A mask of samples against the batch without them; one of positions against other values."""
    layer = problem.layer_in_use()
    x = problem.sample(torch.float32)
    everything = torch.ones(x.shape[0], dtype=torch.bool)
    plain, masked = copy.deepcopy(layer), copy.deepcopy(layer)
    close(masked(x, mask=everything), plain(x), 1e-6, 1e-6, "all kept")
    close(state_of(masked), state_of(plain), 1e-6, 1e-6, "state, all kept")

    samples = everything.clone()
    samples[1] = samples[-1] = False
    spoilt = torch.where(samples.reshape(-1, *(1,) * (x.ndim - 1)), x, float("inf"))
    plain, masked = copy.deepcopy(layer), copy.deepcopy(layer)
    close(masked(spoilt, mask=samples)[samples], plain(x[samples]), 1e-5, 1e-5, "samples")
    close(state_of(masked), state_of(plain), 1e-5, 1e-5, "state, samples")

    if x.ndim > 2:
        _positions(layer, x)
    for wrong, kind in (
        (samples.float(), TypeError),
        (samples[1:], ValueError),
        (torch.ones_like(x, dtype=torch.bool)[:, :2], ValueError),
    ):
        try:
            layer(x, mask=wrong)
        except kind:
            continue
        raise AssertionError(f"a mask of {wrong.dtype}, {tuple(wrong.shape)} was taken")


def _positions(layer: torch.nn.Module, x: torch.Tensor) -> None:
    """What stands where the mask is False changes nothing where it is True."""
    mask = torch.rand(x.shape[0], 1, *x.shape[2:]) < 0.7
    mask[:, :, 0] = True
    first, second = copy.deepcopy(layer), copy.deepcopy(layer)
    kept = mask.expand_as(x)
    other = torch.where(kept, x, torch.randn_like(x) * 100)
    leaf, twin = x.clone().requires_grad_(), other.requires_grad_()
    y, z = first(leaf, mask=mask), second(twin, mask=mask.squeeze(1))
    close(z[kept], y[kept], 1e-5, 1e-5, "positions")
    close(state_of(second), state_of(first), 1e-5, 1e-5, "state, positions")
    upstream = torch.randn_like(y) * kept
    # Nor does what is not finite there reach a gradient.
    spoilt = torch.where(kept, x, float("inf")).requires_grad_()
    third = copy.deepcopy(layer)
    (gradient,) = torch.autograd.grad(third(spoilt, mask=mask), spoilt, upstream)
    for training in (True, False):
        used = copy.deepcopy(layer).train(training)
        found = gradients_of(used(spoilt, mask=mask), upstream, spoilt, used)
        if not all(gradient.isfinite().all() for gradient in found):
            raise AssertionError("what is left out and infinite reaches a gradient")
    gradients = [
        torch.autograd.grad(out, into, upstream)[0] for out, into in ((y, leaf), (z, twin))
    ]
    close(gradients[1], gradients[0], 1e-4, 1e-4, "gradient, positions")
    close(gradient, gradients[0], 1e-4, 1e-4, "gradient, infinite where left out")
    close(gradients[0][~kept], torch.zeros_like(x)[~kept], told="gradient of what is left out")
    if torch.allclose(y[kept], copy.deepcopy(layer)(x)[kept], rtol=1e-3, atol=1e-3):
        raise AssertionError("the mask changes nothing")
