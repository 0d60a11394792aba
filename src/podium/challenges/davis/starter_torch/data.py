"""Frames and masks for training and for results, one clip never on both sides of a split.

Reads a folder with a `paths.json`: an artifact of the contest, DAVIS in Podium's layout (`public/`), or what a run is
given. Axes: N batch, 6 channels (the frame and the one before it), H height, W width.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

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
    """A frame, (H, W, 3), 0 to 1."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32) / 255


def read_pair(row: Row, size: tuple[int, int]) -> Tensor:
    """The frame and the one before it as the network takes them, (6, H, W)."""
    pair = [read_frame(path, size) for path in (row.frame, row.previous)]
    return torch.from_numpy(np.concatenate(pair, axis=2)).permute(2, 0, 1).contiguous()


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """A mask, (1, H, W), 0 or 1: grey levels from 128 on, or any object of a palette file (255 is void)."""
    with Image.open(path) as image:
        levels = np.asarray(image if image.mode == "P" else image.convert("L"))
        foreground = (levels > 0) & (levels < 255) if image.mode == "P" else levels >= 128
    picture = Image.fromarray(foreground.astype(np.uint8) * 255)
    resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return torch.from_numpy((np.asarray(resized) >= 128).astype(np.float32))[None]


class Frames(Dataset):
    """Pairs of a network's input (6, H, W) and its mask (1, H, W); half of them mirrored where `mirrored`."""

    def __init__(self, rows: list[Row], *, size: tuple[int, int] = (HEIGHT, WIDTH), mirrored: bool = False) -> None:
        self.rows = [row for row in rows if row.mask is not None]
        self.size = size
        self.mirrored = mirrored

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.rows[index]
        if row.mask is None:
            raise ValueError(f"row {row.number} has no mask")
        frames, mask = read_pair(row, self.size), read_mask(row.mask, self.size)
        if self.mirrored and torch.rand(()) < 0.5:
            frames, mask = frames.flip(-1), mask.flip(-1)
        return frames, mask


class ClipData(lightning.LightningDataModule):
    """The frames to train on, in another order each epoch, and the held-out clips."""

    def __init__(
        self,
        folder: Path,
        *,
        batch: int = 8,
        share: float = 0.8,
        size: tuple[int, int] = (HEIGHT, WIDTH),
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        train, held_out = split(read_rows(folder), share=share, seed=seed)
        self.train = Frames(train, size=size, mirrored=True)
        self.held_out = Frames(held_out, size=size)
        self.batch, self.workers, self.seed = batch, workers, seed
        if not len(self.train):
            raise ValueError(f"`{folder}` has no frame with a mask to train on")

    def train_dataloader(self) -> DataLoader:
        """Batches to train on."""
        order = torch.Generator().manual_seed(self.seed)
        return DataLoader(self.train, batch_size=self.batch, shuffle=True, num_workers=self.workers, generator=order)

    def val_dataloader(self) -> DataLoader | list[Tensor]:
        """Batches of the held-out clips; none where there is a single clip."""
        if not len(self.held_out):
            return []
        return DataLoader(self.held_out, batch_size=self.batch, num_workers=self.workers)
