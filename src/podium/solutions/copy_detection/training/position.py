"""Position embeddings of a transformer for another size of its input.

A transformer that was trained on a grid of 14 x 14 patches has a vector for each place; for a grid of 24 x 24 they are
resampled as the pixels of an image are, by the antialiased bicubic filter that timm uses. The vectors of tokens that
have no place (class, registers) stay.

Axes: L tokens, D dimensions, h and w the grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from podium.errors import MachineError, UsageError

try:
    from torch import Tensor, cat, nn
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

NAME = "pos_embed"

Grid = tuple[int, int]


def resampled(embedding_1LD: Tensor, *, grid: Grid, tokens: int = 1, old_grid: Grid | None = None) -> Tensor:
    """(1, tokens + h w, D) in the type that it had.

    Args:
        embedding_1LD: Those of `tokens` without a place, then those of the old grid, row by row.
        grid: The new (h, w).
        tokens: That have no place.
        old_grid: None takes a square.

    Raises:
        UsageError: The embedding does not have the places of the old grid, or they are no square.
    """
    if embedding_1LD.ndim != 3 or len(embedding_1LD) != 1 or min(grid) < 1:
        shape = tuple(embedding_1LD.shape)
        raise UsageError(f"position embeddings are (1, L, D), their grid at least 1 x 1; found `{shape}` and `{grid}`")
    places = embedding_1LD.shape[1] - tokens
    height, width = old_grid or _square(places)
    if height * width != places:
        raise UsageError(f"position embeddings of {places} places do not fill a grid of {height} x {width}")
    if (height, width) == tuple(grid):
        return embedding_1LD
    map_1Dhw = embedding_1LD[:, tokens:].float().reshape(1, height, width, -1).permute(0, 3, 1, 2)
    map_1Dhw = functional.interpolate(map_1Dhw, size=list(grid), mode="bicubic", antialias=True, align_corners=False)
    placed_1LD = map_1Dhw.flatten(2).transpose(1, 2).to(embedding_1LD.dtype)
    return cat([embedding_1LD[:, :tokens], placed_1LD], dim=1)


def fitted(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A state whose position embeddings have the grid for which the network was made; the rest is as it was.

    Works for every part of the network that timm makes with patches: its vision transformers, also those whose patches
    come from a convolutional net. A network without position embeddings takes its state as it is.

    Args:
        state: By the network's names; its position embeddings are of square grids where they have another size.
        network: Says which grids it has.

    Raises:
        UsageError: The embeddings of the state are of no square grid, or of vectors of another length.
    """
    fitting = dict(state)
    for prefix, part in network.named_modules():
        name = f"{prefix}.{NAME}" if prefix else NAME
        wanted, patches = getattr(part, NAME, None), getattr(part, "patch_embed", None)
        if name not in state or not isinstance(wanted, Tensor) or patches is None:
            continue
        if state[name].ndim != 3 or state[name].shape[2] != wanted.shape[2]:
            shapes = f"`{tuple(state[name].shape)}`, not `{tuple(wanted.shape)}`"
            raise UsageError(f"the position embeddings `{name}` are {shapes}; only the number of places may differ")
        if state[name].shape != wanted.shape:
            fitting[name] = resampled(state[name], grid=_grid(patches), tokens=_tokens_without_place(part))
    return fitting


def _grid(patches: Any) -> Grid:
    height, width = patches.grid_size
    return int(height), int(width)


def _tokens_without_place(part: Any) -> int:
    return 0 if getattr(part, "no_embed_class", False) else int(getattr(part, "num_prefix_tokens", 1))


def _square(places: int) -> Grid:
    side = math.isqrt(max(0, places))
    if side < 1 or side * side != places:
        raise UsageError(f"position embeddings of {places} places are of no square grid; say which grid they are of")
    return side, side
