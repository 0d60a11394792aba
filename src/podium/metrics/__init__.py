"""Metrics: arrays in, numbers out. Readers and challenges live elsewhere."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.metrics.ranking import (
        PrecisionRecall,
        average_precision,
        precision_recall,
        recall_at_precision,
        simple_average_precision,
    )
    from podium.metrics.resampling import bootstrap_average_precision, resampled_average_precision

__all__ = [
    "PrecisionRecall",
    "average_precision",
    "bootstrap_average_precision",
    "precision_recall",
    "recall_at_precision",
    "resampled_average_precision",
    "simple_average_precision",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    module = "resampling" if "resampled" in name or "bootstrap" in name else "ranking"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
