"""Shards written anew: with some of their videos, or without what a run must not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from podium.formats.tfrecord import FrameRecord, Shard, encode_frame_record, parse_frame_record, write_shard


def write_some(source: Path, target: Path, keep: Callable[[str], bool]) -> int:
    """Writes the videos of a shard whose id is to be kept, byte for byte and in order; how many they are.

    Args:
        source: A frame-level shard.
        target: Made, with its folder, unless no video is kept.
        keep: Told each id.

    Raises:
        ChallengeError: A record of the shard is damaged.
    """
    kept = [payload for payload, record in _pairs(source) if keep(record.video_id)]
    if kept:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_shard(target, kept)
    return len(kept)


def write_unlabelled(source: Path, target: Path) -> None:
    """Writes a shard without labels and ratings, as official test shards are.

    Args:
        source: A frame-level shard.
        target: Made, with its folder.

    Raises:
        ChallengeError: A record of the shard is damaged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    write_shard(target, (_unlabelled(record) for _, record in _pairs(source)))


def _unlabelled(record: FrameRecord) -> bytes:
    return encode_frame_record(video_id=record.video_id, labels=[], rgb_TC=record.rgb_TC, audio_TC=record.audio_TC)


def _pairs(source: Path) -> Iterator[tuple[memoryview, FrameRecord]]:
    return Shard(source).parsed(lambda payload: (payload, parse_frame_record(payload)))
