"""Writing a result: a mask for each row of ``inputs/paths.json``, ``paths.json`` and ``metadata.json``.

```
with ResultWriter(Path("/code_execution"), parameters=1_234_567) as result:
    for clip in clips_in(Path("/code_execution/data")):      # the frames of each clip
        for path in clip:                                    # in the order of rows
            result.add(…)                                    # the probability of each pixel
```

Axes: H height, W width.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import paths
from podium.challenges.davis.metadata import METADATA, PARAMETER_LIMIT, Metadata, write_metadata
from podium.challenges.davis.predictions import OUTPUTS
from podium.errors import UsageError
from podium.formats import masks

Probability = NDArray[np.floating[Any]] | NDArray[np.bool_]


def levels(probability_HW: Probability) -> masks.Levels:
    """Grey levels of a probability: 128 and above exactly where it is 0.5 and above.

    The contest's own writer multiplies by 255 and cuts off, so that 0.5 becomes 127, which its reader takes for
    background. Here level k holds the probabilities from k/256 on, and 255 holds 1 as well.

    Args:
        probability_HW: Of foreground, in [0, 1]; or a mask.

    Raises:
        UsageError: A value is not in [0, 1], or is NaN, or the array is neither of floats nor of booleans.

    >>> levels(np.array([[0.0, 0.4999999, 0.5, 1.0]])).tolist()
    [[0, 127, 128, 255]]
    >>> levels(np.array([[False, True]])).tolist()
    [[0, 255]]
    """
    if probability_HW.dtype == np.bool_:
        return probability_HW.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(probability_HW.dtype, np.floating):
        raise UsageError(f"a probability is `{probability_HW.dtype}`; floats in 0 to 1, or booleans, are needed")
    floats_HW = cast("NDArray[np.floating[Any]]", probability_HW)
    if floats_HW.size and not (np.min(floats_HW) >= 0 and np.max(floats_HW) <= 1):
        raise UsageError("a probability is outside 0 to 1, or is no number")
    # Times a power of two is exact, so that no rounding moves a pixel over the border of 0.5.
    return np.minimum(floats_HW * floats_HW.dtype.type(256), 255).astype(np.uint8)


def clips_in(folder: Path) -> tuple[tuple[Path, ...], ...]:
    """The frames of each clip in a folder of inputs, in the order in which a result's masks are added.

    Args:
        folder: Holds ``paths.json`` with the column `raw`: at run time ``/code_execution/data``.

    Raises:
        ChallengeError: ``paths.json`` is missing or broken.
    """
    rows = paths.read_trusted(folder / paths.PATHS, paths.RAW)
    frames = [PurePosixPath(rows[row]) for row in sorted(rows)]
    return tuple(tuple(folder / each for each in clip) for _, clip in groupby(frames, key=lambda each: each.parent))


class ResultWriter:
    """A result that grows row by row; nothing but the current mask is held. The same input gives the same bytes.

    As a context, it is closed when the block ends well; after an error there is no ``paths.json``, so that half a
    result is not taken for a whole one.

    Args:
        folder: Takes the result; made when it is missing.
        parameters: Of all parts of the model, frozen ones as well; 0 for a method without any.
        operations: Floating-point operations a frame, or None where they are not known.

    Raises:
        UsageError: A count is negative, or there are too many parameters for the contest.
    """

    def __init__(self, folder: Path, *, parameters: int, operations: float | None = None) -> None:
        if not 0 <= parameters < PARAMETER_LIMIT:
            found = f"the model has `{parameters:,}` parameters"
            raise UsageError(f"{found}; 0 to fewer than `{PARAMETER_LIMIT:,}` are allowed")
        self._folder = folder
        self._parameters = parameters
        self._operations = operations
        self._names: list[str] = []
        self._closed = False
        (folder / OUTPUTS).mkdir(parents=True, exist_ok=True)
        (folder / paths.PATHS).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._closed:
            self.close()

    @property
    def rows(self) -> int:
        """How many masks there are by now."""
        return len(self._names)

    def add(self, probability_HW: Probability) -> Path:
        """Writes the mask of the next row and returns its file.

        Args:
            probability_HW: (H, W) of the frame's own size, in [0, 1]; or a mask.

        Raises:
            UsageError: It is no such array, or the result is closed.
        """
        if self._closed:
            raise UsageError("the result is closed; no further mask can be added")
        name = f"{OUTPUTS}/{len(self._names):05}.png"
        try:
            masks.write(self._folder / name, levels(probability_HW))
        except UsageError as error:
            raise UsageError(f"row {len(self._names)}: {error}") from error
        self._names.append(name)
        return self._folder / name

    def close(self, *, operations: float | None = None) -> None:
        """Writes ``metadata.json`` and ``paths.json``.

        Args:
            operations: As in the constructor, for those who know it only when they have seen a frame.

        Raises:
            UsageError: No mask was added, or the count is negative or not finite.
        """
        if not self._names:
            raise UsageError("there is no mask; a result has one for each frame")
        counted = self._operations if operations is None else operations
        write_metadata(self._folder / METADATA, Metadata(parameters=self._parameters, operations=counted))
        paths.write(self._folder / paths.PATHS, {paths.OUTPUT: self._names})
        self._closed = True
