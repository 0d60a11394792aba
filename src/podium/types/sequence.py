"""Masks of a video beside the truth, frame by frame.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from podium.types.data import DataSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskPair:
    """The masks of one frame.

    Attributes:
        truth_HW: The object.
        prediction_HW: What the submission says; None where it has no mask.
    """

    truth_HW: NDArray[np.bool_]
    prediction_HW: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True)
class MaskedFrame:
    """One frame of a sequence.

    Attributes:
        name: Its number in the sequence, as the file is called: ``00012``.
        path: Of the picture, relative to the data set's folder, with forward slashes.
        values: One for each measure of the sequence; None where the frame takes no part in it.
    """

    name: str
    path: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedSequence:
    """A judged sequence.

    Attributes:
        item: Its name.
        value: Its part in the score; None where it has none.
        measures: What is measured of each frame: ``("IoU", "J", "F")``.
        frames: In order of time.
        frames_per_second: To play it.
        masks: The masks of a frame, by its place in `frames`; read when asked for.
    """

    item: str
    value: float | None
    measures: tuple[str, ...]
    frames: tuple[MaskedFrame, ...]
    frames_per_second: float
    masks: Callable[[int], MaskPair]


class ShowSequences(Protocol):
    """Shows predictions sequence by sequence."""

    def __call__(self, predictions: Any, data: DataSet) -> Iterator[MaskedSequence]:
        """Yields every judged sequence, in the order of the data set."""
        ...
