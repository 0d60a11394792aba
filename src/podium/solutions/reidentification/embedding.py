"""Photographs to unit vectors, each as if it were alone.

A network sees batches of one fixed size, filled up with grey, so that a photograph's vector depends neither on what
else is in its batch nor on how many photographs there are.

Axes: B places of a batch, H height, W width, N photographs, D dimensions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.solutions.reidentification import network as networks
from podium.solutions.reidentification.model import InferenceSettings, Member, Model
from podium.solutions.reidentification.network import Network
from podium.solutions.reidentification.ranking import Images, unit_rows
from podium.types import Progress, silent

try:
    import torch
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

_READ_AHEAD = 64
_READERS = 2
_GREY = 127
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """The vectors of photographs, in the order in which they were given.

    Attributes:
        blocks: One (N, D) float32 a member, rows of length 1; zeros for a photograph that cannot be read.
        readable_N: Which photographs could be read.
        skipped: One line for each that could not.
    """

    blocks: tuple[NDArray[np.float32], ...]
    readable_N: NDArray[np.bool_]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.readable_N)

    def take(self, chosen: NDArray[np.int64]) -> Embeddings:
        """Some of them, by number; lines about files that could not be read are left out."""
        return Embeddings(blocks=tuple(each[chosen] for each in self.blocks), readable_N=self.readable_N[chosen])

    def images(self, lateral_N: NDArray[np.bool_] | None = None) -> Images:
        """As rows to rank; None says that no photograph is from the side."""
        nowhere = np.zeros(len(self), np.bool_)
        return Images(blocks=self.blocks, lateral_N=nowhere if lateral_N is None else lateral_N)


def embed(
    model: Model, paths: Sequence[Path], *, progress: Progress = silent, what: str = "embedding images"
) -> Embeddings:
    """The embeddings of photographs by every member of a model.

    Args:
        model: Its networks stay where they are.
        paths: Files; one that is no image gets zeros and a line in `skipped`.
        progress: Shown a step for each photograph of each member.
        what: Names the work.

    """
    blocks: list[NDArray[np.float32]] = []
    readable_N = np.ones(len(paths), np.bool_)
    skipped: dict[int, str] = {}
    for member in model.members:
        block, failed = _embed_member(member, paths, model.settings, progress, what)
        blocks.append(block)
        skipped |= failed
    readable_N[list(skipped)] = False
    return Embeddings(
        blocks=tuple(blocks), readable_N=readable_N, skipped=tuple(skipped[place] for place in sorted(skipped))
    )


def _embed_member(
    member: Member, paths: Sequence[Path], settings: InferenceSettings, progress: Progress, what: str
) -> tuple[NDArray[np.float32], dict[int, str]]:
    network = member.network
    views = 2 if settings.flip else 1
    rows_ND = np.zeros(
        (len(paths), network.dimensions * (2 if settings.flip and settings.concatenate else 1)), np.float32
    )
    failed: dict[int, str] = {}
    waiting: list[tuple[int, Pixels]] = []
    at_once = max(1, settings.batch // views)

    def finish() -> None:
        rows = vectors(network, np.stack([image for _, image in waiting]), settings)
        rows_ND[[place for place, _ in waiting]] = rows
        waiting.clear()

    read = _read_ahead(paths, network.settings)
    for place, found in enumerate(progress(read, what=what, total=len(paths))):
        if isinstance(found, str):
            failed[place] = found
            continue
        waiting.append((place, found))
        if len(waiting) == at_once:
            finish()
    if waiting:
        finish()
    return rows_ND, failed


def vectors(network: Network, images_BHWC: Pixels, settings: InferenceSettings) -> NDArray[np.float32]:
    """(B, D) unit embeddings of photographs in memory, mirrored ones included where the settings say so.

    Args:
        network: In evaluation mode.
        images_BHWC: As `network.read_image` gives them; at most a batch, or half of one with mirroring.
        settings: `flip`, `concatenate` and `batch` count.

    Raises:
        UsageError: There are more than a batch holds.
    """
    views = [images_BHWC, images_BHWC[:, :, ::-1]] if settings.flip else [images_BHWC]
    seen = np.concatenate(views)
    places = max(settings.batch, len(views))
    if len(seen) > places:
        raise UsageError(f"`{len(seen)}` photographs do not fit a batch of `{places}`")
    filled = np.full((places, *seen.shape[1:]), _GREY, np.uint8)
    filled[: len(seen)] = seen
    parts = np.split(unit_rows(forward(network, filled)[: len(seen)]), len(views))
    return together(parts, concatenate=settings.concatenate)


def together(parts: Sequence[NDArray[np.float32]], *, concatenate: bool) -> NDArray[np.float32]:
    """Unit rows of several looks at the same photographs: their mean, or all side by side."""
    if len(parts) == 1:
        return parts[0]
    wide = [each.astype(np.float64) for each in parts]
    return unit_rows(np.concatenate(wide, axis=1) if concatenate else sum(wide[1:], wide[0]))


def forward(network: Network, images_BHWC: Pixels) -> NDArray[np.float32]:
    """(B, D) what a network says of a whole batch, in evaluation mode and without gradients."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(images_BHWC)).to(device)
        return network.eval()(networks.normalise(batch, network.settings)).float().cpu().numpy()


def _read_ahead(paths: Sequence[Path], settings: networks.NetworkSettings) -> Iterator[Pixels | str]:
    """Images in order, or why there is none, decoded while the network works."""

    def read(path: Path) -> Pixels | str:
        try:
            return networks.read_image(path, settings)
        except UsageError as error:
            return str(error)

    waiting: deque[Future[Pixels | str]] = deque()
    with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="read") as pool:
        for path in paths:
            waiting.append(pool.submit(read, path))
            if len(waiting) > _READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
