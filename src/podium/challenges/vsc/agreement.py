"""How well the descriptors that the code makes again agree with those that were uploaded.

The official leaderboard trusted the upload. Here each re-made row is compared with the uploaded row of the same video
that is nearest in time; a video that only one side describes agrees with 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from podium.formats.descriptors import Descriptors


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Agreement by video.

    Attributes:
        videos: (V,) unicode, every video that either side describes.
        cosine: (V,) float64, mean over the re-made rows; 0 where one side has none.
        rows: How many rows were compared.
    """

    videos: np.ndarray
    cosine: np.ndarray
    rows: int

    @property
    def mean(self) -> float | None:
        """Over the videos; None without any."""
        return float(self.cosine.mean()) if len(self.cosine) else None

    @property
    def lowest(self) -> tuple[str, float] | None:
        """The video that agrees least."""
        if not len(self.cosine):
            return None
        at = int(np.argmin(self.cosine))
        return str(self.videos[at]), float(self.cosine[at])


def compare(uploaded: Descriptors, remade: Descriptors, *, subset_ids: np.ndarray) -> Agreement:
    """The agreement of two sets of descriptors on the subset's videos."""
    described = np.union1d(np.intersect1d(uploaded.videos, subset_ids), np.intersect1d(remade.videos, subset_ids))
    cosine = np.zeros(len(described))
    rows = 0
    for at, video in enumerate(described):
        old, new = _rows(uploaded, video), _rows(remade, video)
        if old.start == old.stop or new.start == new.stop:
            continue
        nearest = _nearest(_middles(uploaded, old), _middles(remade, new))
        cosine[at] = _cosine(uploaded.features_ND[old][nearest], remade.features_ND[new]).mean()
        rows += new.stop - new.start
    return Agreement(videos=described, cosine=cosine, rows=rows)


def _rows(descriptors: Descriptors, video: str) -> slice:
    start, stop = np.searchsorted(descriptors.video_ids, [video, video + "\uffff"])
    return slice(int(start), int(stop))


def _middles(descriptors: Descriptors, rows: slice) -> np.ndarray:
    return descriptors.timestamps_N2[rows].mean(axis=1)


def _nearest(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.abs(known[None, :] - wanted[:, None]).argmin(axis=1)


def _cosine(a_ND: np.ndarray, b_ND: np.ndarray) -> np.ndarray:
    a, b = a_ND.astype(np.float64), b_ND.astype(np.float64)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    # Rows of zeros have no direction: two of them agree, one does not.
    undirected = ~a.any(axis=1) & ~b.any(axis=1)
    return np.where(norms > 0, (a * b).sum(axis=1) / np.where(norms > 0, norms, 1.0), undirected)
