"""Probabilities of every class for every segment of a test set, by every network of a model.

A video is read once for all networks of a pass, and its context is encoded once, not once a segment, by itself.
Segments come in batches of one size, the last of a block filled up, so a segment's numbers do not hang on how many
others there are. Memory: the frames of one block (about 7 kB a segment, twice while they are read), its numbers, the
networks, and one batch at work.

Legend: C classes, N segments, B segments of a block, V videos, T seconds, D dimensions, F features of a context.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest
from podium.formats.tfrecord import DIMENSIONS
from podium.solutions import devices
from podium.solutions.segment_classification.blocks import Block, Frames, Records, cut
from podium.solutions.segment_classification.frames import choose
from podium.solutions.segment_classification.model import Member, Model
from podium.solutions.segment_classification.network import SEGMENT_SECONDS, Network
from podium.solutions.segment_classification.score_files import Origin, ScoreWriter, check_space, windows_digest
from podium.solutions.segment_classification.solitude import alone
from podium.types import Progress, silent

try:
    import torch
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

Numbers = Literal["float16", "float32", "int16"]
REFERENCE_SCALE = 9_999
"""What the 7th place's code multiplied probabilities with before it rounded them to whole numbers."""

_DTYPES: dict[str, type[np.generic]] = {"float16": np.float16, "float32": np.float32, "int16": np.int16}


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """The segments to predict, by video, then by start.

    Attributes:
        ids: (V,) unicode, of the videos, distinct.
        video_N: int32, place of each segment's video in `ids`, ascending.
        start_seconds_N: int32, 0 or more.
    """

    ids: NDArray[np.str_]
    video_N: NDArray[np.int32]
    start_seconds_N: NDArray[np.int32]

    def __post_init__(self) -> None:
        video_N, start_N = self.video_N, self.start_seconds_N
        if video_N.shape != start_N.shape or video_N.ndim != 1:
            raise UsageError(f"`{video_N.shape}` videos and `{start_N.shape}` starts of segments do not fit")
        if not len(video_N):
            raise UsageError("there are no segments to predict; at least one is needed")
        if (np.diff(video_N) < 0).any() or video_N[0] < 0 or video_N[-1] >= len(self.ids) or start_N.min() < 0:
            raise UsageError("segments must be by video, of the videos that are listed, and start at 0 s or later")

    @property
    def digest(self) -> str:
        """``sha256:…`` of all of them."""
        return windows_digest(self.ids, self.video_N, self.start_seconds_N)


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """How networks are used.

    Attributes:
        batch: Segments that a network sees at one time; 1 to 65,536.
        videos: Videos whose contexts are encoded at one time; 1 to 4,096. More are a little quicker, but make the last
            bits of a context hang on the other videos.
        block: Segments that are predicted before they are written; 1 to 1,048,576. In the file each class gets one run
            of so many numbers at a time.
        numbers: ``float16`` or ``float32`` probabilities; or ``int16``, round(9999 p), as the 7th
            place's code kept them.
    """

    batch: int = 128
    videos: int = 1
    block: int = 8_192
    numbers: Numbers = "float16"

    def __post_init__(self) -> None:
        for name, most in (("batch", 65_536), ("videos", 4_096), ("block", 1 << 20)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"`{name}` is `{getattr(self, name)}`; 1 to {most} are allowed")
        if self.numbers not in _DTYPES:
            raise UsageError(f"no numbers are called `{self.numbers}`; {nearest(self.numbers, _DTYPES)}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the predictions."""
        return np.dtype(_DTYPES[self.numbers])


def predict(
    model: Model,
    shards: Sequence[Path],
    segments: Windows,
    out: Path,
    *,
    settings: InferenceSettings | None = None,
    resume: bool = False,
    device: str | None = None,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Writes the predictions of each member: an ``.npy`` file of (C, N) numbers, one class after the other.

    The same model, data, settings, kind of device and number of threads give the same bytes, whether or not the work
    was killed in between.

    Args:
        model: Its networks are moved to the device, and put into evaluation mode.
        shards: With every video of `segments`.
        segments: N of them.
        out: A folder, made where it is missing; gets ``NAME.npy`` and ``NAME.json`` of each member.
        settings: None is the default.
        resume: Leave finished predictions as they are, and go on with others behind the last block that is on disk.
        device: ``cpu``, ``cuda``, or ``auto``, which is the graphics card where there is one; None is where the first
            network is.
        progress: Shows the batches.

    Returns:
        The files, in the order of the members.

    Raises:
        UsageError: Predictions are there and `resume` is off, or they are of another model, other data or settings; a
            video is in no shard; another process is at work in `out`.
        ChallengeError: A shard is damaged, or has other videos than the list says.
        MachineError: The disk is too full, or there is no such device.
    """
    settings = settings or InferenceSettings()
    place = next(model.members[0].network.parameters()).device if device is None else devices.chosen(device)
    records = Records(shards, segments.ids, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    walk = _Walk(records=records, segments=segments, settings=settings, device=torch.device(place))
    with alone(out):
        jobs = _jobs(model, records.digest, segments, out, settings, resume=resume)
        due = [each for each in jobs if not each.writer.finished]
        check_space(out, [each.writer for each in due])
        try:
            for _ in progress(walk.run(due), what="predicting segments", total=walk.batches(due)):
                pass
            for each in due:
                each.writer.finish()
        finally:
            for each in due:
                each.writer.close()
    return tuple(each.writer.path for each in jobs)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    member: Member
    writer: ScoreWriter


def _jobs(
    model: Model, shards: str, segments: Windows, out: Path, settings: InferenceSettings, *, resume: bool
) -> list[_Job]:
    """What there is to do for each member; `shards` is their digest."""
    told, windows = _digest(json.dumps(asdict(settings))), segments.digest
    data = _digest(shards, windows)
    shape = (len(model.classes), len(segments.video_N))
    return [
        _Job(
            member=member,
            writer=ScoreWriter(
                out,
                member.name,
                shape=shape,
                dtype=settings.dtype,
                origin=Origin(model=member.digest, data=data, windows=windows, settings=told),
                resume=resume,
            ),
        )
        for member in model.members
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Walk:
    """One walk over the test set with all networks that are not finished."""

    records: Records
    segments: Windows
    settings: InferenceSettings
    device: torch.device

    def batches(self, jobs: Sequence[_Job]) -> int:
        """How many steps `run` has."""
        counts = [-(-len(block) // self.settings.batch) for block in self._blocks()]
        return sum(sum(counts[each.writer.blocks :]) for each in jobs)

    def run(self, jobs: Sequence[_Job]) -> Iterator[None]:
        """Predicts and writes; a step is a batch of segments."""
        for each in jobs:
            each.member.network.to(self.device).eval()
        for number, block in enumerate(self._blocks()):
            waiting = [each for each in jobs if each.writer.blocks == number]
            if not waiting:
                continue
            view = self._view(block)
            for each in waiting:
                scores_CB = yield from _block_scores(each.member, view, self.settings)
                each.writer.write(scores_CB)

    def _blocks(self) -> tuple[Block, ...]:
        return cut(self.segments.video_N, size=self.settings.block)

    def _view(self, block: Block) -> _View:
        video_N = self.segments.video_N[block.first : block.behind].astype(np.int64)
        start_N = self.segments.start_seconds_N[block.first : block.behind].astype(np.int64)
        videos, local_N = np.unique(video_N, return_inverse=True)
        frames = self.records.frames(videos)
        late = np.flatnonzero(start_N >= frames.length_V[local_N])
        if len(late):
            video = self.segments.ids[video_N[late[0]]]
            raise UsageError(
                f"a segment of the video `{video}` starts at `{start_N[late[0]]}` s;"
                f" the video has `{frames.length_V[local_N[late[0]]]}` seconds"
            )
        features_FD = torch.from_numpy(frames.features_FD).to(self.device)
        return _View(frames=frames, features_FD=features_FD, videos=videos, video_N=local_N, start_seconds_N=start_N)


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    """The segments of a block and the frames of its videos, on the device.

    Attributes:
        frames: Where each video lies.
        features_FD: All frames.
        videos: Numbers of the videos in the whole test set.
        video_N: Place of each segment's video in `videos`.
        start_seconds_N: Of each segment.
    """

    frames: Frames
    features_FD: torch.Tensor
    videos: NDArray[np.int64]
    video_N: NDArray[np.int64]
    start_seconds_N: NDArray[np.int64]

    def gather(self, video_N: NDArray[np.int64], second_NT: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, T, D) of some seconds of videos, and which of them (N, T) the videos have; the others are 0."""
        rows_NT = torch.from_numpy(self.frames.rows(video_N, second_NT)).to(self.features_FD.device)
        return self.features_FD[rows_NT.ravel()].view(*rows_NT.shape, DIMENSIONS), rows_NT > 0


def _block_scores(member: Member, view: _View, settings: InferenceSettings) -> Generator[None, None, NDArray[Any]]:
    """(C, B) the numbers of one network."""
    network = member.network
    context_VF = _contexts(network, view, videos=settings.videos) if network.aware else None
    count = len(view.video_N)
    scores_CB = np.empty((network.settings.classes, count), dtype=settings.dtype)
    for first in range(0, count, settings.batch):
        behind = min(first + settings.batch, count)
        chance_NC = _probabilities(network, view, first, settings.batch, context_VF)[: behind - first]
        if not np.isfinite(chance_NC).all():
            raise UsageError(
                f"the network of `{member.name}` gives numbers that are not finite; its weights are broken"
            )
        scores_CB[:, first:behind] = _stored(chance_NC.T, settings.numbers)
        yield
    return scores_CB


@torch.inference_mode()
def _probabilities(
    network: Network, view: _View, first: int, batch: int, context_VF: torch.Tensor | None
) -> NDArray[np.float32]:
    """(batch, C) of the segments from `first` on; behind the last one it is repeated."""
    window = network.settings.window
    segment_N = np.minimum(np.arange(first, first + batch), len(view.video_N) - 1)
    video_N = view.video_N[segment_N]
    around_T = np.arange(-window.before, SEGMENT_SECONDS + window.after)
    features_NTD, mask_NT = view.gather(video_N, view.start_seconds_N[segment_N][:, None] + around_T)
    if network.settings.reference:
        # To the reference, what lies outside of a video were frames like any other.
        mask_NT = torch.ones_like(mask_NT)
    context_NF = None if context_VF is None else context_VF[torch.from_numpy(video_N).to(context_VF.device)]
    return torch.sigmoid(network(features_NTD, mask_NT, context_NF)).float().cpu().numpy()


@torch.inference_mode()
def _contexts(network: Network, view: _View, *, videos: int) -> torch.Tensor:
    """(V, F) the context of each video of a block, of the frames that its own length alone decides on."""
    settings = network.settings
    count = len(view.videos)
    # Frames that only fill up change what the reference's means give.
    together = 1 if settings.reference else videos
    encoded: list[torch.Tensor] = []
    for first in range(0, count, together):
        video_V = np.minimum(np.arange(first, first + together), count - 1)
        seeds = view.videos[video_V].tolist() if settings.reference else None
        lengths = view.frames.length_V[video_V].tolist()
        chosen = choose(lengths, settings.frames, seeds_V=seeds, reference=settings.reference)
        second_VT = np.where(chosen.mask_VT, chosen.indices_VT, -1)
        encoded.append(network.encode_context(*view.gather(video_V, second_VT)))
    return torch.cat(encoded)[:count]


def _stored(chance: NDArray[np.float32], numbers: Numbers) -> NDArray[Any]:
    return np.rint(chance * REFERENCE_SCALE) if numbers == "int16" else chance


def _digest(*parts: str) -> str:
    return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
