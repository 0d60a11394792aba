"""Where two photographs agree: the cosine of their embeddings, parted over the positions of both.

A pooled channel is a mean of powers, so each position has an exact share in it; everything behind the pooling is linear
where the neck is (none, batch norm, linear and batch norm). The parts of all positions then add up to the cosine. For
any other neck the gradient of the pair's cosine at the last maps stands in, and nothing adds up.

Axes: H rows, W columns, C channels, D dimensions, B photographs.
Sources: Stylianou, Souvenir and Pless, "Visualizing deep similarity networks", 2019 (parts of pooled similarities);
Selvaraju et al., "Grad-CAM", 2017; Petsiuk, Das and Saenko, "RISE", 2018 (deletion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.solutions.reidentification import network as networks
from podium.solutions.reidentification.embedding import vectors
from podium.solutions.reidentification.model import ASSETS, MODEL_FILE, Member, Model
from podium.solutions.reidentification.network import Dolg, Network
from podium.solutions.reidentification.ranking import unit_rows
from podium.types import PairMap, Progress, silent

try:
    import torch
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
_SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """What each position of two photographs, as the network saw them, brings to their similarity.

    Attributes:
        query_HW: Of the first photograph; adds up to the similarity where `exact`.
        candidate_HW: Of the second; the same.
        similarity: Cosine, mean of the members by weight.
        exact: Whether the parts add up.
    """

    query_HW: Floats
    candidate_HW: Floats
    similarity: float
    exact: bool


def explain(model: Model, query: Path, candidate: Path) -> PairMap:
    """Where two photographs agree, over each of them as it lies in its file.

    Members of a model are averaged by weight, whichever pairs they serve.

    Args:
        model: Its mirrored looks are part of the answer.
        query: A photograph.
        candidate: Another.

    Raises:
        UsageError: One of them cannot be read.
    """
    totals: list[tuple[Floats, Floats, float]] = []
    for member in model.members:
        images = [networks.read_image(each, member.network.settings) for each in (query, candidate)]
        found = agreement(member, images[0], images[1], model=model)
        grids = [
            _as_in_file(grid_HW, path, member.network)
            for grid_HW, path in ((found.query_HW, query), (found.candidate_HW, candidate))
        ]
        totals.append((grids[0], grids[1], found.similarity))
    weights = np.array([each.weight for each in model.members])
    weights = weights / weights.sum()
    query_HW = _stacked([weight * each for weight, (each, _, _) in zip(weights, totals, strict=True)])
    candidate_HW = _stacked([weight * each for weight, (_, each, _) in zip(weights, totals, strict=True)])
    similarity = float(sum(weight * each[2] for weight, each in zip(weights, totals, strict=True)))
    return PairMap(query=_shown(query_HW), candidate=_shown(candidate_HW), similarity=similarity)


def explain_pairs(
    submission: Path, pairs: Sequence[tuple[Path, Path]], *, progress: Progress = silent
) -> Sequence[PairMap]:
    """One map a pair, by the model that lies in a submission's folder.

    Args:
        submission: The folder with the model's assets.
        pairs: Photographs, query first.
        progress: Shown a step for each pair.

    Raises:
        UsageError: The submission carries no model of this kind, or a photograph cannot be read.
    """
    folder = submission / ASSETS
    if not (folder / MODEL_FILE).is_file():
        raise UsageError(f"`{submission}` carries no model that Podium knows: `{ASSETS}/{MODEL_FILE}` is missing")
    model = Model.load(folder)
    steps = progress(pairs, what="explaining pairs", total=len(pairs))
    return [explain(model, query, candidate) for query, candidate in steps]


def agreement(member: Member, query_HWC: Pixels, candidate_HWC: Pixels, *, model: Model) -> Agreement:
    """What each position brings, by one member.

    Args:
        member: Of the model.
        query_HWC: As `network.read_image` gives it.
        candidate_HWC: The same.
        model: Its settings say whether mirrored looks count.
    """
    network, settings = member.network, model.settings
    pair = _embedded(network, [query_HWC, candidate_HWC], model).astype(np.float64)
    similarity = float(pair[0] @ pair[1])
    grids = [
        _parts(network, image, other, flip=settings.flip, concatenate=settings.concatenate)
        for image, other in ((query_HWC, pair[1]), (candidate_HWC, pair[0]))
    ]
    return Agreement(
        query_HW=grids[0], candidate_HW=grids[1], similarity=similarity, exact=not isinstance(network.neck, Dolg)
    )


def _parts(network: Network, image_HWC: Pixels, other_D: Floats, *, flip: bool, concatenate: bool) -> Floats:
    """(H, W) parts of one photograph's cosine with a unit vector, summed over its looks."""
    looks = [image_HWC, image_HWC[:, ::-1]] if flip else [image_HWC]
    raw = [_vector(network, look) for look in looks]
    units = [unit_rows(each[None]) for each in raw]
    joined = [each.astype(np.float64) for each in units]
    whole = np.concatenate(joined, axis=1) if concatenate else np.sum(joined, axis=0)
    length = float(np.linalg.norm(whole)) or 1.0
    targets = np.split(other_D, len(looks)) if concatenate else [other_D] * len(looks)
    total: Floats | None = None
    for number, (look, vector_D, target_D) in enumerate(zip(looks, raw, targets, strict=True)):
        scale = 1 / ((float(np.linalg.norm(vector_D)) or 1.0) * length)
        grid_HW = look_parts(network, look, target_D * scale)
        grid_HW = grid_HW[:, ::-1] if number else grid_HW
        total = grid_HW if total is None else total + grid_HW
    if total is None:
        raise UsageError("there is no photograph to explain")
    return total


