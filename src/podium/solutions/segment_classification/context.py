"""What there is to know of whole videos, encoded once: the encoder of a context does not learn, its frames are fixed.

Legend: V videos, F features of a context, T frames, D numbers of a frame.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, MachineError, UsageError
from podium.formats.files import replacing
from podium.solutions.segment_classification.dataset import VideoBatch, video_collate
from podium.solutions.segment_classification.network import Network
from podium.solutions.segment_classification.videos import VideoSet
from podium.solutions.training.batches import Batches, in_order, loader
from podium.types import Progress, silent

try:
    import torch
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

_SCHEMA = 1
_SAVED_EVERY = 16


class _State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    key: str
    videos: int
    features: int
    done: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ContextCache:
    """The contexts of all videos of a set.

    Attributes:
        contexts_VF: float32, by the number of the video in its set; mapped, only for reading.
        path: Of the file.
    """

    contexts_VF: NDArray[np.float32]
    path: Path

    @staticmethod
    def encode(
        network: Network,
        videos: VideoSet,
        folder: Path,
        *,
        batch: int = 32,
        workers: int = 0,
        progress: Progress = silent,
    ) -> ContextCache:
        """The contexts in a folder, or those that are made now; what was begun is gone on with.

        They belong to the weights of the encoder, the videos and the settings; with others, others are made beside
        them. Of several processes that ask at once one makes them, the others wait.

        Args:
            network: With a context; run where it is.
            videos: All that will be asked for.
            folder: Made where it is missing.
            batch: Videos that are encoded together, 1 or more.
            workers: Processes that read.
            progress: Shows the batches.

        Raises:
            UsageError: The network has no context, or `batch` is below 1.
            ChallengeError: A video is damaged, or a context is not finite.
        """
        if network.settings.context is None:
            raise UsageError("a network without a `context` encodes none")
        if batch < 1:
            raise UsageError(f"`{batch}` videos a batch; at least 1 is needed")
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(network, videos, batch)
        path = folder / f"contexts-{key[:16]}.npy"
        begun = _State(schema=_SCHEMA, key=key, videos=len(videos), features=network.settings.context.features, done=0)
        with _alone(path.with_suffix(".lock")):
            _fill(network, videos, path, begun, batch=batch, workers=workers, progress=progress)
        return ContextCache(contexts_VF=np.load(path, mmap_mode="r", allow_pickle=False), path=path)


def _fill(
    network: Network, videos: VideoSet, path: Path, begun: _State, *, batch: int, workers: int, progress: Progress
) -> None:
    place = path.with_suffix(".json")
    state = _read(place, path, begun)
    if state.done == state.videos:
        return
    shape = (state.videos, state.features)
    mode = "r+" if state.done else "w+"
    contexts_VF = np.lib.format.open_memmap(path, mode=mode, dtype=np.float32, shape=shape)
    walk = Batches(in_order(len(videos)), units=batch, shard=False, drop_last=False)
    walk.seek(epoch=0, batch=state.done // batch)
    settings = network.settings
    collate = partial(
        video_collate, classes=settings.classes, frames=settings.frames, drawn=False, reference=settings.reference
    )
    steps = progress(
        loader(videos, walk, workers=workers, collate_fn=collate),
        what="encoding contexts",
        total=len(walk) - state.done // batch,
    )
    done = state.done
    for number, each in enumerate(steps, start=1):
        contexts_VF[done : done + len(each.number_V)] = _encoded(network, each, videos)
        done += len(each.number_V)
        if done == state.videos or number % _SAVED_EVERY == 0:
            contexts_VF.flush()
            _write(place, msgspec.structs.replace(state, done=done))


def _encoded(network: Network, batch: VideoBatch, videos: VideoSet) -> NDArray[np.float32]:
    device = next(network.parameters()).device
    with torch.inference_mode():
        found_VF = network.encode_context(batch.features_VTD.to(device), batch.mask_VT.to(device)).float().cpu()
    finite_V = torch.isfinite(found_VF).all(dim=1)
    if not finite_V.all():
        wrong = videos.ids[batch.number_V[~finite_V][0]]
        raise ChallengeError(f"the context of video `{wrong}` is not finite")
    return found_VF.numpy()


def _key(network: Network, videos: VideoSet, batch: int) -> str:
    """What the contexts depend on; the size of a batch because rounding may depend on it."""
    settings = network.settings
    told = f"{videos.digest} {settings.context} {settings.frames} {settings.reference} {batch}"
    whole = hashlib.sha256(told.encode())
    for name, value in sorted(network.state_dict().items()):
        if name.startswith("context."):
            array = value.detach().cpu().contiguous()
            whole.update(f"{name} {array.dtype} {tuple(array.shape)} ".encode())
            whole.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def _read(place: Path, path: Path, begun: _State) -> _State:
    """How far the contexts are; `begun` where they are missing, damaged or others."""
    try:
        state = msgspec.json.decode(place.read_bytes(), type=_State)
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError, msgspec.MsgspecError):
        return begun
    same = msgspec.structs.replace(state, done=0) == begun and shape == (begun.videos, begun.features)
    return state if same and 0 <= state.done <= state.videos else begun


def _write(place: Path, state: _State) -> None:
    with replacing(place) as stream:
        stream.write(msgspec.json.encode(state) + b"\n")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
