"""First weights that do without a norm: the rival initialisation, on any model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from normkit import models
from normkit.surgery.comparison import largest
from normkit.surgery.operation import operation
from normkit.surgery.passes import run
from normkit.surgery.sites import class_name
from normkit.surgery.surgery import Site, Surgery


def lsuv_(model: torch.nn.Module, example: Tensor, **options: Any) -> Surgery:
    """Gives the output of every convolution and linear layer unit variance on a batch.

    The rival of a norm: weights are drawn orthogonal and scaled, layer by layer in the order in
    which the model calls them, until the layer's output has a variance of 1 on the batch. Biases
    are set to 0. It belongs before training. Random numbers are drawn from torch's generator as it
    is, which is afterwards as before: with another seed there come other weights.

    Args:
        model: changed in place: its weights and biases alone.
        example: a batch of some dozens of samples, what the model is called with.
        options: `orthogonal`, `tolerance`, `max_iterations` and `generator` of
            `normkit.models.lsuv_`.

    Returns:
        The sites: every layer, with the variance that it reached.

    Raises:
        ValueError: a layer whose output is constant or not finite, with its name; a model that
            calls no such layer.
        TypeError: a model that is compiled, or wrapped for training on several devices.

    >>> import normkit as nk
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU())
    >>> surgery = nk.lsuv_(model, torch.randn(256, 20) * 7)
    >>> surgery.sites[0].done
    'variance 1.00'
    >>> surgery.undo()

    Paper: Mishkin and Matas, "All You Need is a Good Init", 2015,
    https://arxiv.org/abs/1511.06422
    """
    with operation("lsuv_", model) as journal:
        before = run(model, example)
        reached = models.lsuv_(model, example, **options)
        sites = [
            Site(name, class_name(model.get_submodule(name)), f"variance {layer.variance:.2f}")
            for name, layer in reached.items()
        ]
        return Surgery("lsuv_", sites, journal, largest(run(model, example), before))
