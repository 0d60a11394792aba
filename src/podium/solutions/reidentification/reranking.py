"""k-reciprocal re-ranking, one query at a time against its database.

The published form mixes all queries: a query's neighbours may be other queries, and its ranking changes with them. Here
each query is re-ranked as the only one. What concerns the database alone is computed once; a query from outside changes
the neighbourhoods that would admit it, and only those are computed again. A query whose own image lies in the database
is that image: its re-ranking reads the database's own table.

Axes: N images of the database, M = N + 1 images with the query, which comes first, K neighbours, H half of them, P some
images, W places for members, F images whose neighbourhood is computed again, S support of a query.
Source: Zhong, Zheng, Cao and Li, "Re-ranking person re-identification with k-reciprocal encoding", 2017.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.solutions.reidentification.ranking import NOBODY, Bools, Floats, Indices

_ENOUGH_SHARED = 2 / 3
_CHUNK = 128


@dataclass(frozen=True, kw_only=True)
class Reranking:
    """How it is done.

    Attributes:
        neighbours: Within which images must find each other (k1).
        averaged: Nearest images whose neighbourhoods are averaged (k2); 1 is none.
        distance_weight: Of the plain distance beside the Jaccard distance of neighbourhoods (lambda), 0 to 1.
    """

    neighbours: int = 20
    averaged: int = 6
    distance_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.averaged < 1 or not 0 <= self.distance_weight <= 1:
            raise UsageError("re-ranking needs neighbours and averaged of 1 or more and a distance weight from 0 to 1")


class Neighbourhoods:
    """Who is whose reciprocal neighbour among some images, and how much.

    Distances are squared, and each image's are divided by its greatest. Equal distances are in the order of the images.

    Args:
        squared_NN: Squared distances, with zeros on the diagonal.
        settings: How it is done.
    """

    def __init__(self, squared_NN: Floats, settings: Reranking) -> None:
        self.settings = settings
        self._squared_NN = squared_NN
        self._greatest_N = squared_NN.max(axis=1, initial=0.0)
        self._size = max(settings.neighbours, settings.averaged - 1) + 1
        self._near_NK: Indices = np.array([nearest_of(row, self._size) for row in squared_NN], np.int64)
        self._near_NK = self._near_NK.reshape(len(squared_NN), -1)
        self._weights_NN = np.zeros(squared_NN.shape)
        self._members: list[Indices] = []
        self._decided_by: list[Indices] = []
        for start in range(0, len(squared_NN), _CHUNK):
            images_P = np.arange(start, min(start + _CHUNK, len(squared_NN)))
            members_PW, inside_PW = expanded(images_P, self._near_NK, settings)
            weights_PW = _weights(squared_NN[images_P[:, None], members_PW], inside_PW, self._greatest_N[images_P])
            self._weights_NN[images_P] = spread(members_PW, inside_PW, weights_PW, len(squared_NN))
            for members, inside in zip(members_PW, inside_PW, strict=True):
                self._members.append(np.unique(members[inside]))
        self._decided_by = [self._half_lists(image) for image in range(len(squared_NN))]

    def distances(self, image: int) -> Floats:
        """(N,) re-ranked distances of one of the images to all of them."""
        near_NK = averaged_of(self._near_NK, self.settings)
        spread_N = self._weights_NN[near_NK[image]].mean(axis=0)
        support = np.flatnonzero(spread_N)
        spread_NS = self._weights_NN[:, support][near_NK].mean(axis=1)
        plain_N = self._squared_NN[image] / (self._greatest_N[image] or 1.0)
        return blend(spread_N[support], spread_NS, plain_N, self.settings)

    def distances_from(self, squared_N: Floats) -> Floats:
        """(N,) re-ranked distances of a query from outside to all images.

        Args:
            squared_N: Its squared distances.
        """
        near_MK, place_N = self._admitting(squared_N)
        averaged_MK = averaged_of(near_MK, self.settings)
        greatest_M = np.concatenate([[squared_N.max(initial=0.0)], np.maximum(self._greatest_N, squared_N)])
        fresh = np.unique(np.concatenate([[0], averaged_MK[0], self._moved(place_N) + 1]))
        fresh_FM = self._fresh(fresh, squared_N, near_MK, greatest_M)
        spread_M = fresh_FM[np.searchsorted(fresh, averaged_MK[0])].mean(axis=0)
        support = np.flatnonzero(spread_M)
        weights_MS = np.zeros((len(near_MK), len(support)))
        inside = support > 0
        weights_MS[1:, inside] = self._weights_NN[:, support[inside] - 1]
        for image in np.flatnonzero(greatest_M[1:] > self._greatest_N).tolist():
            # Its greatest distance is now that of the query, which is no member, or it is fresh as well.
            members = self._members[image]
            raw = np.exp(-self._squared_NN[image, members] / greatest_M[image + 1])
            row_N = np.zeros(len(squared_N))
            row_N[members] = raw / raw.sum()
            weights_MS[image + 1, inside] = row_N[support[inside] - 1]
        weights_MS[fresh] = fresh_FM[:, support]
        spread_NS = weights_MS[averaged_MK[1:]].mean(axis=1)
        return blend(spread_M[support], spread_NS, squared_N / (greatest_M[0] or 1.0), self.settings)

    def _fresh(self, images: Indices, squared_N: Floats, near_MK: Indices, greatest_M: Floats) -> Floats:
        """(F, M) weights of some images' neighbourhoods once the query is there."""
        rows: list[Floats] = []
        for start in range(0, len(images), _CHUNK):
            images_P = images[start : start + _CHUNK]
            members_PW, inside_PW = expanded(images_P, near_MK, self.settings)
            squared_PW = self._squared(images_P[:, None], members_PW, squared_N)
            weights_PW = _weights(squared_PW, inside_PW, greatest_M[images_P])
            rows.append(spread(members_PW, inside_PW, weights_PW, len(near_MK)))
        return np.concatenate(rows)

    def _squared(self, first: Indices, second: Indices, squared_N: Floats) -> Floats:
        """Squared distances of pairs of images, the query as 0."""
        between = self._squared_NN[np.maximum(first - 1, 0), np.maximum(second - 1, 0)]
        from_query = squared_N[np.maximum(np.maximum(first, second) - 1, 0)]
        return np.where((first > 0) & (second > 0), between, np.where((first > 0) | (second > 0), from_query, 0.0))

    def _moved(self, place_N: Indices) -> Indices:
        """The images whose neighbourhood may have other members, given the query's place among each one's nearest."""
        changed_N, half_N = place_N <= self.settings.neighbours, place_N <= half_of(self.settings)
        near_NK = self._near_NK[:, : self.settings.neighbours + 1]
        moved_N = changed_N | changed_N[near_NK].any(axis=1)
        lengths = np.array([len(each) for each in self._decided_by])
        flat = np.concatenate(self._decided_by) if len(lengths) else np.empty(0, np.int64)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        moved_N[owner[half_N[flat]]] = True
        return np.flatnonzero(moved_N)

    def _admitting(self, squared_N: Floats) -> tuple[Indices, Indices]:
        """(M, K) nearest of all images once the query is there, as number 0, and (N,) its place among them."""
        count, kept = len(squared_N), self._near_NK.shape[1]
        size = min(count + 1, self._size)
        near_MK = np.full((count + 1, size), NOBODY, np.int64)
        near_MK[0] = nearest_of(np.concatenate([[-1.0], squared_N]), size)
        place_N = (np.take_along_axis(self._squared_NN, self._near_NK, axis=1) < squared_N[:, None]).sum(axis=1)
        near_MK[1:, : min(size, kept)] = self._near_NK[:, :size] + 1
        for image in np.flatnonzero(place_N < size).tolist():
            old_K, place = self._near_NK[image] + 1, int(place_N[image])
            near_MK[image + 1] = np.concatenate([old_K[:place], [0], old_K[place:]])[:size]
        return near_MK, place_N

    def _half_lists(self, image: int) -> Indices:
        """The images whose nearest half decides whom the reciprocal neighbours of one may bring in."""
        close = reciprocal(np.array([image]), self._near_NK, self.settings.neighbours)
        near = self._near_NK[close[0][close[1]]][:, : half_of(self.settings) + 1]
        return np.unique(near)


