"""One small encoder for two pictures: the frame, and a picture of how it moves.

Both go through the same convolutions in one batch, so motion costs time but hardly any parameters (as in Pei et al.,
"Hierarchical Feature Alignment Network for Unsupervised Video Object Segmentation", ECCV 2022). What depends on how
numbers are distributed cannot be shared: every batch norm and the first convolution exist once for each picture (Li et
al., "Adaptive Batch Normalization for practical domain adaptation", 2018). Motion is nearly zero in most of a picture,
far from the statistics of photos, and norms with the statistics of both would fit neither. Layer norms have no
statistics and stay shared.

Axes: N batch, H height, W width; B is 2 N: images first, then motion pictures.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from podium.errors import MachineError, UsageError, nearest
from podium.solutions import weights
from podium.solutions.weights import PACKAGED, State

try:
    import timm
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch and timm: `pip install 'podium[torch]'`") from error

Streams = Literal["image", "motion", "both"]

HUB = "timm"
_LITE0 = ((127 / 255,) * 3, (128 / 255,) * 3)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_NUMBERED = re.compile(r"^([a-z]+)_(\d+)\.")


class Twin(nn.Module):
    """Two layers of one shape: the first half of a batch goes through one, the second through the other.

    Args:
        layer: Is the first; the second begins as its copy.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.image = layer
        self.motion = copy.deepcopy(layer)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The batch, its halves through their layers."""
        image_NCHW, motion_NCHW = features_BCHW.chunk(2)
        return torch.cat((self.image(image_NCHW), self.motion(motion_NCHW)))


class Encoder(nn.Module):
    """Maps of a picture at several strides, of both pictures alike.

    Args:
        name: timm's.
        streams: Which pictures are seen.
        shared: One encoder for both; otherwise one for each.
        frozen_norms: Batch norms of frames keep the statistics and scales they begin with. Those of the motion picture
            always learn: they begin with what is true of photos.
        pretrained: Decides how frames are normalised; the weights themselves come by `begin`.
    """

    def __init__(
        self, name: str, *, streams: Streams, shared: bool, frozen_norms: bool = False, pretrained: str | None = None
    ) -> None:
        super().__init__()
        self.name = name
        self.streams: Streams = streams
        self.frozen_norms = frozen_norms
        self.net = _features(name)
        self.motion_net: nn.Module | None = None
        levels: Any = self.net.feature_info
        self.channels: list[int] = levels.channels()
        self.strides: list[int] = levels.reduction()
        if streams == "both" and shared:
            _twin(self.net)
        elif streams == "both":
            self.motion_net = _features(name)
        mean, deviation = _normalisation(name, pretrained)
        self.mean_C11: Tensor
        self.deviation_C11: Tensor
        self.register_buffer("mean_C11", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation_C11", torch.tensor(deviation).view(3, 1, 1), persistent=False)
        self.train()

    def train(self, mode: bool = True) -> Encoder:
        """As torch's own, but frozen norms stay as they are."""
        super().train(mode)
        if self.frozen_norms and self.streams != "motion":
            for norm in _norms(self.net, motion=False):
                norm.eval().requires_grad_(False)
        return self

    def forward(self, image_N3HW: Tensor, motion_N3HW: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Maps of frame and motion, finest first; where only one picture is seen, both are its maps.

        Args:
            image_N3HW: 0 to 1.
            motion_N3HW: -1 to 1.
        """
        if self.streams == "motion":
            return [(each, each) for each in self.net(motion_N3HW)]
        normal_N3HW = (image_N3HW - self.mean_C11) / self.deviation_C11
        if self.streams == "image":
            return [(each, each) for each in self.net(normal_N3HW)]
        motion_N3HW = motion_N3HW.to(normal_N3HW.dtype)
        if self.motion_net is not None:
            return list(zip(self.net(normal_N3HW), self.motion_net(motion_N3HW), strict=True))
        pairs = (each.chunk(2) for each in self.net(torch.cat((normal_N3HW, motion_N3HW))))
        return [(image_NCHW, motion_NCHW) for image_NCHW, motion_NCHW in pairs]

    def begin(self, source: str | None) -> None:
        """Fills in weights of an image classifier.

        Args:
            source: A packaged state, a file, or ``timm``, which downloads; None leaves all as it is.

        Raises:
            UsageError: The weights are of another encoder, or there are none.
            MachineError: The download failed, or a package is missing.
        """
        if source is None:
            return
        state = _state(source, self.name)
        for net in (self.net, self.motion_net):
            if net is not None:
                weights.fill(net, _by_place(net, state), self.name)


def _features(name: str) -> nn.Module:
    if not timm.is_model(name):
        raise UsageError(f"timm has no encoder `{name}`; {nearest(name, timm.list_models())}")
    try:
        return timm.create_model(name, features_only=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise UsageError(f"the encoder `{name}` gives no maps at several strides: {error}") from error


def _twin(net: nn.Module) -> None:
    """Doubles the first convolution and every batch norm."""
    kinds = (nn.modules.batchnorm._BatchNorm,)
    first = next(name for name, each in net.named_modules() if isinstance(each, nn.Conv2d))
    norms = [name for name, each in net.named_modules() if isinstance(each, kinds)]
    for name in (first, *norms):
        parent, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(parent), leaf, Twin(net.get_submodule(name)))


def _norms(net: nn.Module, *, motion: bool) -> list[nn.Module]:
    twins = {id(inside) for each in net.modules() if isinstance(each, Twin) for inside in each.motion.modules()}
    kinds = (nn.modules.batchnorm._BatchNorm,)
    return [each for each in net.modules() if isinstance(each, kinds) and (id(each) in twins) == motion]


def _normalisation(name: str, pretrained: str | None) -> tuple[Sequence[float], Sequence[float]]:
    if pretrained in PACKAGED:
        return _LITE0
    known = timm.get_pretrained_cfg(name)
    return (known.mean, known.std) if known is not None else _IMAGENET


def _state(source: str, name: str) -> State:
    if source in PACKAGED:
        if PACKAGED[source] != name:
            raise UsageError(f"the weights `{source}` are of `{PACKAGED[source]}`; the encoder is `{name}`")
        return weights.packaged_state(source)
    if source == HUB:
        try:
            return timm.create_model(name, pretrained=True).state_dict()
        except (RuntimeError, OSError, ValueError) as error:
            raise MachineError(
                f"the weights of `{name}` could not be downloaded: {error}; `network.pretrained` may also name a file"
            ) from error
    if not Path(source).is_file():
        raise UsageError(f"`network.pretrained` is `{source}`: no file, not `{HUB}`, and {nearest(source, PACKAGED)}")
    return weights.read_state(Path(source))


def _by_place(net: nn.Module, state: State) -> Mapping[str, Tensor]:
    """A classifier's state by the names of an encoder, whose stages timm may number otherwise and which has twins."""
    found: dict[str, Tensor] = {}
    for name in net.state_dict():
        plain = name.replace(".image.", ".").replace(".motion.", ".") if _is_twin(net, name) else name
        dotted = _NUMBERED.sub(r"\1.\2.", plain)
        key = plain if plain in state else dotted
        if key in state:
            found[name] = state[key]
    return found


def _is_twin(net: nn.Module, name: str) -> bool:
    place = name.rsplit(".", 2)
    return len(place) == 3 and isinstance(net.get_submodule(place[0]), Twin)
