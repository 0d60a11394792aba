"""Photographs as a network learns from them: chosen, decoded once, changed anew at each look.

Axes: N photographs, B of a batch, H height, W width, C colour.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest
from podium.solutions.reidentification import folds
from podium.solutions.reidentification.augmentation import AugmentationSettings, augment
from podium.solutions.reidentification.folds import Fold
from podium.solutions.reidentification.mixing import mix
from podium.solutions.reidentification.network import NetworkSettings, read_image
from podium.solutions.reidentification.photos import VIEWPOINTS, Photo
from podium.types import Progress, silent

try:
    import torch
    from torch import Tensor
    from torch.utils.data import Dataset
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Which photographs are held out; see `folds.split`."""

    kind: str = "individual"
    folds: int = 8
    fold: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in folds.KINDS:
            raise UsageError(f"photographs are not split by `{self.kind}`; {nearest(self.kind, folds.KINDS)}")
        if not 0 <= self.fold < self.folds:
            raise UsageError(f"the fold is `{self.fold}`; 0 to {self.folds - 1} is allowed")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which photographs are learned from.

    Attributes:
        viewpoints: Those that count; photographs without one always do.
        minimum_images: Individuals with fewer photographs are not learned from.
        split: What is held out for validation and calibration; None holds out nothing.
        memory_bytes: Decoded photographs that are kept in memory; more are kept in a file.
    """

    viewpoints: tuple[str, ...] = VIEWPOINTS
    minimum_images: int = 1
    split: SplitSettings | None = SplitSettings()
    memory_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        for each in self.viewpoints:
            if each not in VIEWPOINTS:
                raise UsageError(f"no viewpoint is called `{each}`; {nearest(each, VIEWPOINTS)}")


class Example(NamedTuple):
    """One look at a photograph, or a batch of them.

    Attributes:
        image_HWC: uint8.
        label: The class.
        other: The class of the patch that was mixed in; `label` where none was.
        share: Of the area that shows `label`, 0 to 1.
        number: Of the photograph.
    """

    image_HWC: Tensor
    label: int
    other: int
    share: float
    number: int


def choose(photos: Sequence[Photo], settings: DataSettings) -> Fold:
    """What is learned from and what is held out.

    Raises:
        UsageError: Nothing is left to learn from.
    """
    seen = [each for each in photos if each.viewpoint in ("", *settings.viewpoints)]
    if settings.split is None:
        fold = Fold(train=tuple(seen), validation=())
    else:
        every = folds.split(seen, kind=settings.split.kind, folds=settings.split.folds, seed=settings.split.seed)
        fold = every[settings.split.fold]
    counts = Counter(each.individual for each in seen)
    train = tuple(each for each in fold.train if counts[each.individual] >= settings.minimum_images)
    if len({each.individual for each in train}) < 2:
        raise UsageError(
            f"of {len(photos)} photographs {len(train)} are left to learn from, of fewer than two individuals"
        )
    return Fold(train=train, validation=fold.validation)


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The individuals that a head tells apart.

    Attributes:
        names: Of the classes; one that is seen mirrored as another individual comes twice.
        photos_C: Photographs of each.
        mirrored: The second half of the classes are the first half, mirrored.
    """

    names: tuple[str, ...]
    photos_C: tuple[int, ...]
    mirrored: bool

    @staticmethod
    def of(photos: Sequence[Photo], *, mirrored: bool) -> Classes:
        """The individuals of photographs, by name."""
        counts = Counter(each.individual for each in photos)
        names = tuple(sorted(counts))
        twice = 2 if mirrored else 1
        return Classes(names=names * twice, photos_C=tuple(counts[each] for each in names) * twice, mirrored=mirrored)

    @property
    def individuals(self) -> int:
        """How many there are, mirrored ones not counted twice."""
        return len(self.names) // 2 if self.mirrored else len(self.names)


def decode(
    photos: Sequence[Photo],
    settings: NetworkSettings,
    *,
    memory_bytes: int,
    folder: Path | None = None,
    progress: Progress = silent,
) -> NDArray[np.uint8]:
    """(N, H, W, C): every photograph as the network looks at it.

    Args:
        memory_bytes: A larger array lies in a file that goes when the array does.
        folder: Where that file lies; None is the machine's own place for such files.
    """
    shape = (len(photos), settings.height, settings.width, 3)
    if int(np.prod(shape)) <= memory_bytes:
        images_NHWC = np.empty(shape, dtype=np.uint8)
    else:
        with tempfile.TemporaryFile(dir=folder) as stream:
            images_NHWC = np.memmap(stream, dtype=np.uint8, mode="w+", shape=shape)
    for place, photo in enumerate(progress(photos, what="decoding photographs", total=len(photos))):
        images_NHWC[place] = read_image(photo.path, settings)
    return images_NHWC


class Photographs(Dataset[Example]):
    """Photographs to learn from; asked with an index and a seed, as `training.batches` does.

    Args:
        images_NHWC: As `decode` gives them.
        photos: The same, in the same order.
        classes: Of the photographs.
        augmentation: What is done at each look.
    """

    def __init__(
        self,
        images_NHWC: NDArray[np.uint8],
        photos: Sequence[Photo],
        *,
        classes: Classes,
        augmentation: AugmentationSettings,
    ) -> None:
        place = {name: number for number, name in enumerate(classes.names[: classes.individuals])}
        self.images_NHWC = images_NHWC
        self.labels_N = np.array([place[each.individual] for each in photos], dtype=np.int64)
        self.classes = classes
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.labels_N)

    def __getitem__(self, draw: tuple[int, int]) -> Example:
        index, seed = draw
        image_HWC, label = self._look(index, seed)
        rng = np.random.default_rng([seed, 1])
        if rng.random() >= self.augmentation.mix:
            return Example(torch.from_numpy(image_HWC), label, label, 1.0, index)
        other_HWC, other = self._look(int(rng.integers(len(self))), int(rng.integers(1 << 62)))
        mixture = mix(image_HWC, other_HWC, rng)
        return Example(torch.from_numpy(mixture.image_HWC), label, other, mixture.share, index)

    def _look(self, index: int, seed: int) -> tuple[NDArray[np.uint8], int]:
        view = augment(self.images_NHWC[index], self.augmentation, seed=seed)
        moved = self.classes.individuals if view.mirrored and self.augmentation.flip == "other" else 0
        return view.image_HWC, int(self.labels_N[index]) + moved


class Shown(Dataset[Example]):
    """Photographs as they are; their class is the number of their individual, by name."""

    def __init__(self, images_NHWC: NDArray[np.uint8], photos: Sequence[Photo]) -> None:
        names = sorted({each.individual for each in photos})
        self.images_NHWC = images_NHWC
        self.labels_N = np.array([names.index(each.individual) for each in photos], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels_N)

    def __getitem__(self, draw: tuple[int, int]) -> Example:
        index, _ = draw
        label = int(self.labels_N[index])
        return Example(torch.from_numpy(np.array(self.images_NHWC[index])), label, label, 1.0, index)
