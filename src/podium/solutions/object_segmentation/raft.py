"""RAFT-small as a method of optical flow: 0.99 million parameters, which count as parts of a model.

Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020.

Axes: N batch, H height, W width, C colour, 2 (dx, dy) in pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from podium.errors import MachineError, UsageError
from podium.solutions.object_segmentation.flow import Flow, Pixels, check_pair
from podium.solutions.weights import fill, read_state

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
    from torchvision.models import optical_flow
except ImportError as error:
    raise MachineError("RAFT needs torch and torchvision: `pip install 'podium[torch]'`") from error

_MULTIPLE = 8
_LEAST = 128
_UPDATES = 12


class Raft:
    """A network that estimates flow.

    Args:
        net: Of torchvision.
        device: Where it runs.
        updates: How often the flow is improved.
    """

    def __init__(self, net: nn.Module, *, device: str = "cpu", updates: int = _UPDATES) -> None:
        self.net = net.to(device).eval()
        self.device = device
        self.updates = updates
        self.parameters = sum(each.numel() for each in net.parameters())

    @classmethod
    def load(cls, weights: str | None, *, device: str = "cpu") -> Raft:
        """RAFT-small with the weights of a file.

        Args:
            weights: A ``.safetensors`` or a torch file by torchvision's names.
            device: Where it runs.

        Raises:
            UsageError: There is no such file, or it does not fit.
        """
        source = optical_flow.Raft_Small_Weights.C_T_V2.url
        if weights is None:
            raise UsageError(f"`raft-small` needs a file of weights, such as `{source}` holds: set `flow.weights`")
        path = Path(weights)
        if not path.is_file():
            raise UsageError(f"the weights of `raft-small` are not at `{path}`; `{source}` holds them")
        net = optical_flow.raft_small(weights=None)
        fill(net, read_state(path), "raft-small")
        return cls(net, device=device)

    def estimate(self, first_HWC: Pixels, second_HWC: Pixels) -> Flow:
        """As `flow.FlowEstimator` says."""
        check_pair(first_HWC, second_HWC)
        height, width = first_HWC.shape[:2]
        with torch.inference_mode():
            found_N2HW = self.net(self._input(first_HWC), self._input(second_HWC), num_flow_updates=self.updates)[-1]
        top, left = _before(height), _before(width)
        flow_2HW = found_N2HW[0, :, top : top + height, left : left + width]
        return np.ascontiguousarray(flow_2HW.permute(1, 2, 0).float().cpu().numpy())

    def _input(self, image_HWC: Pixels) -> Tensor:
        """(1, 3, H, W) within -1 to 1, filled up evenly on all sides to what the net can halve."""
        image_N3HW = torch.from_numpy(np.ascontiguousarray(image_HWC)).permute(2, 0, 1)[None].to(self.device)
        height, width = image_HWC.shape[:2]
        rows, columns = _filled(height) - height, _filled(width) - width
        top, left = _before(height), _before(width)
        pad = (left, columns - left, top, rows - top)
        return functional.pad(image_N3HW.float() / 127.5 - 1, pad, mode="replicate")


def _filled(side: int) -> int:
    return max(_LEAST, -(-side // _MULTIPLE) * _MULTIPLE)


def _before(side: int) -> int:
    return (_filled(side) - side) // 2
