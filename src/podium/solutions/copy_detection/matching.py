"""Copied segments from descriptors: pairs of videos that look alike, aligned in time.

Every second of the queries is searched for in all references, exactly. Pairs of videos whose best similarity reaches a
fixed floor are aligned on the map of all their similarities, and each box is a match. A floor, unlike a number of pairs
to keep, makes what is said of a query the same whatever other queries and references there are, as the rules ask.

Source: the matching baseline of the Video Similarity Challenge, 2022.

Axes: N matches, P pairs, D dimensions, 4 times (query start and end, reference start and end).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats import tables
from podium.formats.descriptors import Descriptors, read_descriptors, write_descriptors
from podium.search.alignment.boxes import Boxes, peaks, seconds
from podium.search.alignment.temporal_network import TemporalNetwork
from podium.search.candidates import Candidates, candidates
from podium.search.exact import top_pairs
from podium.types import Progress, silent

if TYPE_CHECKING:
    from podium.solutions.copy_detection.inference import Video
    from podium.solutions.copy_detection.model import Model

REFERENCES = "reference_descriptors.npz"
SETTINGS = "matching.json"
COLUMNS = ("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end", "score")
_HITS_PER_ROW = 16
_PAIRS_AT_ONCE = 1_024
_MAX_ROWS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class MatchingSettings:
    """How descriptors become matches.

    The defaults suit one descriptor a second, compared by normalised cosine: a frame counts where it is more like a
    reference than `beta` times what it resembles most among independent videos.

    Attributes:
        floor: Pairs of videos whose best similarity is below are not looked at further.
        bias: Added to similarities before they are aligned, because an aligner takes what is near 0 for no likeness.
        aligner: Finds the boxes.
        most_hits: Pairs of rows that the search holds at a time; only where more reach the floor, the best are kept and
            a query's matches depend on other queries after all.
    """

    floor: float = 0.0
    bias: float = 0.2
    aligner: TemporalNetwork = field(
        default_factory=lambda: TemporalNetwork(max_step=3, top_k=5, max_chains=5, min_similarity=0.2, min_length=1)
    )
    most_hits: int = 20_000_000

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> MatchingSettings:
        """The settings that `to_json` wrote.

        Raises:
            UsageError: The text is not such JSON, or names a setting that does not exist.
        """
        try:
            raw = json.loads(text)
            return MatchingSettings(aligner=TemporalNetwork(**raw.pop("aligner")), **raw)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"these are no settings of the matching baseline: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Copied segments, sorted by query, reference and time.

    Attributes:
        query_ids: (N,) unicode.
        reference_ids: (N,) unicode.
        times_N4: (N, 4) float64, seconds.
        score_N: (N,) float64, the highest similarity inside each box; higher is surer.
        skipped: One line a video that could not be read: its id and why.
    """

    query_ids: NDArray[np.str_]
    reference_ids: NDArray[np.str_]
    times_N4: NDArray[np.float64]
    score_N: NDArray[np.float64]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.query_ids)

    def write(self, path: Path) -> None:
        """Writes the csv that the challenge takes."""
        times = {name: self.times_N4[:, at] for at, name in enumerate(COLUMNS[2:6])}
        tables.write(
            path, {COLUMNS[0]: self.query_ids, COLUMNS[1]: self.reference_ids, **times, COLUMNS[6]: self.score_N}
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Matcher:
    """Finds copies of known references in videos.

    Attributes:
        model: Describes the queries as it described the references.
        references: Descriptors of the references.
        settings: How both become matches.
    """

    model: Model
    references: Descriptors
    settings: MatchingSettings

    def match(self, videos: Iterable[Video], *, progress: Progress = silent) -> Found:
        """The copied segments of some videos. Each is looked at alone.

        Args:
            videos: Ids and files; a file that gives no picture is skipped and named.
            progress: Shown a step for each video, then for each pair.

        Raises:
            UsageError: There is no video, or none can be read.
        """
        from podium.solutions.copy_detection.inference import describe

        described = describe(videos, self.model, role="query", progress=progress, what="describing query videos")
        found = match_rows(described.descriptors, self.references, settings=self.settings, progress=progress)
        return Found(
            query_ids=found.query_ids,
            reference_ids=found.reference_ids,
            times_N4=found.times_N4,
            score_N=found.score_N,
            skipped=described.skipped,
        )

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs into a folder, which is made."""
        self.model.save(folder)
        (folder / SETTINGS).write_text(self.settings.to_json() + "\n")
        found = self.references
        write_descriptors(folder / REFERENCES, found.video_ids, found.features_ND, found.timestamps_N2)

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Matcher:
        """The matcher that `save` wrote.

        Raises:
            UsageError: A file is missing or is not what it should be.
        """
        from podium.solutions.copy_detection.model import Model

        try:
            settings = MatchingSettings.from_json((folder / SETTINGS).read_text())
        except OSError as error:
            raise UsageError(f"`{folder}` holds no matcher: {error}") from error
        reading = read_descriptors(folder / REFERENCES, letter=None, max_rows=_MAX_ROWS)
        if reading.descriptors is None:
            raise UsageError(f"`{folder / REFERENCES}` holds no descriptors: {reading.problems[0]}")
        return Matcher(model=Model.load(folder, device=device), references=reading.descriptors, settings=settings)


def match_rows(
    queries: Descriptors, references: Descriptors, *, settings: MatchingSettings, progress: Progress = silent
) -> Found:
    """Matches from the descriptors of queries and references, whose inner product is the similarity.

    Args:
        queries: (N, D) rows in the order of time within each video.
        references: Likewise.
        settings: How.
        progress: Shown the search, then a step for each pair.

    >>> rows = np.eye(8, dtype=np.float32)
    >>> times = np.stack([np.arange(8.0), np.arange(1.0, 9)], axis=1)
    >>> one = Descriptors(video_ids=np.array(["Q000001"] * 8), features_ND=rows, timestamps_N2=times)
    >>> other = Descriptors(video_ids=np.array(["R000001"] * 8), features_ND=rows, timestamps_N2=times + 10)
    >>> match_rows(one, other, settings=MatchingSettings(bias=0.0)).times_N4.tolist()
    [[0.0, 8.0, 10.0, 18.0]]
    """
    pairs = _pairs(queries, references, settings, progress)
    order_P = np.lexsort((pairs.reference_ids, pairs.query_ids))
    listed = list(zip(pairs.query_ids[order_P].tolist(), pairs.reference_ids[order_P].tolist(), strict=True))
    parts = [
        _aligned(listed[start : start + _PAIRS_AT_ONCE], queries, references, settings)
        for start in progress(
            range(0, len(listed), _PAIRS_AT_ONCE),
            what=f"aligning {len(listed)} pairs",
            total=-(-len(listed) // _PAIRS_AT_ONCE),
        )
    ]
    nothing = np.empty(0, queries.video_ids.dtype), np.empty(0, references.video_ids.dtype)
    return Found(
        query_ids=np.concatenate([nothing[0], *(part.query_ids for part in parts)]),
        reference_ids=np.concatenate([nothing[1], *(part.reference_ids for part in parts)]),
        times_N4=np.concatenate([np.empty((0, 4)), *(part.times_N4 for part in parts)]),
        score_N=np.concatenate([np.empty(0), *(part.score_N for part in parts)]),
    )


def _pairs(queries: Descriptors, references: Descriptors, settings: MatchingSettings, progress: Progress) -> Candidates:
    """All pairs of videos that reach the floor: the search is widened until its last hit lies below."""
    every = len(queries) * len(references)
    k = min(_HITS_PER_ROW * len(queries), every)
    while True:
        hits = top_pairs(queries.features_ND, references.features_ND, k=k, progress=progress)
        if k >= min(every, settings.most_hits) or hits.similarities[-1] < settings.floor:
            break
        k = min(8 * k, every, settings.most_hits)
    found = candidates(hits, queries.row_video, references.row_video, limit=len(hits))
    above = int(np.searchsorted(-found.similarities, -np.float32(settings.floor), side="right"))
    return Candidates(
        query_ids=found.query_ids[:above],
        reference_ids=found.reference_ids[:above],
        similarities=found.similarities[:above],
        query_rows=found.query_rows[:above],
        reference_rows=found.reference_rows[:above],
    )


def _aligned(
    pairs: list[tuple[int, int]], queries: Descriptors, references: Descriptors, settings: MatchingSettings
) -> Found:
    maps = [
        queries.features_ND[_rows(queries, query)].astype(np.float64)
        @ references.features_ND[_rows(references, reference)].astype(np.float64).T
        + settings.bias
        for query, reference in pairs
    ]
    boxes = settings.aligner.align(maps)
    score_N = peaks(maps, boxes) - settings.bias
    times_N4 = np.concatenate([np.empty((0, 4)), *_times(pairs, boxes, queries, references)])
    query_N, reference_N = np.array(pairs, np.int64).reshape(-1, 2)[boxes.map_N].T
    # By pair, then by time; a box whose frames all stand at one moment has no length and is no match.
    order = np.lexsort((times_N4[:, 2], times_N4[:, 0], boxes.map_N))
    order = order[(np.diff(times_N4[order], axis=1)[:, ::2] > 0).all(axis=1)]
    return Found(
        query_ids=queries.videos[query_N[order]],
        reference_ids=references.videos[reference_N[order]],
        times_N4=times_N4[order],
        score_N=score_N[order],
    )


def _times(
    pairs: list[tuple[int, int]], boxes: Boxes, queries: Descriptors, references: Descriptors
) -> Iterator[NDArray[np.float64]]:
    for number in np.unique(boxes.map_N).tolist():
        query, reference = pairs[int(number)]
        yield seconds(
            boxes.of(int(number)),
            queries.timestamps_N2[_rows(queries, query)],
            references.timestamps_N2[_rows(references, reference)],
        )


def _rows(descriptors: Descriptors, video: int) -> slice:
    return slice(int(descriptors.first_rows[video]), int(descriptors.first_rows[video + 1]))
