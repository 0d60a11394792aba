"""The temporal network: chains of well-matching frames that go forward on both axes.

The lattice holds the most similar reference frames of every query frame. Edges lead forward by less than a step on both
axes. The chain of the greatest sum is a piece; it is taken out, and the next is looked for. All maps of a block are
searched in step: row by row, the best sum at every cell of the lattice is one array operation over all of them.

Source: Tan, Ngo, Hong, Chua: Scalable detection of partial near-duplicate videos by visual-temporal consistency, 2009;
settings and `reference` behaviour after VCSL.

Legend: B maps, Q query rows, R reference columns, K cells of a lattice row, D steps back (farthest first),
F chains in the order found, A maps still at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.search.alignment.boxes import Boxes, Doubles, Integers, gathered, not_overlapping
from podium.search.alignment.maps import Block, Map, blocks

_FAR = np.iinfo(np.int32).max
_EDGES_AT_ONCE = 1 << 20
_WORTH_LEAVING = 0.7


@dataclass(frozen=True, kw_only=True)
class TemporalNetwork:
    """Settings of the temporal network; the defaults are VCSL's.

    Its authors' search differs where `reference` is set: the similarity of a chain's first frame counts for nothing in
    the choice of the chain and need not reach `min_similarity`; a found chain stays, with edges of weight 0, so that it
    can be found again and later chains grow along it for free; the last cell of the lattice leads nowhere; and one more
    chain is looked for than `max_chains`. The default counts every frame and takes a found chain out.

    Attributes:
        max_step: An edge goes forward by at least 1 and less than this many frames, on both axes; 2 or more.
        top_k: Reference frames of each query frame in the lattice.
        max_chains: How many chains are looked for.
        min_similarity: Of every frame of a chain, and of the chain: sum over mean side length.
        min_length: A box's shorter side, first to last frame, must be longer than this.
        max_iou: A box must overlap each box kept before it by less.
        skip_used: No edge passes over a reference frame that a shorter edge of the same query frame leads to.
        reference: Exactly as VCSL's code.
    """

    max_step: int = 10
    top_k: int = 5
    max_chains: int = 10
    min_similarity: float = 0.2
    min_length: int = 5
    max_iou: float = 0.3
    skip_used: bool = True
    reference: bool = False

    def __post_init__(self) -> None:
        if self.max_step < 2 or self.top_k < 1 or self.max_chains < 1 or self.min_length < 0 or self.min_similarity < 0:
            raise UsageError(
                f"the temporal network has `{self}`; max_step from 2, top_k and max_chains from 1, and no negative "
                "min_length or min_similarity are needed"
            )

    def align(self, maps: Sequence[Map]) -> Boxes:
        """The boxes of all maps; a box's score is its chain's sum of similarities over its mean side length.

        Args:
            maps: Each (query rows, reference columns) of similarities, finite.

        >>> diagonal = np.eye(8)
        >>> boxes = TemporalNetwork(top_k=1).align([diagonal])
        >>> boxes.bounds_N4.tolist(), boxes.score_N.round(2).tolist()
        ([[0, 8, 0, 8]], [1.14])
        """
        edges = self.top_k**2 * (self.max_step - 1)
        # A lattice has so many edges a row, whatever the columns: blocks are cut by the larger of the two.
        widest = max((int(np.shape(each)[1]) for each in maps if np.ndim(each) == 2), default=1)
        cells = max(1, _EDGES_AT_ONCE * max(1, min(widest, edges)) // edges)
        return gathered([_boxes(block, self) for block in blocks(maps, cells=cells, most=256)])


def _boxes(block: Block, settings: TemporalNetwork) -> Boxes:
    chains = _Lattice(block, settings).chains()
    span_BF2 = chains.bounds_BF4[..., 1::2] - chains.bounds_BF4[..., ::2] - 1
    mean_BF = span_BF2.mean(axis=-1)
    score_BF = np.divide(chains.sum_BF, mean_BF, out=np.zeros_like(mean_BF), where=mean_BF > 0)
    long_BF = span_BF2.min(axis=-1) > settings.min_length
    allowed_BF = long_BF & (score_BF > settings.min_similarity)
    kept_BF = not_overlapping(chains.bounds_BF4, allowed_BF, max_iou=settings.max_iou, at_the_limit=False)
    map_N, found_N = np.nonzero(kept_BF)
    return Boxes(
        map_N=block.numbers_B[map_N],
        bounds_N4=chains.bounds_BF4[map_N, found_N],
        score_N=score_BF[map_N, found_N],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chains:
    """Bounds and sums of all chains, in the order found; what was not found is an empty box."""

    bounds_BF4: Integers
    sum_BF: Doubles


class _Lattice:
    """The lattices of a block, with the best sum at every cell; maps are the last axis."""

    def __init__(self, block: Block, settings: TemporalNetwork) -> None:
        self._settings = settings
        self._steps = settings.max_step - 1
        self._maps_A = np.arange(len(block.numbers_B))
        self._reference_QKA, self._similarity_QKA = _nearest(block.cells_BQR, settings.top_k)
        real_QKA = np.isfinite(self._similarity_QKA)
        good_QKA = self._similarity_QKA >= settings.min_similarity
        start_QKA = real_QKA if settings.reference else good_QKA
        self._edge_QKEA = self._edges(start_QKA, good_QKA)
        self._base_QKA = np.where(start_QKA, 0.0 if settings.reference else self._similarity_QKA, -np.inf)
        rows, width, count = self._base_QKA.shape
        if settings.reference:
            last_B = np.minimum(width, block.columns_B) - 1
            self._edge_QKEA[block.rows_B - 1, last_B, :, np.arange(count)] = -np.inf
        self._best_PKA = np.full((self._steps + rows, width, count), -np.inf)

    def _edges(self, start_QKA: NDArray[np.bool_], good_QKA: NDArray[np.bool_]) -> Doubles:
        """(Q, K, D x K, A) the weight of each edge into a cell, from the farthest row to the nearest; -inf for none."""
        rows, width, count = good_QKA.shape
        edge_QKDKA = np.full((rows, width, self._steps, width, count), -np.inf)
        used_QKA = np.full((rows, width, count), _FAR, np.int32)
        for step in range(1, min(self._steps, rows - 1) + 1):
            to_QKA, from_QKA = self._reference_QKA[step:], self._reference_QKA[:-step]
            ahead = to_QKA[:, :, None] - from_QKA[:, None]
            fits = (ahead > 0) & (ahead <= self._steps) & good_QKA[step:, :, None] & start_QKA[:-step, None]
            if self._settings.skip_used:
                fits &= to_QKA[:, :, None] <= used_QKA[:-step, None]
                led_to = np.any(fits, axis=2, keepdims=True) & (ahead > 0)
                nearest = np.where(led_to, to_QKA[:, :, None], _FAR).min(axis=1)
                np.minimum(used_QKA[:-step], nearest, out=used_QKA[:-step])
            edge_QKDKA[step:, :, self._steps - step] = np.where(fits, self._similarity_QKA[step:, :, None], -np.inf)
        return edge_QKDKA.reshape(rows, width, self._steps * width, count)

    def chains(self) -> _Chains:
        """Looks for one chain after the other in all maps at once."""
        settings = self._settings
        rounds = settings.max_chains + settings.reference
        # A chain whose sum is no more than this is too weak or too short, and no later one has a greater sum.
        floor = 0.0 if settings.reference else settings.min_similarity * (settings.min_length + 1)
        bounds_BF4 = np.zeros((len(self._maps_A), rounds, 4), np.int64)
        sum_BF = np.zeros((len(self._maps_A), rounds))
        for found in range(rounds):
            self._propagate()
            cells_CA = self._best_PKA[self._steps :].reshape(-1, len(self._maps_A))
            end_A = cells_CA.argmax(axis=0)
            alive_A = cells_CA[end_A, np.arange(len(end_A))] > floor
            if not alive_A.any():
                break
            if alive_A.mean() < _WORTH_LEAVING:
                self._leave(alive_A)
                end_A, alive_A = end_A[alive_A], np.ones(int(alive_A.sum()), np.bool_)
            start_A, sum_A = self._take_out(end_A)
            maps = self._maps_A[alive_A]
            bounds_BF4[maps, found] = self._bounds(start_A, end_A)[alive_A]
            sum_BF[maps, found] = sum_A[alive_A]
        return _Chains(bounds_BF4=bounds_BF4, sum_BF=sum_BF)

    def _propagate(self) -> None:
        """The greatest sum of a chain that ends at each cell."""
        width = self._base_QKA.shape[1]
        sums_KEA = np.empty(self._edge_QKEA.shape[1:])
        for row in range(len(self._base_QKA)):
            before_EA = self._best_PKA[row : row + self._steps].reshape(self._steps * width, -1)
            np.add(self._edge_QKEA[row], before_EA, out=sums_KEA)
            best_KA = self._best_PKA[row + self._steps]
            sums_KEA.max(axis=1, out=best_KA)
            np.maximum(best_KA, self._base_QKA[row], out=best_KA)

    def _take_out(self, end_A: Integers) -> tuple[Integers, Doubles]:
        """Walks every map's best chain back from its end: the first cell, and the sum of its similarities."""
        width, reference = self._base_QKA.shape[1], self._settings.reference
        cell_A, sum_A = end_A.copy(), np.zeros(len(end_A))
        at = np.arange(len(end_A))
        while len(at):
            row, place = np.divmod(cell_A[at], width)
            sum_A[at] += self._similarity_QKA[row, place, at]
            steps_W = np.arange(self._steps)
            before = self._best_PKA[row[:, None] + steps_W, :, at[:, None]].reshape(len(at), -1)
            into = self._edge_QKEA[row, place, :, at] + before
            choice = into.argmax(axis=1)
            value = into[np.arange(len(at)), choice]
            goes_on = value >= 0 if reference else value > self._base_QKA[row, place, at]
            if reference:
                self._edge_QKEA[row[goes_on], place[goes_on], choice[goes_on], at[goes_on]] = 0.0
            else:
                self._edge_QKEA[row, place, :, at] = -np.inf
                self._base_QKA[row, place, at] = -np.inf
            back, before_place = np.divmod(choice, width)
            at = at[goes_on]
            cell_A[at] = ((row - self._steps + back) * width + before_place)[goes_on]
        return cell_A, sum_A

    def _bounds(self, start_A: Integers, end_A: Integers) -> Integers:
        width = self._base_QKA.shape[1]
        at = np.arange(len(end_A))
        first, last = (self._reference_QKA[cell // width, cell % width, at] for cell in (start_A, end_A))
        return np.stack([start_A // width, end_A // width + 1, first, last + 1], axis=1).astype(np.int64)

    def _leave(self, alive_A: NDArray[np.bool_]) -> None:
        """Goes on with fewer maps."""
        self._maps_A = self._maps_A[alive_A]
        self._reference_QKA = self._reference_QKA[..., alive_A]
        self._similarity_QKA = self._similarity_QKA[..., alive_A]
        self._edge_QKEA = self._edge_QKEA[..., alive_A]
        self._base_QKA = self._base_QKA[..., alive_A]
        self._best_PKA = self._best_PKA[..., alive_A]


def _nearest(cells_BQR: Doubles, top_k: int) -> tuple[NDArray[np.int32], Doubles]:
    """The most similar columns of every row, best first, the leftmost of equals; both (Q, K, B)."""
    cells_BQR = cells_BQR.copy()
    count, rows, columns = cells_BQR.shape
    width = min(top_k, columns)
    flat_CR = cells_BQR.reshape(-1, columns)
    each_C = np.arange(len(flat_CR))
    reference_KC = np.empty((width, len(flat_CR)), np.int32)
    similarity_KC = np.empty((width, len(flat_CR)))
    for place in range(width):
        best_C = flat_CR.argmax(axis=1)
        reference_KC[place] = best_C
        similarity_KC[place] = flat_CR[each_C, best_C]
        flat_CR[each_C, best_C] = -np.inf
    shape = (width, count, rows)
    order = (2, 0, 1)
    return (
        np.ascontiguousarray(reference_KC.reshape(shape).transpose(order)),
        np.ascontiguousarray(similarity_KC.reshape(shape).transpose(order)),
    )
