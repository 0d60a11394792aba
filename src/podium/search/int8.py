"""The quick kernel: inner products of rows rounded to 8 bits, with a proven bound on what the rounding may hide.

Legend: Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.search.float32 import Float32Kernel, true_positions
from podium.search.onnx_matmul import ZERO_POINT, IntegerProduct, exact_range
from podium.search.rounding import sum_error
from podium.search.rows import Rows, row_norms, spans
from podium.search.scan import Positions, Survivors, Vectors, processors

Doubles = NDArray[np.float64]
_MOST_DIMENSIONS = 100_000
_CHUNK_ROWS = 1_024
_WINDOW_ROWS = 32_768
_TOO_MANY = 64
_ROUNDING = 2.0**-21
_TINY = 2.0**-120


class Int8Kernel:
    """Finds pairs by 8-bit inner products of centred references; falls back to float32 where that proposes too many.

    Proof: let m be any centre, r' = r - m, and let q^ = a x integers, r^ = b x integers be the rounded rows. Then

        q.r = q.m + q^.r^ + (q - q^).r' + q^.(r' - r^)

    and by Cauchy-Schwarz the last two terms are at most ``|q - q^| |r'| + |q^| |r' - r^|``. All four lengths are
    measured, the last of each product as the maximum over the block, and padded for the float32 arithmetic that
    measures them. ``q^.r^ / ab`` is a whole number and exact, so a pair can reach a floor only if its whole number is
    at least ``(floor - q.m - bound) / ab``, one cutoff for each query row and block. In columns where all references
    are equal r' is 0, so q is set to 0 there before it is rounded; the bias column of score normalisation is one.

    Raises:
        MachineError: onnxruntime is missing.
    """

    name = "int8"
    block_rows = 2_048
    query_rows = 256

    def __init__(self) -> None:
        self.threads = processors()
        self._limit = exact_range()

    def fits(self, dimensions: int) -> bool:
        """Whether sums of that many products are exact on this machine."""
        return self._limit > 0 and dimensions <= _MOST_DIMENSIONS

    def order(self, references: Rows) -> Positions:
        """Nearby rows of like range together: a block has one scale, and its widest row decides how coarse it is."""
        centre_D = references.mean.astype(np.float32)
        order_R = np.empty(len(references), np.intp)
        for window in spans(len(references), _WINDOW_ROWS):
            widest_R = np.empty(window.stop - window.start, np.float32)
            for part in spans(len(widest_R), _CHUNK_ROWS):
                rows = slice(window.start + part.start, window.start + part.stop)
                with np.errstate(over="ignore"):
                    widest_R[part] = np.abs(references.read(rows) - centre_D).max(axis=1)
            order_R[window] = window.start + np.argsort(widest_R, kind="stable")
        return order_R

    def queries(self, queries: Rows, references: Rows, span: slice) -> Int8Queries:
        """Readies some query rows."""
        return Int8Queries(queries, references, span, self._limit)


@dataclass(frozen=True, kw_only=True)
class _Rounded:
    """Rows as ``scale x whole numbers``: the lengths of the rounded rows and of what was lost, upper bounds."""

    whole: Vectors
    lengths: Doubles
    lost: Doubles


def _rounded(rows_ND: Vectors, scale: NDArray[np.float32], limit: int, norms_N: Doubles) -> _Rounded:
    whole_ND: Vectors = np.divide(rows_ND, np.where(scale > 0, scale, 1), dtype=np.float32)
    np.rint(whole_ND, out=whole_ND)
    np.clip(whole_ND, -limit, limit, out=whole_ND)
    lost_ND: Vectors = whole_ND * scale
    padding_N = norms_N * _ROUNDING + _TINY
    lengths_N = row_norms(lost_ND) + padding_N
    np.subtract(rows_ND, lost_ND, out=lost_ND)
    return _Rounded(whole=whole_ND, lengths=lengths_N, lost=row_norms(lost_ND) + padding_N)


class Int8Queries:
    """Query rows rounded to 8 bits, one scale a row."""

    def __init__(self, queries: Rows, references: Rows, span: slice, limit: int) -> None:
        rows, dimensions = span.stop - span.start, references.dimensions
        self._limit = limit
        self._centre_D = references.mean.astype(np.float32)
        self._centre_length = float(np.linalg.norm(self._centre_D.astype(np.float64))) * 1.01
        self._plain = Float32Kernel().queries(queries, references, span)
        self._whole_QD = np.empty((rows, dimensions), np.uint8)
        self._scale_Q, self._offset_Q = np.empty(rows), np.empty(rows)
        self._lengths_Q, self._lost_Q = np.empty(rows), np.empty(rows)
        self._slack_Q = sum_error(queries.norms[span] * self._centre_length, dimensions)
        for part in spans(rows, _CHUNK_ROWS):
            given = slice(span.start + part.start, span.start + part.stop)
            query_QD = queries.read(given)
            self._offset_Q[part] = query_QD.astype(np.float64) @ self._centre_D.astype(np.float64)
            query_QD = np.where(references.constant, np.float32(0), query_QD)
            scale_Q = np.abs(query_QD).max(axis=1) / np.float32(127)
            rounded = _rounded(query_QD, scale_Q[:, None], 127, queries.norms[given])
            self._whole_QD[part] = (rounded.whole + ZERO_POINT).astype(np.uint8)
            self._scale_Q[part] = scale_Q
            self._lengths_Q[part], self._lost_Q[part] = rounded.lengths, rounded.lost

    def against(self, reference_RD: Vectors, norms_R: NDArray[np.float64]) -> Survivors:
        """The function that finds pairs in one block of references."""
        plain = self._plain.against(reference_RD, norms_R)
        with np.errstate(over="ignore"):
            centred_RD = reference_RD - self._centre_D
        scale = np.float32(np.abs(centred_RD).max(initial=0) / np.float32(self._limit))
        if not np.isfinite(scale):
            return plain
        norms_R = norms_R + self._centre_length
        rounded = _rounded(centred_RD, np.array(scale), self._limit, norms_R)
        product = IntegerProduct(rounded.whole.T.astype(np.int8))
        lengths_R = row_norms(centred_RD) + norms_R * _ROUNDING + _TINY
        bound_Q = self._lost_Q * lengths_R.max() + self._lengths_Q * rounded.lost.max() + self._slack_Q
        unit_Q = self._scale_Q * float(scale)
        buffer_QR = np.empty((Int8Kernel.query_rows, len(reference_RD)), np.int32)
        mask_QR = np.empty(buffer_QR.shape, np.bool_)

        def survivors(span: slice, floor: float) -> Positions:
            rows = span.stop - span.start
            product.into(self._whole_QD[span], buffer_QR[:rows])
            cutoffs_Q = _cutoffs(floor, self._offset_Q[span], bound_Q[span], unit_Q[span])
            mask = np.greater_equal(buffer_QR[:rows], cutoffs_Q[:, None], out=mask_QR[:rows])
            positions = true_positions(mask)
            return positions if len(positions) * _TOO_MANY <= mask.size else plain(span, floor)

        return survivors


def _cutoffs(floor: float, offset_Q: Doubles, bound_Q: Doubles, unit_Q: Doubles) -> NDArray[np.int32]:
    """The smallest whole number of each query row that may reach the floor.

    A similarity is rounded to float32, so the truth may lie below the floor, but above the float32 before it.
    """
    below = float(np.nextafter(np.float32(floor), np.float32(-np.inf)))
    need_Q = below - offset_Q - bound_Q - (abs(below) + np.abs(offset_Q)) * 2.0**-50
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        whole_Q = np.ceil(need_Q / unit_Q - 1e-3)
    whole_Q = np.where(need_Q <= 0, np.where(unit_Q > 0, whole_Q, -np.inf), np.where(unit_Q > 0, whole_Q, np.inf))
    largest = np.iinfo(np.int32).max
    return np.clip(whole_Q, -largest, largest).astype(np.int32)