def look_parts(network: Network, image_HWC: Pixels, target_D: Floats) -> Floats:
    """(H, W) on the finest level's grid: what each position brings to the inner product of embedding and target.

    Args:
        network: In evaluation mode.
        image_HWC: As `network.read_image` gives it.
        target_D: With which the embedding, not of unit length, is multiplied.
    """
    maps = _maps(network, image_HWC)
    target = torch.as_tensor(target_D, dtype=torch.float64, device=maps[0].device)
    if isinstance(network.neck, Dolg):
        return _gradient_parts(network, maps, target)
    pooled_1C, slope_C, rest = _linear_part(network, maps, target)
    parts: list[Floats] = []
    start = 0
    for map_1CHW, pool in zip(maps, network.pools, strict=True):
        channels = map_1CHW.shape[1]
        span = slice(start, start + channels)
        brought_CHW = _brought(map_1CHW[0].double(), pooled_1C[0, span], getattr(pool, "power", None))
        parts.append(torch.einsum("chw,c->hw", brought_CHW, slope_C[span]).cpu().numpy())
        start += channels
    grid_HW = _stacked(parts)
    # What the neck adds whatever it sees belongs to no position; spread evenly it moves none before another.
    return grid_HW + rest / grid_HW.size


def _linear_part(network: Network, maps: list[Any], target_D: Any) -> tuple[Any, Any, float]:
    """Pooled channels, how strongly each counts towards the target, and what is added whatever they are."""
    with torch.enable_grad():
        pooled_1C = network.pool(maps).detach().requires_grad_(True)
        value = (network.neck(pooled_1C)[0].double() * target_D).sum()
        (slope_1C,) = torch.autograd.grad(value, pooled_1C)
    pooled_1C, slope_C = pooled_1C.detach().double(), slope_1C[0].double()
    return pooled_1C, slope_C, float(value.detach() - (pooled_1C[0] * slope_C).sum())


def _brought(map_CHW: Any, pooled_C: Any, power: Any) -> Any:
    """(C, H, W) what the positions bring to each pooled channel; they add up to it."""
    if power is None:
        return map_CHW / map_CHW[0].numel()
    # The peak is divided out first, because powers of weak channels would vanish.
    seen_CHW = map_CHW.clamp(min=_SMALLEST)
    powers_CHW = (seen_CHW / seen_CHW.amax((-2, -1), keepdim=True)) ** float(torch.as_tensor(power).detach())
    return powers_CHW / powers_CHW.sum((-2, -1), keepdim=True) * pooled_C[:, None, None]


def _gradient_parts(network: Network, maps: list[Any], target_D: Any) -> Floats:
    """Grad-CAM with the inner product as the target: over the finest maps, gradient times activation, positive part."""
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_(True) for each in maps]
        value = (network.embed(leaves)[0].double() * target_D).sum()
        slopes = torch.autograd.grad(value, leaves)
    grids = [
        (slope.double().mean((-2, -1), keepdim=True) * leaf.detach().double()).sum(1)[0].clamp(min=0).cpu().numpy()
        for slope, leaf in zip(slopes, leaves, strict=True)
    ]
    return _stacked(grids)


def _stacked(grids: list[Floats]) -> Floats:
    """The sum of grids on the finest of them; a coarse cell's part is spread evenly over the area that it covers."""
    height, width = max(each.shape[0] for each in grids), max(each.shape[1] for each in grids)
    total = np.zeros((height, width))
    for grid_HW in grids:
        total += _overlaps(height, grid_HW.shape[0]) @ grid_HW @ _overlaps(width, grid_HW.shape[1]).T
    return total


def _overlaps(fine: int, coarse: int) -> Floats:
    """(fine, coarse): which share of each coarse cell lies in each fine one; columns add up to 1.

    >>> _overlaps(3, 2).round(3).tolist()
    [[0.667, 0.0], [0.333, 0.333], [0.0, 0.667]]
    """
    edges_F, edges_C = np.arange(fine + 1) / fine, np.arange(coarse + 1) / coarse
    low = np.maximum(edges_F[:-1, None], edges_C[None, :-1])
    high = np.minimum(edges_F[1:, None], edges_C[None, 1:])
    return np.clip(high - low, 0, None) * coarse


def _maps(network: Network, image_HWC: Pixels) -> list[Any]:
    device = next(network.parameters()).device
    with torch.no_grad():
        batch = torch.from_numpy(np.array(image_HWC[None])).to(device)
        return [each.float() for each in network.eval().maps(networks.normalise(batch, network.settings))]


