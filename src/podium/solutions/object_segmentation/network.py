"""The whole network: a frame and its motion picture to logits of the object that the clip is about.

```
image, motion --encoder--> pairs of maps at strides 2 (or 4) to 32
pair          --fusion---> one map a stride; at strides 8 to 32 also a coarse map of the object
maps          --decoder--> logits at stride 2, enlarged to the size of the frame
```

The strides of a frame's sides must divide them for the maps to lie exactly on each other; others work as well.

Axes: N batch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from podium.errors import MachineError, UsageError
from podium.solutions.object_segmentation.decoder import Convolution, Decoder, resized
from podium.solutions.object_segmentation.encoder import Encoder, Streams
from podium.solutions.object_segmentation.fusion import Fusion, Kind
from podium.solutions.training import networks

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

SETTINGS_FILE, WEIGHTS_FILE = networks.SETTINGS_FILE, networks.WEIGHTS_FILE

_ALIGNED_FROM = 8
_DETAIL = 16
_SLACK = 1.5


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The shape of a network and what it begins with.

    Attributes:
        streams: Which pictures are seen. One stream alone goes through the same network, as both of its pictures.
        encoder: timm's name.
        pretrained: Of the encoder: a packaged state, a local file, ``timm`` to download, or None to begin at random.
        shared: One encoder sees both pictures.
        frozen_norms: The encoder's batch norms keep what they know of photos.
        channels: Of the decoder, 16 or more.
        fusion: How the pictures come together.
        convolution: Of the decoder.
        motion_dropout: How often a clip's motion is withheld in training, 0 to 1, so that bad flow does not break it.
    """

    streams: Streams = "both"
    encoder: str = "tf_efficientnet_lite0"
    pretrained: str | None = "efficientnet_lite0"
    shared: bool = True
    frozen_norms: bool = False
    channels: int = 64
    fusion: Kind = "aligned"
    convolution: Convolution = "separable"
    motion_dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.channels < 16:
            raise UsageError(f"`channels` is `{self.channels}`; at least 16 are needed")
        if not 0 <= self.motion_dropout <= 1:
            raise UsageError(f"`motion_dropout` is `{self.motion_dropout}`; 0 to 1 is allowed")

    @property
    def shape(self) -> NetworkSettings:
        """Without what only matters while it learns: networks of one shape can take each other's weights."""
        return replace(self, frozen_norms=False, motion_dropout=0.0)


class Output(NamedTuple):
    """What a network says of a batch.

    Attributes:
        logits_N1HW: At the size of the frames.
        side: Coarser logits, finest first, each of its own size: for the loss only.
    """

    logits_N1HW: Tensor
    side: tuple[Tensor, ...]


