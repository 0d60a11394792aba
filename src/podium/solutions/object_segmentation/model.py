"""A trained model: one network or several whose answers are averaged, and how frames are made ready for them.

```
model_assets/
  model.yaml                 names of the networks' folders; inputs; what becomes of the answers
  network/                   network.yaml, weights.safetensors; of several: network-1, network-2, ...
  raft-small.safetensors     where flow is estimated by a network
```

Axes: H height, W width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from podium.errors import MachineError, UsageError
from podium.solutions import devices
from podium.solutions.object_segmentation import network as networks
from podium.solutions.object_segmentation.flow import FlowSettings, estimator
from podium.solutions.object_segmentation.inference import PostSettings
from podium.solutions.object_segmentation.inputs import InputSettings, filled_size, scaled_size
from podium.solutions.object_segmentation.network import Network
from podium.solutions.training import recipe

try:
    import numpy as np
    import torch
    from torch.utils.flop_counter import FlopCounterMode
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

ASSETS = "model_assets"
MODEL_FILE = "model.yaml"
NETWORK = "network"
FLOW_WEIGHTS = "raft-small.safetensors"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WITH_NETWORK = ("raft-small",)


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What ``model.yaml`` says.

    Attributes:
        networks: Folders beside it.
        inputs: As in training; weights of a flow network lie beside it.
        postprocess: What becomes of the answers.
    """

    networks: tuple[str, ...]
    inputs: InputSettings = field(default_factory=InputSettings)
    postprocess: PostSettings = field(default_factory=PostSettings)

    def __post_init__(self) -> None:
        wrong = next((each for each in self.networks if not _NAME.fullmatch(each)), None)
        if not self.networks or wrong is not None:
            raise UsageError(f"`networks` names `{wrong or ''}`; one or more folders beside the file are needed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Networks, and how they are asked.

    Attributes:
        networks: One or more, in evaluation mode, that see the same inputs.
        inputs: How frames and flow are prepared.
        postprocess: What becomes of the answers.
    """

    networks: tuple[Network, ...]
    inputs: InputSettings
    postprocess: PostSettings = field(default_factory=PostSettings)

    def __post_init__(self) -> None:
        if not self.networks:
            raise UsageError("a model has no networks; at least one is needed")

    @cached_property
    def parameters(self) -> int:
        """Of all parts: every network with its encoder, and the network for flow where there is one."""
        return sum(networks.parameters(each) for each in self.networks) + flow_parameters(self.inputs.flow)

    def multiply_adds(self, height: int, width: int) -> int:
        """Multiply-adds for a frame in the middle of a clip, of convolutions and matrix products.

        They are half of the operations that torch counts, which takes a multiply-add for two. Every pass counts: each
        network at each scale, mirrored and for each gap, and each flow that a network estimates.

        Args:
            height: Of the frame as it is given, in pixels.
            width: Likewise.
        """
        passes = len(self.postprocess.gaps) * (2 if self.postprocess.flip else 1)
        total = 0
        for scale in self.postprocess.scales:
            inputs = replace(self.inputs, short_side=max(16, round(self.inputs.short_side * scale)))
            size = filled_size(height, width, inputs)
            total += passes * sum(_network_operations(each, size) for each in self.networks)
        return (total + self._flow_operations(scaled_size(height, width, self.inputs))) // 2

    def _flow_operations(self, size: tuple[int, int]) -> int:
        if self.inputs.flow.method not in _WITH_NETWORK:
            return 0
        settings = self.postprocess
        smooth = (-1, 1) if settings.smoothing or settings.speck_share else ()
        frame_HWC = np.zeros((*size, 3), dtype=np.uint8)
        with FlopCounterMode(display=False) as counter:
            estimator(self.inputs.flow).estimate(frame_HWC, frame_HWC)
        return counter.get_total_flops() * len({*settings.gaps, *smooth})

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs; equal models give equal bytes.

        Args:
            folder: Made where it is missing; files in it that are none of the model's stay.
        """
        folder.mkdir(parents=True, exist_ok=True)
        several = len(self.networks) > 1
        names = tuple(f"{NETWORK}-{at}" if several else NETWORK for at in range(1, len(self.networks) + 1))
        for name, network in zip(names, self.networks, strict=True):
            networks.save(network, folder / name)
        inputs = _with_own_flow(self.inputs, folder)
        recipe.write(ModelFile(networks=names, inputs=inputs, postprocess=self.postprocess), folder / MODEL_FILE)

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Model:
        """The model that `save` wrote, ready to segment.

        Args:
            folder: Holds ``model.yaml``.
            device: ``cpu``, ``cuda``, or ``auto``, which is the graphics card where there is one.

        Raises:
            UsageError: A file is missing, or is not what it should be.
            MachineError: There is no such device here.
        """
        place = devices.chosen(device)
        if not (folder / MODEL_FILE).is_file():
            raise UsageError(f"`{folder}` holds no model: `{MODEL_FILE}` is missing")
        told = recipe.load(folder / MODEL_FILE, ModelFile)
        inputs = told.inputs
        if inputs.flow.method in _WITH_NETWORK:
            inputs = replace(inputs, flow=replace(inputs.flow, weights=str(folder / FLOW_WEIGHTS)))
        loaded = tuple(networks.load(folder / name, device=place) for name in told.networks)
        return Model(networks=loaded, inputs=inputs, postprocess=told.postprocess)


def together(models: Sequence[Model]) -> Model:
    """One model of the networks of several; inputs and what becomes of the answers are those of the first.

    Raises:
        UsageError: There is no model, or two prepare frames or flow in different ways.
    """
    if not models:
        raise UsageError("there is no model; at least one is needed")
    first = models[0]
    if any(each.inputs != first.inputs for each in models):
        raise UsageError("the models prepare frames or flow in different ways; only like ones can be averaged")
    return Model(
        networks=tuple(network for each in models for network in each.networks),
        inputs=first.inputs,
        postprocess=first.postprocess,
    )


def flow_parameters(settings: FlowSettings) -> int:
    """Parameters of the network that estimates flow; 0 for a method without one."""
    return estimator(settings).parameters if settings.method in _WITH_NETWORK else 0


def _network_operations(network: Network, size: tuple[int, int]) -> int:
    place = next(network.parameters()).device
    picture_N3HW = torch.zeros(1, 3, *size, device=place)
    # Not in inference mode, where compound operations are no longer seen as their parts.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(picture_N3HW, picture_N3HW)
    return counter.get_total_flops()


def _with_own_flow(inputs: InputSettings, folder: Path) -> InputSettings:
    """The inputs, their flow network's weights in the folder of the model."""
    if inputs.flow.method not in _WITH_NETWORK:
        return inputs
    from safetensors.torch import save_file

    from podium.solutions.weights import read_state

    if inputs.flow.weights is None:
        raise UsageError(f"`{inputs.flow.method}` has no file of weights to save with the model")
    state = {name: value.contiguous() for name, value in read_state(Path(inputs.flow.weights)).items()}
    part = folder / f"{FLOW_WEIGHTS}.part"
    save_file(state, part)
    part.replace(folder / FLOW_WEIGHTS)
    return replace(inputs, flow=replace(inputs.flow, weights=FLOW_WEIGHTS))
