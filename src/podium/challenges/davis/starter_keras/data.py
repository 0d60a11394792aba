"""Frames and masks for training and for results, one clip never on both sides of a split.

Reads a folder with a `paths.json`: an artifact of the contest, DAVIS in Podium's layout (`public/`), or what a run is
given. Axes: N batch, H height, W width, 6 channels (the frame and the one before it).
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from backend import keras
from PIL import Image

HEIGHT, WIDTH = 192, 336


@dataclass(frozen=True)
class Row:
    """One frame: its number in `paths.json`, its file, the file of the frame before it, its mask where there is one."""

    number: int
    frame: Path
    previous: Path
    mask: Path | None

    @property
    def clip(self) -> str:
        """The folder that the frame lies in."""
        return self.frame.parent.name


def read_rows(folder: Path) -> list[Row]:
    """The rows of a `paths.json`, by number. The first frame of a clip has itself before it."""
    folder = folder / "public" if (folder / "public" / "paths.json").is_file() else folder
    table = json.loads((folder / "paths.json").read_text())
    masks = table.get("annotation", {})
    rows: list[Row] = []
    for key in sorted(table["raw"], key=int):
        frame = folder / table["raw"][key].replace("\\", "/")
        mask = folder / masks[key].replace("\\", "/") if masks.get(key) else None
        follows = bool(rows) and rows[-1].frame.parent == frame.parent
        rows.append(Row(number=int(key), frame=frame, previous=rows[-1].frame if follows else frame, mask=mask))
    return rows


def split(rows: list[Row], *, share: float = 0.8, seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to judge by, whole clips on either side; the same seed gives the same split."""
    clips = sorted({row.clip for row in rows})
    random.Random(seed).shuffle(clips)  # noqa: S311 - no secret
    chosen = set(clips[: max(1, int(share * len(clips)))])
    return [row for row in rows if row.clip in chosen], [row for row in rows if row.clip not in chosen]


def read_frame(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A frame, (H, W, 3), 0 to 255."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)


def read_pair(row: Row, size: tuple[int, int]) -> np.ndarray:
    """The frame and the one before it as the network takes them, (H, W, 6)."""
    return np.concatenate([read_frame(path, size) for path in (row.frame, row.previous)], axis=2)


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A mask, (H, W, 1), 0 or 1: grey levels from 128 on, or any object of a palette file (255 is void)."""
    with Image.open(path) as image:
        levels = np.asarray(image if image.mode == "P" else image.convert("L"))
        foreground = (levels > 0) & (levels < 255) if image.mode == "P" else levels >= 128
    picture = Image.fromarray(foreground.astype(np.uint8) * 255)
    resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return (np.asarray(resized) >= 128).astype(np.float32)[..., None]


class Frames(keras.utils.PyDataset):
    """Batches of a network's input (N, H, W, 6) and its masks (N, H, W, 1).

    With `training` their order changes each epoch and half of them are mirrored.
    """

    def __init__(
        self,
        rows: list[Row],
        *,
        batch: int = 8,
        size: tuple[int, int] = (HEIGHT, WIDTH),
        training: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.rows = [row for row in rows if row.mask is not None]
        self.batch, self.size, self.training = batch, size, training
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        pairs = [self._sample(self.rows[number], mirror=bool(self.mirrored[number])) for number in chosen]
        return np.stack([frames for frames, _ in pairs]), np.stack([mask for _, mask in pairs])

    def on_epoch_end(self) -> None:
        """Draws the order of the next epoch, and what is mirrored in it."""
        count = len(self.rows)
        self.order = self.rng.permutation(count) if self.training else np.arange(count)
        self.mirrored = self.rng.random(count) < (0.5 if self.training else 0)

    def _sample(self, row: Row, *, mirror: bool) -> tuple[np.ndarray, np.ndarray]:
        if row.mask is None:
            raise ValueError(f"row {row.number} has no mask")
        frames, mask = read_pair(row, self.size), read_mask(row.mask, self.size)
        return (frames[:, ::-1], mask[:, ::-1]) if mirror else (frames, mask)
