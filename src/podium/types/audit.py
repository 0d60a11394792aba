"""What an audit needs to know of a challenge: how to change the inputs without changing any right answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from podium.types.data import DataSet
from podium.types.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a submission wrote for one query.

    Attributes:
        places: (N,) what each row is about: the id of a ranked image, the second of a video. Distinct.
        values_NV: (N, V) float64, the numbers that stand there.
    """

    places: tuple[str, ...]
    values_NV: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The inputs of a data set, changed in a way that may change no answer.

    Attributes:
        name: Two or three words: ``ids renamed``.
        summary: One sentence: what was changed.
        data: Only its ``inputs/`` is filled.
        queries: The original id of each query that the variant holds, by its id there.
        places: The original of each place that an answer may name, by its name there; what is not listed is unchanged.
    """

    name: str
    summary: str
    data: DataSet
    queries: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class MakeVariants(Protocol):
    """Makes the variants of a data set, one at a time, so that the disk holds one at a time."""

    def __call__(self, data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
        """Yields each variant in a folder of its own below `into`; the caller may delete it before the next."""
        ...


class ReadAnswers(Protocol):
    """Reads what the code of a submission wrote, by query."""

    def __call__(self, folder: Path, data: DataSet) -> Mapping[str, Answer]:
        """Returns the answers; raises SubmissionError when the predictions are broken."""
        ...


@dataclass(frozen=True, kw_only=True)
class Auditing:
    """How a challenge is audited.

    Attributes:
        tolerance: The largest difference between two values that still counts as rounding; where answers are no
            rankings, as a share of the median of the row's absolute values.
        ranked: The rows of an answer are a ranking: the greatest first value comes first, and only the best are listed.
    """

    variants: MakeVariants
    answers: ReadAnswers
    tolerance: float
    ranked: bool
