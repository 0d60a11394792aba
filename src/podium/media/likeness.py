"""Which pictures show the same thing: a guard against twins in made data, not a similarity measure.

Two pictures are alike when at least four of nine patches of one are found in the other at the same offset. Brightness,
contrast, mirroring, part of the picture and a moving foreground do not matter; strong zoom and turning do.

Axes: N pictures, H and W are `SIDE`, P patches, S shifts, D pixels of a patch.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SIDE = 32
"""Pixels of a thumbnail's side."""

_PATCH = 12
_STARTS = (0, 10, 20)
_NEEDED = 4
_CORRELATION = 0.75
_TEXTURE = 2.5
_BLOCK = 20_000
"""Patches times pictures that are compared at a time: about 35 MB."""

Floats = NDArray[np.float32]


def thumbnail(picture: Image.Image) -> Floats:
    """The picture as `SIDE` x `SIDE` local contrast: grey minus its own blur.

    >>> float(abs(thumbnail(Image.new("RGB", (99, 50), "teal"))).max())
    0.0
    """
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    blurred = small.filter(ImageFilter.GaussianBlur(3))
    return np.asarray(small, np.float32) - np.asarray(blurred, np.float32)


def textured(thumbnail_HW: Floats) -> bool:
    """True when enough patches have something to hold on to; a wall, a black frame or fog has not."""
    return int((_patches(thumbnail_HW[None])[0].std(axis=-1) >= _TEXTURE).sum()) >= _NEEDED


def alike(thumbnails_NHW: Floats, *, mirrored: bool = False) -> NDArray[np.bool_]:
    """Which pictures are alike, (N, N), symmetric, True on the diagonal.

    Args:
        thumbnails_NHW: From `thumbnail`.
        mirrored: Also when one is the other's mirror image.
    """
    count = len(thumbnails_NHW)
    found_NN = np.eye(count, dtype=bool)
    for flip in (False, True) if mirrored else (False,):
        turned_NHW = thumbnails_NHW[:, :, ::-1] if flip else thumbnails_NHW
        patches_NPD = _patches(turned_NHW)
        weak_NP = patches_NPD.std(axis=-1) < _TEXTURE
        units_NPD = _unit(patches_NPD)
        units_NPD[weak_NP] = 0.0
        step = max(1, _BLOCK // units_NPD[..., 0].size)
        for row in range(0, count, step):
            found_NN[row : row + step] |= _found_in(thumbnails_NHW[row : row + step], units_NPD)
    return found_NN | found_NN.T


def groups(alike_NN: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The connected group of each picture, (N,), numbered in order of first appearance.

    >>> groups(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=bool)).tolist()
    [0, 1, 0]
    """
    labels = np.full(len(alike_NN), -1, dtype=np.int64)
    for start in range(len(labels)):
        if labels[start] >= 0:
            continue
        number = labels.max() + 1
        waiting = [start]
        while waiting:
            at = waiting.pop()
            if labels[at] < 0:
                labels[at] = number
                waiting += [int(each) for each in np.flatnonzero(alike_NN[at]) if labels[each] < 0]
    return labels


def _patches(thumbnails_NHW: Floats) -> Floats:
    corners = [(top, left) for top in _STARTS for left in _STARTS]
    cut = [thumbnails_NHW[:, top : top + _PATCH, left : left + _PATCH] for top, left in corners]
    return np.stack([each.reshape(len(thumbnails_NHW), -1) for each in cut], axis=1)


def _unit(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6)


def _found_in(thumbnails_BHW: Floats, units_NPD: Floats) -> NDArray[np.bool_]:
    """Which pictures N are found in which of a block B of pictures, (B, N)."""
    windows_BSD = sliding_window_view(thumbnails_BHW, (_PATCH, _PATCH), axis=(1, 2)).reshape(
        len(thumbnails_BHW), -1, _PATCH * _PATCH
    )
    # One large product: many small ones wake the BLAS threads each time, twenty times slower on a busy machine.
    flat_KM = units_NPD.reshape(-1, _PATCH * _PATCH) @ _unit(windows_BSD).reshape(-1, _PATCH * _PATCH).T
    scores_NPBS = flat_KM.reshape(*units_NPD.shape[:2], *windows_BSD.shape[:2])
    corners_P2 = np.array([(top, left) for top in _STARTS for left in _STARTS])
    found_BN = np.zeros((len(thumbnails_BHW), len(units_NPD)), dtype=bool)
    for row in range(len(thumbnails_BHW)):
        scores_NPS = scores_NPBS[:, :, row]
        good_NP = scores_NPS.max(axis=-1) >= _CORRELATION
        offsets_NP2 = np.stack(np.divmod(scores_NPS.argmax(axis=-1), SIDE - _PATCH + 1), axis=-1) - corners_P2
        near_NPP = (np.abs(offsets_NP2[:, :, None] - offsets_NP2[:, None]) <= 1).all(axis=-1)
        agreeing_NP = (near_NPP & good_NP[:, None, :]).sum(axis=-1) * good_NP
        found_BN[row] = agreeing_NP.max(axis=-1) >= _NEEDED
    return found_BN
