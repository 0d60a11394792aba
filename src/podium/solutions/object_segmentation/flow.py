"""Optical flow: for each pixel of a frame, how far what it shows has moved in another frame.

Two methods need no weights: dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016) and polynomial
expansion (Farnebäck, SCIA 2003). A small network, RAFT, is in `raft`.

Axes: H height, W width, C colour, 2 (dx, dy) in pixels of the frame; dx to the right, dy down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError, nearest
from podium.solutions.object_segmentation.opencv import one_thread, opencv

Pixels = NDArray[np.uint8]
Flow = NDArray[np.float32]
Method = Literal["dis", "farneback", "raft-small"]
Preset = Literal["ultrafast", "fast", "medium"]

_LEAST = 32


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """How motion is estimated.

    Attributes:
        method: ``dis``, ``farneback`` or ``raft-small``.
        preset: Of the methods without weights: the slower, the finer.
        weights: Of ``raft-small``: a file on this machine.
    """

    method: Method = "dis"
    preset: Preset = "medium"
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise UsageError(f"no method of optical flow is called `{self.method}`; {nearest(self.method, METHODS)}")
        if self.preset not in get_args(Preset):
            raise UsageError(
                f"no preset of optical flow is called `{self.preset}`; {nearest(self.preset, get_args(Preset))}"
            )


class FlowEstimator(Protocol):
    """Estimates motion. The same frames, the same flow.

    Attributes:
        parameters: Of the network that it is; 0 for a method without weights.
    """

    parameters: int

    def estimate(self, first_HWC: Pixels, second_HWC: Pixels) -> Flow:
        """(H, W, 2) float32: where each pixel of the first frame lies in the second, less where it lies in the first.

        Args:
            first_HWC: RGB.
            second_HWC: RGB of the same size.
        """
        ...


def estimator(settings: FlowSettings | None = None, *, device: str = "cpu") -> FlowEstimator:
    """What estimates motion as the settings say.

    Args:
        settings: None is dense inverse search.
        device: Where a network runs; the others run on the CPU, in one thread.

    Raises:
        UsageError: ``raft-small`` without a file of weights, or with one that does not fit.
        MachineError: A package is missing.
    """
    chosen = settings or FlowSettings()
    if chosen.method == "raft-small":
        from podium.solutions.object_segmentation.raft import Raft

        return Raft.load(chosen.weights, device=device)
    opencv()
    return DenseInverseSearch(chosen.preset) if chosen.method == "dis" else PolynomialExpansion(chosen.preset)


def check_pair(first_HWC: Pixels, second_HWC: Pixels) -> None:
    """Refuses frames between which there is no flow.

    Raises:
        UsageError: They are no RGB pictures of uint8, or differ in size.
    """
    for each in (first_HWC, second_HWC):
        if each.dtype != np.uint8 or each.ndim != 3 or each.shape[2] != 3:
            raise UsageError(f"a frame is `{each.dtype}` of shape `{each.shape}`; uint8 of (H, W, 3) is needed")
    if first_HWC.shape != second_HWC.shape:
        sizes = " and ".join(f"`{each.shape[1]}x{each.shape[0]}`" for each in (first_HWC, second_HWC))
        raise UsageError(f"the frames are {sizes}; flow needs two of the same size")


class _Grey:
    """A method of OpenCV that compares grey pictures."""

    parameters = 0

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def estimate(self, first_HWC: Pixels, second_HWC: Pixels) -> Flow:
        check_pair(first_HWC, second_HWC)
        cv2 = opencv()
        height, width = first_HWC.shape[:2]
        pad = (0, max(0, _LEAST - height), 0, max(0, _LEAST - width))
        with one_thread():
            greys = [cv2.cvtColor(np.ascontiguousarray(each), cv2.COLOR_RGB2GRAY) for each in (first_HWC, second_HWC)]
            if any(pad):
                greys = [cv2.copyMakeBorder(each, *pad, cv2.BORDER_REPLICATE) for each in greys]
            flow_HW2 = self._flow(cv2, *greys)
        return np.ascontiguousarray(flow_HW2[:height, :width], dtype=np.float32)

    def _flow(self, cv2: Any, first_HW: Pixels, second_HW: Pixels) -> Flow:
        raise NotImplementedError


class DenseInverseSearch(_Grey):
    """Patches are found coarse to fine, then the flow between them is smoothed."""

    def _flow(self, cv2: Any, first_HW: Pixels, second_HW: Pixels) -> Flow:
        preset = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{self.preset.upper()}", None)
        if preset is None:
            preset = getattr(cv2, f"DISOpticalFlow_PRESET_{self.preset.upper()}")
        return cv2.DISOpticalFlow_create(preset).calc(first_HW, second_HW, None)


class PolynomialExpansion(_Grey):
    """Neighbourhoods are fitted by quadratic polynomials, whose shift is solved for."""

    def _flow(self, cv2: Any, first_HW: Pixels, second_HW: Pixels) -> Flow:
        iterations = {"ultrafast": 1, "fast": 2, "medium": 4}[self.preset]
        levels = max(1, int(np.log2(min(first_HW.shape) / 16)))
        return cv2.calcOpticalFlowFarneback(first_HW, second_HW, None, 0.5, levels, 15, iterations, 5, 1.1, 0)


METHODS: tuple[str, ...] = get_args(Method)