class Network(nn.Module):
    """A frame and its motion picture to logits.

    Its parts are `encoder`, `detail`, `fusions` and `decoder`.

    Args:
        settings: The shape; weights that it begins with come by `build`.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(
            settings.encoder,
            streams=settings.streams,
            shared=settings.shared,
            frozen_norms=settings.frozen_norms,
            pretrained=settings.pretrained,
        )
        strides, inputs = list(self.encoder.strides), list(self.encoder.channels)
        self.detail: nn.ModuleDict | None = None
        if strides[0] > 2:
            self.detail = nn.ModuleDict({each: _detail() for each in ("image", "motion")})
            strides, inputs = [2, *strides], [_DETAIL, *inputs]
        widths = [settings.channels if stride > 2 else max(16, settings.channels // 4) for stride in strides]
        self.fusions = nn.ModuleList(
            Fusion(channels, width, kind=_kind(settings.fusion, stride))
            for stride, channels, width in zip(strides, inputs, widths, strict=True)
        )
        self.decoder = Decoder(widths, convolution=settings.convolution)
        self.to(memory_format=torch.channels_last)

    def forward(self, image_N3HW: Tensor, motion_N3HW: Tensor, has_motion_N: Tensor | None = None) -> Output:
        """Logits of a batch.

        Args:
            image_N3HW: Frames, 0 to 1.
            motion_N3HW: Motion pictures, -1 to 1, of the same size.
            has_motion_N: False where there is none: then nothing of the motion picture counts. None is all True.

        Raises:
            UsageError: The pictures are of different sizes.
        """
        if image_N3HW.shape != motion_N3HW.shape:
            raise UsageError(
                f"frames are `{tuple(image_N3HW.shape)}`, their motion `{tuple(motion_N3HW.shape)}`; both must be alike"
            )
        has_motion_N = self._drop(image_N3HW, has_motion_N)
        motion_N3HW = torch.where(has_motion_N[:, None, None, None], motion_N3HW, 0.0)
        # Not for the result: a step takes a third less time so on a CPU.
        image_N3HW = image_N3HW.contiguous(memory_format=torch.channels_last)
        pairs = self.encoder(image_N3HW, motion_N3HW.contiguous(memory_format=torch.channels_last))
        if self.detail is not None:
            pairs = [self._details(image_N3HW, motion_N3HW), *pairs]
        counts_N = has_motion_N if self.settings.streams == "both" else torch.ones_like(has_motion_N)
        fused = [fusion(*pair, counts_N) for fusion, pair in zip(self.fusions, pairs, strict=True)]
        logits_N1HW = self.decoder([each.features_NCHW for each in fused])
        side = tuple(each.coarse_N1HW for each in fused if each.coarse_N1HW is not None)
        return Output(logits_N1HW=resized(logits_N1HW, image_N3HW.shape[-2:]), side=side)

    def _drop(self, image_N3HW: Tensor, has_motion_N: Tensor | None) -> Tensor:
        count, place = len(image_N3HW), image_N3HW.device
        if has_motion_N is None:
            has_motion_N = torch.ones(count, dtype=torch.bool, device=place)
        if self.training and self.settings.streams == "both" and self.settings.motion_dropout > 0:
            has_motion_N = has_motion_N & (torch.rand(count, device=place) >= self.settings.motion_dropout)
        return has_motion_N

    def _details(self, image_N3HW: Tensor, motion_N3HW: Tensor) -> tuple[Tensor, Tensor]:
        streams, detail = self.settings.streams, self.detail
        if detail is None:
            raise UsageError(f"`{self.settings.encoder}` begins at stride 2; its details are its own")
        first_N3HW = motion_N3HW if streams == "motion" else image_N3HW
        second_N3HW = image_N3HW if streams == "image" else motion_N3HW
        return detail["image"](first_N3HW), detail["motion"](second_N3HW)


def build(settings: NetworkSettings) -> Network:
    """A network in training mode with the weights it begins with; what is random is so by torch's seed.

    Raises:
        UsageError: timm has no such encoder, or the weights are of another.
        MachineError: Weights that are to be downloaded, or the package that has them, cannot be had.

    >>> small = NetworkSettings(encoder="mobilenetv4_conv_small", pretrained=None, channels=16)
    >>> picture = torch.zeros(2, 3, 64, 96)
    >>> build(small).eval()(picture, picture).logits_N1HW.shape
    torch.Size([2, 1, 64, 96])
    """
    network = Network(settings)
    network.encoder.begin(settings.pretrained)
    return network


def parameters(network: nn.Module, *, trainable: bool = False) -> int:
    """How many numbers a network learned or, with `trainable`, is to learn; statistics of norms are none."""
    return sum(each.numel() for each in network.parameters() if each.requires_grad or not trainable)


def save(network: Network, folder: Path) -> None:
    """Writes ``network.yaml`` and ``weights.safetensors`` into a folder; see `networks.save`."""
    networks.save(network, network.settings, folder)


def load(folder: Path, *, device: str = "cpu") -> Network:
    """The network that `save` wrote, in evaluation mode.

    Args:
        folder: Of `save`.
        device: By torch's name.

    Raises:
        UsageError: The folder holds none, or its files do not belong together.
    """
    return networks.load(folder, NetworkSettings, Network, slack=_SLACK, device=device)


def _kind(wanted: Kind, stride: int) -> Kind:
    return "gated" if wanted == "aligned" and stride < _ALIGNED_FROM else wanted


def _detail() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, _DETAIL, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(_DETAIL), nn.ReLU())