def nearest_of(squared_N: Floats, count: int) -> Indices:
    """The `count` nearest, nearest first, equal ones in order.

    >>> nearest_of(np.array([0.0, 2.0, 1.0, 1.0]), 3).tolist()
    [0, 2, 3]
    """
    count = min(count, len(squared_N))
    if count == 0:
        return np.empty(0, np.int64)
    edge = np.partition(squared_N, count - 1)[count - 1]
    among = np.flatnonzero(squared_N <= edge)
    return among[np.argsort(squared_N[among], kind="stable")][:count].astype(np.int64)


def averaged_of(near_MK: Indices, settings: Reranking) -> Indices:
    """(M, K) the images over which each one's weights are averaged: its nearest, or none but itself."""
    if settings.averaged == 1:
        return np.arange(len(near_MK))[:, None]
    return near_MK[:, : settings.averaged]


def reciprocal(images_P: Indices, near_MK: Indices, count: int) -> tuple[Indices, Bools]:
    """(P, K) the `count` + 1 nearest of some images, and which of them have the image among theirs."""
    forward_PK = near_MK[images_P, : count + 1]
    back_PKK = near_MK[forward_PK, : count + 1]
    return forward_PK, (back_PKK == images_P[:, None, None]).any(axis=2)


def expanded(images_P: Indices, near_MK: Indices, settings: Reranking) -> tuple[Indices, Bools]:
    """(P, W) images, and which of them belong to the neighbourhoods of some; an image may stand there several times.

    Those are the reciprocal neighbours, and theirs within half the reach where two thirds of them are shared.
    """
    close_PK, mutual_PK = reciprocal(images_P, near_MK, settings.neighbours)
    images, reach = close_PK.shape
    theirs, mutual = reciprocal(close_PK.reshape(-1), near_MK, half_of(settings))
    theirs_PKH, mutual_PKH = theirs.reshape(images, reach, -1), mutual.reshape(images, reach, -1)
    shared_PKH = ((theirs_PKH[..., None] == close_PK[:, None, None, :]) & mutual_PK[:, None, None, :]).any(axis=3)
    count_PK = mutual_PKH.sum(axis=2)
    enough_PK = mutual_PK & ((shared_PKH & mutual_PKH).sum(axis=2) > _ENOUGH_SHARED * count_PK)
    brought_PKH = mutual_PKH & enough_PK[:, :, None]
    members_PW = np.concatenate([close_PK, theirs_PKH.reshape(images, -1)], axis=1)
    return members_PW, np.concatenate([mutual_PK, brought_PKH.reshape(images, -1)], axis=1)


