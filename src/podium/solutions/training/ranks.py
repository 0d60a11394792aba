"""Which of several training processes this one is, before and after they know each other."""

from __future__ import annotations

import os

from podium.errors import MachineError

try:
    from torch import distributed
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


def rank() -> int:
    """The place of this process among all, from 0."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def count() -> int:
    """How many processes train together; 1 until they know each other."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def leads() -> bool:
    """True in the one process that writes files and talks."""
    return rank() == 0
