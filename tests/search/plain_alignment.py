"""Temporal alignment as the descriptions read, one cell after the other; shares nothing with the room.

Boxes are [query first, query last, reference first, reference last], both ends inclusive, with a score.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

Cell = tuple[int, int]
Box = tuple[int, int, int, int, float]


def iou(a: Box, b: Box) -> float:
    """In cells."""
    shared = 1
    for at in (0, 2):
        shared *= max(0, min(a[at + 1], b[at + 1]) - max(a[at], b[at]) + 1)
    areas = [(box[1] - box[0] + 1) * (box[3] - box[2] + 1) for box in (a, b)]
    return shared / (sum(areas) - shared)


def temporal_network(
    similarity: np.ndarray,
    *,
    max_step: int = 10,
    top_k: int = 5,
    max_chains: int = 10,
    min_similarity: float = 0.2,
    min_length: int = 5,
    max_iou: float = 0.3,
    skip_used: bool = True,
    reference: bool = False,
) -> list[Box]:
    """Chains by a search over explicit edges."""
    rows, columns = similarity.shape
    lattice = [
        sorted(range(columns), key=lambda column, row=row: (-row[column], column))[:top_k]
        for row in similarity.tolist()
    ]
    nodes: list[Cell] = [(q, r) for q in range(rows) for r in lattice[q]]
    if not reference:
        nodes = [(q, r) for q, r in nodes if similarity[q, r] >= min_similarity]
    edges: dict[Cell, list[tuple[Cell, float]]] = {node: [] for node in nodes}
    for q in range(rows):
        used: set[int] = set()
        for to in range(q + 1, min(rows, q + max_step)):
            reached: set[int] = set()
            for r in lattice[q]:
                for s in lattice[to]:
                    blocked = skip_used and any(r < each < s for each in used)
                    fits = 0 < s - r < max_step and not blocked and similarity[to, s] >= min_similarity
                    if fits and (q, r) in edges:
                        edges[to, s].append(((q, r), float(similarity[to, s])))
                        reached.add(s)
            used |= reached
    if reference:
        edges[nodes[-1]] = []
    found: list[Box] = []
    for _ in range(max_chains + reference):
        best: dict[Cell, float] = {}
        before: dict[Cell, Cell | None] = {}
        for node in nodes:
            best[node] = 0.0 if reference else float(similarity[node])
            before[node] = None
            top = None
            for source, weight in edges[node]:
                value = best[source] + weight
                if top is None or value > top:
                    top = value
                    if value > best[node] or (reference and value >= best[node]):
                        best[node], before[node] = value, source
        if not nodes:
            break
        end = max(nodes, key=lambda node: best[node])
        if reference and best[end] <= 0:
            break
        chain: list[Cell] = [end]
        while (step := before[chain[-1]]) is not None:
            chain.append(step)
        chain.reverse()
        if reference:
            for source, target in pairwise(chain):
                edges[target] = [(each, 0.0 if each == source else weight) for each, weight in edges[target]]
        else:
            gone = set(chain)
            nodes = [node for node in nodes if node not in gone]
            edges = {
                node: [each for each in into if each[0] not in gone] for node, into in edges.items() if node not in gone
            }
        total = sum(float(similarity[cell]) for cell in chain)
        sides = [chain[-1][axis] - chain[0][axis] for axis in range(2)]
        if min(sides) <= min_length or total / (sum(sides) / 2) <= min_similarity:
            continue
        box = (chain[0][0], chain[-1][0], chain[0][1], chain[-1][1], total / (sum(sides) / 2))
        if all(iou(box, each) < max_iou for each in found):
            found.append(box)
    return found


def kept_pieces(
    path: list[Cell], similarity: np.ndarray, *, max_run: int, min_length: int, min_mean: float
) -> list[Box]:
    """The pieces of a path without its standstills."""
    dropped: set[int] = set()
    for axis in range(2):
        start = 0
        for at in range(1, len(path) + 1):
            if at == len(path) or path[at][axis] != path[start][axis]:
                if at - start > max_run and at - start > 1:
                    dropped |= set(range(start, at))
                start = at
    found: list[Box] = []
    piece: list[Cell] = []
    for at, cell in enumerate([*path, None]):
        if cell is not None and at not in dropped:
            piece.append(cell)
            continue
        if piece:
            mean = sum(float(similarity[each]) for each in piece) / len(piece)
            sides = [piece[-1][axis] - piece[0][axis] for axis in range(2)]
            if len(piece) > min_length and min(sides) > min_length and mean > min_mean:
                found.append((piece[0][0], piece[-1][0], piece[0][1], piece[-1][1], mean))
        piece = []
    return found


def time_warping(
    similarity: np.ndarray, *, max_run: int = 3, min_similarity: float = 0.2, min_length: int = 5
) -> list[Box]:
    """The cheapest path by a table."""
    rows, columns = similarity.shape
    total: dict[Cell, float] = {}
    for q in range(rows):
        for r in range(columns):
            before = [total[each] for each in ((q - 1, r - 1), (q - 1, r), (q, r - 1)) if each in total]
            total[q, r] = 1 - float(similarity[q, r]) + min(before, default=0.0)
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        q, r = path[-1]
        path.append(
            min(
                (each for each in ((q - 1, r - 1), (q - 1, r), (q, r - 1)) if each in total),
                key=lambda each: total[each],
            )
        )
    return kept_pieces(path[::-1], similarity, max_run=max_run, min_length=min_length, min_mean=min_similarity)


def dynamic_programming(
    similarity: np.ndarray,
    *,
    max_unmatched: int = 3,
    min_similarity: float = 0.0,
    min_mean: float = 0.3,
    min_length: int = 5,
    max_run: int = 30,
    max_paths: int = 100,
) -> list[Box]:
    """A table of sums; every path is looked for, however weak."""
    worth = similarity + 1.0
    rows, columns = worth.shape
    total, unmatched = worth.copy(), np.zeros(worth.shape, int)
    way: dict[Cell, Cell | None] = {(q, r): None for q in range(rows) for r in range(columns)}
    for q in range(1, rows):
        for r in range(1, columns):
            choices = [((q - 1, r - 1), 1.0), ((q - 1, r), 0.5), ((q, r - 1), 0.5)]
            values = [total[cell] + share * worth[q, r] for cell, share in choices]
            pick = values.index(max(values))
            if worth[q, r] < min_similarity + 1.0:
                unmatched[q, r] = unmatched[choices[pick][0]] + 1
            if unmatched[q, r] <= max_unmatched:
                total[q, r], way[q, r] = values[pick], choices[pick][0]
    found: list[Box] = []
    for _ in range(max_paths):
        q, r = divmod(int(total.argmax()), columns)
        if total[q, r] == -np.inf:
            break
        path: list[Cell] = [(q, r)]
        while (before := way[path[-1]]) is not None and total[before] > -np.inf:
            path.append(before)
        path.reverse()
        total[path[0][0] : path[-1][0] + 1, path[0][1] : path[-1][1] + 1] = -np.inf
        found += kept_pieces(path, similarity, max_run=max_run, min_length=min_length, min_mean=min_mean)
    return found


def hough_voting(
    similarity: np.ndarray,
    *,
    min_similarity: float = 0.2,
    max_peaks: int = 100,
    max_iou: float = 0.9,
    min_length: int = 5,
    reference: bool = False,
) -> list[Box]:
    """Diagonal after diagonal."""
    rows, columns = similarity.shape
    votes: list[Box] = []
    for lag in range(1 - rows, columns):
        cells = [(q, q + lag) for q in range(rows) if 0 <= q + lag < columns]
        good = [cell for cell in cells if similarity[cell] >= min_similarity]
        if not good:
            continue
        total = sum(float(similarity[cell]) for cell in good)
        ends = cells if reference else good
        if total > 0 and (reference or ends[-1][0] - ends[0][0] > min_length):
            votes.append((ends[0][0], ends[-1][0], ends[0][1], ends[-1][1], total))
    found: list[Box] = []
    for box in sorted(votes, key=lambda each: -each[4])[:max_peaks]:
        if all(iou(box, each) <= max_iou for each in found):
            found.append(box)
    return found
