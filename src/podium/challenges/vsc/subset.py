"""Which queries the submission's code must describe: the official sampling.

Source: `scripts/generate_data_subset.py` of the official runtime, which draws with pandas from numpy's old generator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from podium.errors import UsageError


def choose(video_ids: Sequence[str], *, proportion: float, seed: int = 42) -> list[str]:
    """The ids that the official helper draws, sorted.

    Args:
        video_ids: In the order of the metadata file, on which the draw depends.
        proportion: In (0, 1]; ``ceil(proportion x n)`` ids are drawn without replacement.
        seed: Of `numpy.random.RandomState`; the official one is 42.

    Raises:
        UsageError: The proportion is outside (0, 1].

    >>> choose([f"Q{100001 + row}" for row in range(10)], proportion=0.25)
    ['Q100002', 'Q100006', 'Q100009']
    """
    if not 0.0 < proportion <= 1.0:
        raise UsageError(f"`--proportion` is `{proportion}`; it must be above 0 and at most 1")
    count = math.ceil(len(video_ids) * proportion)
    generator = np.random.RandomState(seed)
    rows: list[int] = generator.choice(len(video_ids), size=count, replace=False).tolist()
    return sorted(video_ids[row] for row in rows)
