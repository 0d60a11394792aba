"""The networks of the recipes: a timm net, a linear head with or without batch norm, vectors of unit length.

Names of parameters are those of the published files of the ISC 2021 winner and of VSC's third place: ``backbone``,
``fc``, ``bn``.

Axes: N images, C channels, H height, W width, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from podium.errors import MachineError, UsageError
from podium.solutions.copy_detection.pooling import generalised_mean
from podium.solutions.copy_detection.training import position
from podium.solutions.copy_detection.training.checkpointing import Checkpointing
from podium.solutions.weights import fill

try:
    from torch import Tensor, nn
    from torch.nn.functional import normalize
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error


@dataclass(frozen=True, kw_only=True)
class NetSettings:
    """What a network is made of.

    Attributes:
        architecture: timm's name.
        input_size: Pixels of an edge for which a transformer is made; None for nets that take any size.
        pooling: ``token``: the net's own vector, a transformer's class token. ``power-mean``: of its last map (GeM).
        power: Of the mean; 1 is the average.
        dimensions: Of a descriptor.
        bias: Whether the linear head has one.
        batch_norm: Whether a batch norm follows the head.
        zero_residual: Start residual blocks at nothing, where the net has them.
        checkpointing: Compute parts again for their gradient and hold less memory.
    """

    architecture: str = "vit_base_r50_s16_224"
    input_size: int | None = 224
    pooling: Literal["token", "power-mean"] = "token"
    power: float = 1.0
    dimensions: int = 512
    bias: bool = False
    batch_norm: bool = True
    zero_residual: bool = False
    checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.dimensions < 1 or not self.power > 0 or (self.input_size is not None and self.input_size < 1):
            raise UsageError(
                f"`dimensions` is {self.dimensions}, `power` {self.power} and `input_size` {self.input_size}; "
                "at least 1, above 0, and at least 1 or null, are allowed"
            )


VIT_R50 = NetSettings()
"""VSC's third place, matching track: a transformer over the maps of a ResNet-50; 98,284,352 parameters."""

ISC21 = NetSettings(
    architecture="tf_efficientnetv2_m", input_size=None, pooling="power-mean", power=1.0, dimensions=256
)
"""The winner of the ISC 2021 descriptor track; its maps end before the classifier's convolution."""

SSCD = NetSettings(
    architecture="resnet50",
    input_size=None,
    pooling="power-mean",
    power=3.0,
    bias=True,
    batch_norm=False,
    zero_residual=True,
)
"""SSCD (Pizzi 2022)."""


class DescriptorNet(nn.Module):
    """Images to vectors of unit length; the weights are random until `load` gives others.

    Args:
        settings: What it is made of.
        pretrained: Take the backbone's weights from timm's hub.

    Raises:
        UsageError: timm does not know the architecture, or it is not made for that input.
        MachineError: The weights could not be fetched.
    """

    def __init__(self, settings: NetSettings, *, pretrained: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.backbone, channels = _backbone(settings, pretrained=pretrained)
        self.fc = nn.Linear(channels, settings.dimensions, bias=settings.bias)
        self.bn = nn.BatchNorm1d(settings.dimensions) if settings.batch_norm else nn.Identity()
        # SSCD's head is uniform, the winner's normal; both of Xavier's width.
        (nn.init.xavier_uniform_ if settings.bias else nn.init.xavier_normal_)(self.fc.weight)
        if settings.bias:
            nn.init.zeros_(self.fc.bias)
        self._checkpointing = Checkpointing(self.backbone)
        self.checkpoint(settings.checkpointing)

    def checkpoint(self, on: bool) -> None:
        """Turns gradient checkpointing on or off.

        Raises:
            UsageError: The backbone cannot do it.
        """
        self._checkpointing.switch(on)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        """(N, D) of unit length.

        Args:
            pixels_NCHW: Normalised as the backbone wants it.
        """
        with self._checkpointing.running():
            found = self.backbone(pixels_NCHW)
        if self.settings.pooling == "power-mean":
            found = generalised_mean(found[-1].float(), power=self.settings.power).to(found[-1].dtype)
        return normalize(self.bn(self.fc(found)).float(), dim=1)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes the weights of the same network for any input size: position embeddings are resampled.

        Raises:
            UsageError: The state is another network's.
        """
        fill(self, position.fitted(state, self), self.settings.architecture)


@dataclass(frozen=True, kw_only=True)
class HeadFactors:
    """How the new layers learn, in multiples of the backbone's rate and decay; their norms and biases decay, too."""

    rate: float = 5.0
    decay: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Count:
    """Parameters of a network, by how they learn."""

    total: int
    backbone: int
    head: int
    undecayed: int


def groups(
    network: nn.Module, *, rate: float, weight_decay: float, head: HeadFactors | None = HeadFactors()
) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer: without decay, with decay, and the head.

    Without decay is what has one axis or is called a norm, a bias or a gain. Parameters that are frozen are in none,
    and a group with none is left out.

    Args:
        network: Parameters whose names begin with ``fc`` or ``bn`` are the head.
        rate: Of learning.
        weight_decay: At least 0.
        head: As of VSC's third place; None treats the head as everything else, as the ISC 2021 winner does.
    """
    found: dict[str, list[nn.Parameter]] = {"without decay": [], "with decay": [], "head": []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            if head is not None and _in_head(name):
                found["head"].append(parameter)
            else:
                found["with decay" if _decays(name, parameter) else "without decay"].append(parameter)
    factors = {"without decay": (1.0, 0.0), "with decay": (1.0, 1.0)}
    if head is not None:
        factors["head"] = (head.rate, head.decay)
    return [
        {"name": name, "params": found[name], "lr": rate * faster, "weight_decay": weight_decay * stronger}
        for name, (faster, stronger) in factors.items()
        if found[name]
    ]


def count(network: nn.Module) -> Count:
    """How many parameters a network has; `undecayed` are those of the backbone."""
    sizes = {name: (parameter.numel(), _decays(name, parameter)) for name, parameter in network.named_parameters()}
    head = sum(size for name, (size, _) in sizes.items() if _in_head(name))
    total = sum(size for size, _ in sizes.values())
    undecayed = sum(size for name, (size, decays) in sizes.items() if not decays and not _in_head(name))
    return Count(total=total, backbone=total - head, head=head, undecayed=undecayed)


def _in_head(name: str) -> bool:
    return name.split(".")[0] in ("fc", "bn")


def _decays(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and not any(part in name for part in ("norm", "bias", "gain"))


def _backbone(settings: NetSettings, *, pretrained: bool) -> tuple[Any, int]:
    try:
        import timm
    except ImportError as error:
        raise MachineError("networks need timm: `pip install 'podium[torch]'`") from error
    options: dict[str, Any] = {"features_only": True} if settings.pooling == "power-mean" else {"num_classes": 0}
    if settings.input_size is not None:
        options["img_size"] = settings.input_size
    if settings.zero_residual:
        options["zero_init_last"] = True
    try:
        net: Any = timm.create_model(settings.architecture, pretrained=pretrained, **options)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise UsageError(f"timm cannot make `{settings.architecture}` with {options}: {error}") from error
    except OSError as error:
        raise MachineError(f"the weights of `{settings.architecture}` could not be fetched: {error}") from error
    if settings.pooling == "power-mean":
        return net, int(net.feature_info.channels()[-1])
    return net, int(net.num_features)
