"""What was done to each copy, where the data set tells: made data has a file on it, official data has none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from podium.challenges.vsc import layout
from podium.errors import ChallengeError
from podium.types import DataSet

UNEDITED = "unedited"
SPEED = "speed"
_MAX_BYTES = 256 << 20
_SAME_SPEED = 0.01


class _Edit(msgspec.Struct):
    name: str


class _Span(msgspec.Struct):
    start: float
    end: float
    source: str
    edits: list[_Edit]
    speed: float = 1.0


class _Story(msgspec.Struct):
    queries: dict[str, list[_Span]]


def edits_of(data: DataSet, truth: layout.Truth) -> Mapping[str, frozenset[str]]:
    """For each query with a copy the kinds of edits that its copied segments had; empty where nobody knows.

    A copy that plays faster or slower has the kind `speed`, one that nothing was done to has `unedited`.

    Raises:
        ChallengeError: The file that tells is broken.
    """
    path = data.answers / layout.EDITS
    if not path.is_file():
        return {}
    story = _read(path)
    told: dict[str, set[str]] = {}
    for row in truth.segments.iter_rows(named=True):
        for span in story.queries.get(row["query_id"], ()):
            if span.source == row["ref_id"] and min(span.end, row["query_end"]) > max(span.start, row["query_start"]):
                told.setdefault(row["query_id"], set()).update(_kinds(span))
    return {query: frozenset(kinds) for query, kinds in told.items()}


def _kinds(span: _Span) -> set[str]:
    kinds = {each.name for each in span.edits}
    if abs(span.speed - 1.0) > _SAME_SPEED:
        kinds.add(SPEED)
    return kinds or {UNEDITED}


def _read(path: Path) -> _Story:
    if path.stat().st_size > _MAX_BYTES:
        raise ChallengeError(f"the data set's `{path}` has more than {_MAX_BYTES >> 20} MB")
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Story)
    except (OSError, msgspec.MsgspecError) as error:
        raise ChallengeError(f"the data set's `{path}` is broken: {error}") from error