def _embedded(network: Network, images: Sequence[Pixels], model: Model) -> NDArray[np.float32]:
    """(B, D) unit embeddings of photographs in memory, as many at a time as a batch holds."""
    at_once = max(1, model.settings.batch // (2 if model.settings.flip else 1))
    chunks = [np.stack(images[start : start + at_once]) for start in range(0, len(images), at_once)]
    return np.concatenate([vectors(network, each, model.settings) for each in chunks])


def _vector(network: Network, image_HWC: Pixels) -> Floats:
    with torch.no_grad():
        return network.embed(_maps(network, image_HWC))[0].double().cpu().numpy()


def _as_in_file(grid_HW: Floats, path: Path, network: Network) -> Floats:
    """The grid over the photograph as it lies in its file: turned back where it was turned upright."""
    return np.rot90(grid_HW) if network.settings.upright and _is_wide(path) else grid_HW


def _is_wide(path: Path) -> bool:
    from podium.media import images

    height, width = images.read(path).shape[:2]
    return width > height


def _shown(grid_HW: Floats) -> tuple[tuple[float, ...], ...]:
    """0 where nothing agrees, 1 where most does."""
    positive_HW = np.clip(grid_HW, 0, None)
    peak = float(positive_HW.max(initial=0.0))
    scaled = positive_HW / peak if peak > 0 else positive_HW
    return tuple(tuple(round(value, 4) for value in row) for row in scaled.tolist())


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """The similarity of a pair after parts of the first photograph were blurred away.

    A map means something when the similarity suffers most where the map is high, and least where it is low.

    Attributes:
        whole: Nothing is blurred.
        most: The share of positions with the highest values is blurred.
        chance: The same pattern of positions moved to a random place; mean over draws.
        least: Those with the lowest values.
    """

    whole: float
    most: float
    chance: float
    least: float


def deletion(
    model: Model,
    query: Path,
    candidate: Path,
    pair_map: PairMap,
    *,
    share: float = 0.3,
    draws: int = 8,
    seed: int = 0,
) -> Deletion:
    """How much the similarity of a pair hangs on the positions that its map names.

    Args:
        model: As for `explain`.
        query: The photograph that is blurred.
        candidate: Stays as it is.
        pair_map: Of the two.
        share: Of the positions, above 0 and below 1.
        draws: Of random positions.
        seed: Of what is drawn.

    Raises:
        UsageError: The share cannot be, or a photograph cannot be read.
    """
    if not 0 < share < 1 or draws < 1:
        raise UsageError(f"the share is `{share}` and draws `{draws}`; a share between 0 and 1 and a draw are needed")
    grid_HW = np.array(pair_map.query)
    count = max(1, round(share * grid_HW.size))
    falling = np.argsort(-grid_HW, axis=None, kind="stable")
    rng = np.random.default_rng(seed)
    chosen = [falling[:0], falling[:count], falling[-count:]]
    chosen += [_moved(falling[:count], grid_HW.shape, rng) for _ in range(draws)]
    weights = np.array([each.weight for each in model.members])
    found = np.zeros(len(chosen))
    for member, weight in zip(model.members, weights / weights.sum(), strict=True):
        settings = member.network.settings
        image_HWC, other_HWC = (networks.read_image(each, settings) for each in (query, candidate))
        turned = settings.upright and _is_wide(query)
        masks = [_mask(each, grid_HW.shape, image_HWC.shape[:2], turned=turned) for each in chosen]
        other_D = _embedded(member.network, [other_HWC], model)[0].astype(np.float64)
        looks_ND = _embedded(member.network, [blurred(image_HWC, each) for each in masks], model)
        found += weight * (looks_ND.astype(np.float64) @ other_D)
    whole, most, least = found[:3].tolist()
    return Deletion(whole=whole, most=most, chance=float(found[3:].mean()), least=least)


def blurred(image_HWC: Pixels, mask_HW: NDArray[np.bool_]) -> Pixels:
    """The photograph with what is under the mask blurred beyond recognition."""
    from PIL import Image, ImageFilter

    radius = max(image_HWC.shape[:2]) / 12
    soft_HWC = np.asarray(Image.fromarray(image_HWC).filter(ImageFilter.GaussianBlur(radius)))
    return np.where(mask_HW[:, :, None], soft_HWC, image_HWC)


def _moved(cells: NDArray[Any], grid: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Cells moved together, those that leave on one side come in on the other, never back to where they were."""
    height, width = grid
    step = int(rng.integers(1, max(height * width, 2)))
    rows, columns = np.divmod(cells, width)
    return (rows + step // width) % height * width + (columns + step) % width


def _mask(cells: NDArray[Any], grid: tuple[int, ...], size: tuple[int, ...], *, turned: bool) -> NDArray[np.bool_]:
    """(H, W) pixels of the input that lie in some cells of a grid over the file."""
    mask = np.zeros(grid, np.bool_)
    mask.reshape(-1)[cells] = True
    mask = np.rot90(mask, k=-1) if turned else mask
    rows, columns = (np.arange(edge) * count // edge for edge, count in zip(size, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]
