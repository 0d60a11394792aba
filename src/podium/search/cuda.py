"""The kernel for a graphics card: float32 products by torch. The only module outside `solutions` that loads torch.

Legend: Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError
from podium.search.rounding import float32_cutoffs, rounding_share
from podium.search.rows import Rows
from podium.search.scan import Positions, Survivors, Vectors

_REDUCED_SHARE = 2.0**-6


class CudaKernel:
    """Finds pairs by float32 inner products on a device; only the positions of good pairs come back.

    The bound is that of the float32 kernel. Where torch is set to let cards round inputs to TF32 or bfloat16, each
    factor is off by at most 2^-8 of itself, and the bound grows to cover it.

    Args:
        device: As torch names it.

    Raises:
        MachineError: torch is missing, or it sees no such device.
    """

    name = "cuda"
    block_rows = 16_384
    query_rows = 4_096
    threads = 2

    def __init__(self, device: str = "cuda") -> None:
        try:
            self._torch: Any = importlib.import_module("torch")
        except ImportError as error:
            raise MachineError("the `cuda` kernel needs torch: `pip install 'podium[torch]'`") from error
        if device.startswith("cuda") and not self._torch.cuda.is_available():
            raise MachineError("the `cuda` kernel needs a CUDA device, and torch sees none")
        self._device = device

    def order(self, references: Rows) -> Positions:
        """As they are."""
        return np.arange(len(references))

    def queries(self, queries: Rows, references: Rows, span: slice) -> CudaQueries:
        """Readies some query rows."""
        share = rounding_share(references.dimensions)
        if self._torch.get_float32_matmul_precision() != "highest" or self._torch.backends.cuda.matmul.allow_tf32:
            share += _REDUCED_SHARE
        return CudaQueries(self._torch, self._device, queries.read(span), queries.norms[span] * share)


class CudaQueries:
    """Query rows on the device."""

    def __init__(self, torch: Any, device: str, vectors_QD: Vectors, error_Q: NDArray[np.float64]) -> None:
        self._torch, self._device, self._error_Q = torch, device, error_Q
        self._vectors_QD = self._moved(vectors_QD)

    def against(self, reference_RD: Vectors, norms_R: NDArray[np.float64]) -> Survivors:
        """The function that finds pairs in one block of references."""
        columns_DR = self._moved(reference_RD).T
        error_Q = self._error_Q * float(norms_R.max(initial=0.0))

        def survivors(span: slice, floor: float) -> Positions:
            cutoffs_Q = self._moved(float32_cutoffs(floor, error_Q[span], reference_RD.shape[1]))
            with self._torch.inference_mode():
                products_QR = self._vectors_QD[span] @ columns_DR
                found = (products_QR >= cutoffs_Q[:, None]).reshape(-1).nonzero()[:, 0]
            return found.cpu().numpy()

        return survivors

    def _moved(self, array: NDArray[Any]) -> Any:
        return self._torch.from_numpy(np.array(array)).to(self._device)
