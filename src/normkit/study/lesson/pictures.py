"""The batch's first images as small PNGs, to stand in the page."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from normkit.data import Dataset
from normkit.study.bilingual import text
from normkit.study.spec import TrialSpec
from normkit.study.train import training_indices

LARGEST_SIDE = 96
"""Larger images are made this small."""


def pictures(spec: TrialSpec, data: Dataset, count: int) -> list[dict[str, Any]]:
    """The first images that a trial's probes look at, as they were before standardisation."""
    images, labels = data.tensors()
    indices = training_indices(spec, data)[:count]
    chosen = images[indices]
    low, high = (0.0, 255.0)
    if chosen.dtype != torch.uint8:
        # Images that are no bytes have a range of their own, seen over those shown.
        low, high = float(chosen.min()), float(chosen.max())
    return [
        {
            "png": png(image, low, high),
            "label": text(
                f"image {place + 1}, class {data.classes[label]}",
                f"图像 {place + 1}，类别 {data.classes[label]}",
            ),
        }
        for place, (image, label) in enumerate(zip(chosen, labels[indices].tolist(), strict=True))
    ]


def png(image: Tensor, low: float, high: float) -> str:
    """An image as a PNG in base64, black at `low` and white at `high`.

    Args:
        image: `(C, H, W)`; three channels are red, green and blue, of others their mean is shown.
        low: value of black.
        high: value of white.

    >>> png(torch.zeros(1, 2, 2), 0.0, 1.0)[:8]
    'iVBORw0K'
    """
    values = image.to(torch.float64)
    if len(values) != 3:
        values = values.mean(0, keepdim=True)
    scaled = ((values - low) / ((high - low) or 1.0) * 255).round().clamp(0, 255)
    pixels = scaled.to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(
        pixels if pixels.shape[2] == 3 else np.ascontiguousarray(pixels[..., 0])
    )
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
