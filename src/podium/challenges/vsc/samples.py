"""Predictions for the conformance suite: perfect ones, made from the answers, and ways to spoil them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from podium.challenges.vsc import layout
from podium.challenges.vsc.predictions import QUERIES, REFERENCES, SUBSET
from podium.formats.descriptors import write_descriptors
from podium.types import DataSet

_DIMENSIONS = 512


def write_perfect(data: DataSet, folder: Path) -> None:
    """Descriptors that rank every copy above everything else: each pair shares a random direction."""
    truth = layout.read_truth(data.answers / layout.GROUND_TRUTH)
    rng = np.random.default_rng(0)
    directions = {pair: _unit(rng) for pair in sorted(truth.pairs)}
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q").ids
    references = layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R").ids
    features_QD = np.array([_sum(directions, 0, str(each)) for each in queries], dtype=np.float32)
    features_RD = np.array([_sum(directions, 1, str(each)) for each in references], dtype=np.float32)
    subset = np.isin(queries, layout.read_subset(data.inputs / layout.QUERY_SUBSET))
    _write(folder / QUERIES, queries, features_QD)
    _write(folder / REFERENCES, references, features_RD)
    _write(folder / SUBSET, queries[subset], features_QD[subset])


def _unit(rng: np.random.Generator) -> np.ndarray:
    drawn = rng.standard_normal(_DIMENSIONS)
    return drawn / np.linalg.norm(drawn)


def _sum(directions: dict[tuple[str, str], np.ndarray], side: int, video: str) -> np.ndarray:
    return sum((each for pair, each in directions.items() if pair[side] == video), start=np.zeros(_DIMENSIONS))


def _write(path: Path, ids: np.ndarray, features_ND: np.ndarray) -> None:
    write_descriptors(path, ids, features_ND, np.tile([0.0, 1.0], (len(ids), 1)))


def _change(name: str, **arrays: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with np.load(folder / name, allow_pickle=False) as stored:
            kept = dict(stored)
        kept.update({key: change(kept[key]) for key, change in arrays.items()})
        np.savez(folder / name, **kept)

    return spoil


def _set(at: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed[at] = value
        return changed

    return change


def _remove(folder: Path) -> None:
    (folder / QUERIES).unlink()


def _truncate(folder: Path) -> None:
    (folder / QUERIES).write_bytes((folder / QUERIES).read_bytes()[:-100])


def _empty(folder: Path) -> None:
    (folder / REFERENCES).write_bytes(b"")


def _text(folder: Path) -> None:
    (folder / QUERIES).write_text("these are not descriptors")


def _link(folder: Path) -> None:
    (folder / QUERIES).unlink()
    (folder / QUERIES).symlink_to("/etc/passwd")


def _fifo(folder: Path) -> None:
    (folder / QUERIES).unlink()
    os.mkfifo(folder / QUERIES)


def _pickle(folder: Path) -> None:
    np.savez(folder / QUERIES, video_ids=np.array([{"a": 1}], dtype=object), features=np.zeros((1, 2)), timestamps=[0])


def _no_timestamps(folder: Path) -> None:
    with np.load(folder / QUERIES, allow_pickle=False) as stored:
        np.savez(folder / QUERIES, video_ids=stored["video_ids"], features=stored["features"])


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("a missing file", _remove),
    ("a truncated file", _truncate),
    ("an empty file", _empty),
    ("a text file", _text),
    ("a link", _link),
    ("a pipe", _fifo),
    ("a pickle", _pickle),
    ("a missing array", _no_timestamps),
    ("float64 features", _change(QUERIES, features=lambda f: f.astype(np.float64))),
    ("float16 features", _change(QUERIES, features=lambda f: f.astype(np.float16))),
    ("big-endian features", _change(QUERIES, features=lambda f: f.astype(">f4"))),
    ("600 dimensions", _change(QUERIES, features=lambda f: np.zeros((len(f), 600), dtype=np.float32))),
    ("one-dimensional features", _change(QUERIES, features=lambda f: f[:, 0])),
    ("other dimensions than the references", _change(QUERIES, features=lambda f: f[:, :100])),
    ("a NaN", _change(QUERIES, features=_set((0, 3), np.nan))),
    ("an infinity", _change(REFERENCES, features=_set((1, 3), np.inf))),
    ("an unknown id", _change(QUERIES, video_ids=_set(-1, "Q999999"))),
    ("a reference's id among the queries", _change(QUERIES, video_ids=_set(-1, "R200001"))),
    ("ids out of order", _change(QUERIES, video_ids=lambda ids: ids[::-1])),
    ("bytes as ids", _change(QUERIES, video_ids=lambda ids: ids.astype("S7"))),
    ("fewer ids than rows", _change(QUERIES, video_ids=lambda ids: ids[:-1])),
    ("three times a row", _change(QUERIES, timestamps=lambda t: np.zeros((len(t), 3)))),
    ("text as times", _change(QUERIES, timestamps=lambda t: np.full(len(t), "soon"))),
    ("an end before its start", _change(QUERIES, timestamps=lambda t: t[:, ::-1])),
    ("all rows on one video", _change(QUERIES, video_ids=lambda ids: np.full(len(ids), ids[0]))),
    ("a subset file with other queries", _change(SUBSET, video_ids=_set(-1, "Q999999"))),
)