def spread(members_PW: Indices, inside_PW: Bools, weights_PW: Floats, count: int) -> Floats:
    """(P, M) weights at the members' places, adding up to 1; members that are listed twice count once."""
    rows_PM = np.zeros((len(members_PW), count))
    row_PW = np.broadcast_to(np.arange(len(members_PW))[:, None], members_PW.shape)
    rows_PM[row_PW[inside_PW], members_PW[inside_PW]] = weights_PW[inside_PW]
    # Among many equal images one may not be of its own nearest, and have no neighbourhood at all.
    totals_P1 = rows_PM.sum(axis=1, keepdims=True)
    return rows_PM / np.where(totals_P1 > 0, totals_P1, 1.0)


def half_of(settings: Reranking) -> int:
    """Half the reach, rounded to even as the published form does.

    >>> half_of(Reranking(neighbours=20)), half_of(Reranking(neighbours=5))
    (10, 2)
    """
    return round(settings.neighbours / 2)


def _weights(squared_PW: Floats, inside_PW: Bools, greatest_P: Floats) -> Floats:
    """(P, W) what falls with the distance; not yet adding up to 1."""
    scale_P1 = np.where(greatest_P > 0, greatest_P, 1.0)[:, None]
    return np.where(inside_PW, np.exp(-squared_PW / scale_P1), 0.0)


def blend(spread_S: Floats, spread_NS: Floats, plain_N: Floats, settings: Reranking) -> Floats:
    """(N,) Jaccard distance of neighbourhoods and plain distance, mixed."""
    shared_N = np.minimum(spread_NS, spread_S).sum(axis=1)
    jaccard_N = 1 - shared_N / (2 - shared_N)
    return (1 - settings.distance_weight) * jaccard_N + settings.distance_weight * plain_N


def similarity_rows(
    query_rows: Iterable[tuple[Floats, int]], between_NN: Floats, *, settings: Reranking
) -> Iterable[Floats]:
    """For each query (N,) re-ranked similarities, 1 minus the distance, at most 1.

    What stands at a query's own image means nothing.

    Args:
        query_rows: Cosines of a query with the database, and the row of its own image or `NOBODY`.
        between_NN: Cosines within the database.
        settings: How it is done.
    """
    squared_NN = np.maximum(2 - 2 * between_NN, 0.0)
    np.fill_diagonal(squared_NN, 0.0)
    table = Neighbourhoods(squared_NN, settings)
    for similarity_N, own in query_rows:
        if own == NOBODY:
            yield 1 - table.distances_from(np.maximum(2 - 2 * similarity_N, 0.0))
        else:
            yield 1 - table.distances(own)
