"""Frames to logits of classes: of a video, of a segment, or of a segment whose video is known.

N clips (videos, or windows around segments), V videos, T frames, D = 1152 stored numbers of a frame, F features, C
classes. Source: Lee, "A segment-level classification solution to the 3rd YouTube-8M Video Understanding Challenge",
2019, and the code published with it, whose defects are mended unless `NetworkSettings.reference` is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from podium.errors import MachineError, UsageError
from podium.solutions.segment_classification import encoders
from podium.solutions.segment_classification.clips import clips
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import FrameSettings
from podium.solutions.segment_classification.gating import Gate
from podium.solutions.segment_classification.initialisation import initialise
from podium.solutions.segment_classification.mixture import HeadSettings, Mixture
from podium.solutions.training import networks

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

SETTINGS_FILE, WEIGHTS_FILE = networks.SETTINGS_FILE, networks.WEIGHTS_FILE
SEGMENT_SECONDS = 5

_MOST_AROUND = 3_600
_SLACK = 16


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """The frames of a segment that are seen; a frame is a second.

    Attributes:
        before: Frames before its first.
        after: Frames behind its last.
    """

    before: int = 3
    after: int = 3

    def __post_init__(self) -> None:
        if min(self.before, self.after) < 0 or max(self.before, self.after) > _MOST_AROUND:
            raise UsageError(
                f"a window has `{self.before}` frames before a segment and `{self.after}` after; 0 to `{_MOST_AROUND}`"
                " are allowed"
            )

    @property
    def frames(self) -> int:
        """Of the whole window."""
        return self.before + SEGMENT_SECONDS + self.after


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Everything that decides the shape of a network and of its input.

    Attributes:
        classes: C.
        encoder: Of a video, or of a segment.
        head: Features to logits.
        context: Encoder of the video around a segment, frozen; None leaves the video out.
        frames: Which frames of a video are seen.
        window: Which frames of a segment are seen.
        fusion_features: Of video and segment together; as the next two, only with a context.
        fusion_reduction: As an encoder's, of their gates.
        fusion_dropout: Share of both vectors left out in training.
        reference: With every defect of the reference that changes numbers: assignments of NeXtVLAD with clusters and
            groups mixed up, means divided by the padded length, padding in the batch norms, bytes taken as 0 to 255.
    """

    classes: int = 1000
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    context: EncoderSettings | None = None
    frames: FrameSettings = field(default_factory=FrameSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    fusion_features: int = 2048
    fusion_reduction: int = 4
    fusion_dropout: float = 0.5
    reference: bool = False

    def __post_init__(self) -> None:
        faults: list[str] = []
        if self.classes < 1:
            faults.append(f"`classes` is `{self.classes}`; 1 or more are allowed")
        fusion = (self.fusion_features, self.fusion_reduction, self.fusion_dropout)
        if self.context is None and fusion != (2048, 4, 0.5):
            faults.append("a network without a `context` has no fusion; leave `fusion_…` out")
        if self.fusion_features < 1 or not 0 <= self.fusion_reduction <= self.fusion_features:
            faults.append(
                f"`fusion_features` is `{self.fusion_features}` and `fusion_reduction` `{self.fusion_reduction}`; 1 or "
                "more and 0 to so many are allowed"
            )
        if not 0.0 <= self.fusion_dropout < 1.0:
            faults.append(f"`fusion_dropout` is `{self.fusion_dropout}`; 0 to below 1 are allowed")
        if self.reference and "mean-pool" in (self.encoder.kind, self.context.kind if self.context else ""):
            faults.append("the reference has no encoder `mean-pool`; set `reference` to `false`")
        if faults:
            raise UsageError("; ".join(faults))


class Fusion(nn.Module):
    """The vectors of a video and of one of its segments, joined.

    Args:
        inputs: Features of both together.
        settings: Of the network.
    """

    def __init__(self, inputs: int, settings: NetworkSettings) -> None:
        super().__init__()
        features, reduction = settings.fusion_features, settings.fusion_reduction
        self.norm = nn.BatchNorm1d(inputs)
        self.dropout = nn.Dropout(settings.fusion_dropout)
        self.linear = nn.Linear(inputs, features)
        initialise(self)
        self.gate = Gate(features, reduction) if reduction else nn.Identity()

    def forward(self, context_NF: Tensor, segment_NF: Tensor) -> Tensor:
        """(N, fusion features)."""
        both = torch.cat([context_NF, segment_NF], dim=1)
        return self.gate(self.linear(self.dropout(self.norm(both))).relu())


class Network(nn.Module):
    """Stored frames to logits; with a context, of segments whose videos were encoded before.

    Its parts are `encoder`, `head` and, with a context, `context` and `fusion`.

    Args:
        settings: The shape.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = encoders.build(settings.encoder, bare=self.aware, reference=settings.reference)
        features = settings.encoder.features
        self.context: nn.Module | None = None
        self.fusion: Fusion | None = None
        if settings.context is not None:
            self.context = encoders.build(settings.context, reference=settings.reference)
            self.context.requires_grad_(False).eval()
            self.fusion = Fusion(settings.context.features + features, settings)
            features = settings.fusion_features
        self.head = Mixture(features, settings.classes, settings.head)

    @property
    def aware(self) -> bool:
        """True where it needs the context of a segment."""
        return self.settings.context is not None

    def train(self, mode: bool = True) -> Network:
        """As torch's own, but the context stays as it is."""
        super().train(mode)
        if self.context is not None:
            self.context.eval()
        return self

    @torch.no_grad()
    def encode_context(self, features_VTD: Tensor, mask_VT: Tensor) -> Tensor:
        """(V, F): what there is to know of videos, once for all of their segments.

        Args:
            features_VTD: Stored bytes of the frames that `frames.choose` chose.
            mask_VT: False for padding.

        Raises:
            UsageError: The network has no context, or shapes or types are others.
        """
        if self.context is None:
            raise UsageError("a network without a `context` encodes none")
        return self.context(clips(features_VTD, mask_VT, dtype=self._dtype(), reference=self.settings.reference))

    def forward(self, features_NTD: Tensor, mask_NT: Tensor, context_NF: Tensor | None = None) -> Tensor:
        """(N, C): logits.

        Args:
            features_NTD: Stored bytes of frames: of a video as `frames.choose` chose them, or of a window.
            mask_NT: False for padding. The reference knew no padding in windows: what lay outside of a video were
                frames of zeros, so `reference` looks for no mask where there is a context, and wants one of all True
                for windows without one.
            context_NF: By `encode_context`, that of its video for each clip; only where the network has a context.

        Raises:
            UsageError: There is a context where none belongs, or none where one does; or shapes or types are others.
        """
        reference = self.settings.reference
        seen = clips(features_NTD, mask_NT, dtype=self._dtype(), reference=reference)
        if self.fusion is None:
            if context_NF is not None:
                raise UsageError("a network without a `context` takes none")
            return self.head(self.encoder(seen))
        if context_NF is None:
            raise UsageError("a network with a `context` needs that of every segment; `encode_context` gives it")
        segments_NF = self.encoder(replace(seen, weight_NT=None))
        return self.head(self.fusion(context_NF.to(segments_NF.dtype), segments_NF))

    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


def build(settings: NetworkSettings) -> Network:
    """A network in training mode as it begins; by torch's seed.

    >>> small = EncoderSettings(kind="mean-pool", features=8)
    >>> network = build(NetworkSettings(classes=3, encoder=small))
    >>> network(torch.zeros(2, 4, 1152, dtype=torch.uint8), torch.ones(2, 4, dtype=torch.bool)).shape
    torch.Size([2, 3])
    """
    return Network(settings)


def start(network: Network, *, base: Network | None = None, context: Network | None = None) -> None:
    """Puts the weights of networks of whole videos into one of segments.

    Args:
        network: Changed.
        base: Gives its encoder, and its head where `network` has no context.
        context: Gives its encoder as that of the context.

    Raises:
        UsageError: Their shapes are others, or one has the defects of the reference and one has not.
    """
    for name, source in (("base", base), ("context", context)):
        if source is not None and source.settings.reference != network.settings.reference:
            raise UsageError(f"the {name} has `reference: {str(source.settings.reference).lower()}`, the network not")
        if source is not None and source.aware:
            raise UsageError(f"the {name} is a network with a context; one of whole videos is needed")
    if base is not None:
        _copy(base.encoder, network.encoder, "encoder")
        if not network.aware:
            _copy(base.head, network.head, "head")
    if context is not None:
        if network.context is None:
            raise UsageError("a network without a `context` takes none")
        _copy(context.encoder, network.context, "context")


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


def parameters(network: Network, *, trainable: bool = False) -> int:
    """How many numbers a network learned or, with `trainable`, is to learn."""
    return sum(each.numel() for each in network.parameters() if each.requires_grad or not trainable)


def _copy(source: nn.Module, target: nn.Module, part: str) -> None:
    state: Mapping[str, Tensor] = source.state_dict()
    wanted = target.state_dict()
    for name, value in wanted.items():
        found = tuple(state[name].shape) if name in state else None
        if found != tuple(value.shape):
            raise UsageError(
                f"the {part} to begin with has `{name}` of shape `{found}`; `{tuple(value.shape)}` is needed"
            )
    target.load_state_dict({name: state[name] for name in wanted})
