"""Images in, tensors out: data decoded once, cached, and shared by every trial."""

from __future__ import annotations

from normkit.data.dataset import Dataset
from normkit.data.errors import DataError
from normkit.data.prepare import prepare

__all__ = ["DataError", "Dataset", "prepare"]
