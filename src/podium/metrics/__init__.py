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
    from podium.metrics.retrieval import average_precisions_at_k, bootstrap_mean, bootstrap_means
    from podium.metrics.tagging import (
        Tagging,
        TaggingTally,
        global_average_precision,
        hit_at_one,
        precision_at_equal_recall,
    )
    from podium.metrics.topk import (
        Listing,
        list_average_precision,
        official_order,
        percentile_interval,
        resampled_segment_average_precisions,
        segment_average_precisions,
    )

__all__ = [
    "Listing",
    "PrecisionRecall",
    "Tagging",
    "TaggingTally",
    "average_precision",
    "average_precisions_at_k",
    "bootstrap_average_precision",
    "bootstrap_mean",
    "bootstrap_means",
    "global_average_precision",
    "hit_at_one",
    "list_average_precision",
    "official_order",
    "percentile_interval",
    "precision_at_equal_recall",
    "precision_recall",
    "recall_at_precision",
    "resampled_average_precision",
    "resampled_segment_average_precisions",
    "segment_average_precisions",
    "simple_average_precision",
]

_ROOMS = {
    "resampling": ("bootstrap_average_precision", "resampled_average_precision"),
    "retrieval": ("average_precisions_at_k", "bootstrap_mean", "bootstrap_means"),
    "tagging": (
        "Tagging",
        "TaggingTally",
        "global_average_precision",
        "hit_at_one",
        "precision_at_equal_recall",
    ),
    "topk": (
        "Listing",
        "list_average_precision",
        "official_order",
        "percentile_interval",
        "resampled_segment_average_precisions",
        "segment_average_precisions",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    module = next((room for room, names in _ROOMS.items() if name in names), "ranking")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
