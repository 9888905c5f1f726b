"""Images in, tensors out: data decoded once, cached, and shared by every trial."""

from __future__ import annotations

from normkit.data.dataset import Dataset
from normkit.data.errors import DataError
from normkit.data.factory import augmentation
from normkit.data.prepare import is_factory, prepare

__all__ = ["DataError", "Dataset", "augmentation", "is_factory", "prepare"]
