"""Photograph to vector: a timm backbone, pooled maps of several levels, and a neck.

Axes: B photographs, H height, W width, C channels, D dimensions of the vector, K channels that local and whole share.
Sources: Radenović, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018 (GeM); Luo et al.,
"Bag of tricks and a strong baseline for deep person re-identification", 2019 (batch norm as the neck); Yang et al.,
"DOLG: single-stage image retrieval with deep orthogonal fusion of local and global features", 2021.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from podium.errors import MachineError, UsageError, nearest

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

DEFAULT_WEIGHTS = "efficientnet_lite0"
RANDOM = "none"
SETTINGS_FILE = "network.yaml"
WEIGHTS_FILE = "weights.safetensors"
POOLINGS = ("gem", "mean")
NECKS = ("none", "batch-norm", "linear-batch-norm", "dolg")
_PACKAGED_ARCHITECTURE = "tf_efficientnet_lite0"
_HUB = "timm:"
_SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class DolgSettings:
    """Widths of the neck ``dolg``.

    Attributes:
        dilations: Of the parallel 3 x 3 convolutions over the first level.
        branch_channels: Of each of them.
        shared_channels: In which local and whole are compared.
    """

    dilations: tuple[int, ...] = (5, 7, 11, 17, 19, 23, 25)
    branch_channels: int = 512
    shared_channels: int = 1024


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Everything that decides the shape of a network and of its input.

    Attributes:
        architecture: timm's name.
        levels: Which maps are pooled, as timm's ``features_only`` counts them; 3 and 4 have strides 16 and 32.
        pooling: ``gem`` (power mean of what is positive) or ``mean``.
        power: Of the power mean; its start where it is learned.
        learn_power: One power a level is trained along.
        neck: ``none``, ``batch-norm``, ``linear-batch-norm``, or ``dolg``, which needs two levels.
        dimensions: Of the vector, for the last two necks; None is the sum of the levels' channels, 1,024 for ``dolg``.
        dolg: Widths of that neck; others do not look at it.
        height: Of the input, pixels.
        width: Of the input, pixels.
        upright: Photographs wider than tall are turned clockwise first.
        mean: Subtracted from each colour, 0 to 255.
        deviation: What is left is divided by it.
    """

    architecture: str = _PACKAGED_ARCHITECTURE
    levels: tuple[int, ...] = (3, 4)
    pooling: str = "gem"
    power: float = 3.0
    learn_power: bool = False
    neck: str = "batch-norm"
    dimensions: int | None = None
    dolg: DolgSettings = DolgSettings()
    height: int = 224
    width: int = 224
    upright: bool = True
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    deviation: tuple[float, float, float] = (128.0, 128.0, 128.0)

    def __post_init__(self) -> None:
        for what, found, allowed in (("pooling", self.pooling, POOLINGS), ("neck", self.neck, NECKS)):
            if found not in allowed:
                raise UsageError(f"the {what} of a network is `{found}`; {nearest(found, allowed)}")
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise UsageError(f"the levels of a network are `{list(self.levels)}`; distinct rising numbers are needed")
        if self.neck == "dolg" and len(self.levels) != 2:
            raise UsageError(f"the neck `dolg` joins two levels; found `{list(self.levels)}`")
        if self.dimensions is not None and self.neck in ("none", "batch-norm"):
            raise UsageError(f"the neck `{self.neck}` keeps the dimensions of the maps; leave `dimensions` out")
        if min(self.height, self.width) < 1 or self.power <= 0 or min(self.deviation) <= 0:
            raise UsageError("height, width, power and deviation of a network are above 0")


class PowerMean(nn.Module):
    """GeM: the power mean of each channel over the positions; what is negative counts as none."""

    def __init__(self, power: float, *, learned: bool) -> None:
        super().__init__()
        self.power: float | nn.Parameter = nn.Parameter(torch.tensor(power)) if learned else power

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """(B, C)."""
        return map_BCHW.clamp(min=_SMALLEST).pow(self.power).mean((-2, -1)).pow(1.0 / self.power)


class Mean(nn.Module):
    """The mean of each channel over the positions."""

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """(B, C)."""
        return map_BCHW.mean((-2, -1))


class Dolg(nn.Module):
    """Joins what is local in a fine map with the whole in a coarse one: of the local, what the whole lacks.

    The local branch sees the fine map through dilated convolutions side by side and weighs each position by a learned
    attention above 0; its part along the whole's vector is taken away at each position before the two are joined.
    """

    def __init__(self, channels: Sequence[int], dimensions: int, settings: DolgSettings) -> None:
        super().__init__()
        fine, coarse = channels
        branch, shared = settings.branch_channels, settings.shared_channels
        self.branches = nn.ModuleList(
            nn.Conv2d(fine, branch, 3, padding=each, dilation=each) for each in settings.dilations
        )
        self.reduce = nn.Conv2d(branch * len(settings.dilations), shared, 1, bias=False)
        self.norm = nn.BatchNorm2d(shared)
        self.attention = nn.Conv2d(shared, 1, 1)
        self.whole = nn.Sequential(nn.Conv2d(coarse, shared, 1), nn.BatchNorm2d(shared), nn.SiLU())
        self.out = nn.Sequential(nn.Linear(2 * shared, dimensions), nn.BatchNorm1d(dimensions), nn.PReLU())

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, D)."""
        fine_BCHW, coarse_BCHW = maps
        local_BKHW = self.local(fine_BCHW)
        whole_BK = self.whole(coarse_BCHW).mean((-2, -1))
        apart_BKHW = orthogonal_part(local_BKHW, whole_BK)
        return self.out(torch.cat([whole_BK, apart_BKHW.mean((-2, -1))], dim=1))

    def local(self, fine_BCHW: Tensor) -> Tensor:
        """(B, K, H, W): unit vectors times the attention of their position."""
        seen = torch.cat([branch(fine_BCHW).relu() for branch in self.branches], dim=1)
        features_BKHW = self.norm(self.reduce(seen))
        attention_B1HW = functional.softplus(self.attention(features_BKHW.relu()))
        return functional.normalize(features_BKHW, dim=1) * attention_B1HW


def orthogonal_part(local_BKHW: Tensor, whole_BK: Tensor) -> Tensor:
    """(B, K, H, W): each position's vector without its projection on the whole's.

    >>> orthogonal_part(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([[0.0, 2.0]])).flatten()
    tensor([3., 0.])
    """
    along_BHW = torch.einsum("bkhw,bk->bhw", local_BKHW, whole_BK)
    share_BHW = along_BHW / whole_BK.square().sum(1).clamp(min=1e-12)[:, None, None]
    return local_BKHW - share_BHW[:, None] * whole_BK[:, :, None, None]


class Network(nn.Module):
    """Photographs to vectors of `dimensions`, which are not yet of unit length.

    `embed(maps(images))` is `forward(images)`; apart, they show which position brings what.

    Args:
        settings: The shape.
        backbone: A timm net made with ``features_only`` for the levels; None makes one with random weights.
    """

    def __init__(self, settings: NetworkSettings, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.backbone: Any = _backbone(settings) if backbone is None else backbone
        channels: list[int] = list(self.backbone.feature_info.channels())
        self.pools = nn.ModuleList(_pool(settings) for _ in channels if settings.neck != "dolg")
        self.dimensions = _dimensions(settings, channels)
        self.neck = _neck(settings, channels, self.dimensions)
        # Images come with channels last, and convolutions that must turn them first take half as long again.
        self.to(memory_format=torch.channels_last)

    def maps(self, images_BCHW: Tensor) -> list[Tensor]:
        """One map a level, (B, C, H, W).

        Args:
            images_BCHW: As `normalise` gives them.
        """
        return list(self.backbone(images_BCHW))

    def pool(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, sum of C): the pooled levels side by side, before the neck; no such thing for ``dolg``."""
        return torch.cat([pool(each.float()) for pool, each in zip(self.pools, maps, strict=True)], dim=1)

    def embed(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, D): the vectors of maps."""
        if isinstance(self.neck, Dolg):
            return self.neck(maps)
        return self.neck(self.pool(maps))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """(B, D): the vectors of normalised images."""
        return self.embed(self.maps(images_BCHW))


def build(settings: NetworkSettings, *, weights: str = DEFAULT_WEIGHTS) -> Network:
    """A network in training mode: pretrained backbone, neck as it starts.

    Args:
        settings: The shape.
        weights: ``efficientnet_lite0`` (built in, no download) · a ``.safetensors`` or ``.pth`` file of the backbone,
            or of a network that `save` wrote · ``timm:NAME``, which timm downloads · ``none``, random by torch's seed.

    Raises:
        UsageError: The weights do not exist or do not fit.
        MachineError: A package that holds them is missing, or they cannot be fetched.
    """
    if weights == RANDOM:
        return Network(settings)
    if weights.startswith(_HUB):
        name = weights.removeprefix(_HUB)
        if name.split(".")[0] != settings.architecture.split(".")[0]:
            raise UsageError(f"the weights `{weights}` do not belong to the architecture `{settings.architecture}`")
        return Network(settings, _backbone(replace(settings, architecture=name), pretrained=True))
    from podium.solutions import weights as states

    if weights == DEFAULT_WEIGHTS:
        if settings.architecture != _PACKAGED_ARCHITECTURE:
            raise UsageError(
                f"the weights `{weights}` are of `{_PACKAGED_ARCHITECTURE}`, not of `{settings.architecture}`"
            )
        state = states.packaged_state(weights)
    elif Path(weights).is_file():
        state = states.read_state(Path(weights))
    else:
        raise UsageError(
            f"no weights at `{weights}`; allowed: `{DEFAULT_WEIGHTS}`, a file, `{_HUB}NAME`, or `{RANDOM}`"
        )
    network = Network(settings)
    states.fill(network.backbone, _of_backbone(state, network.backbone), settings.architecture)
    return network


def save(network: Network, folder: Path) -> None:
    """Writes ``network.yaml`` and ``weights.safetensors``; equal networks give equal bytes.

    Args:
        folder: Made where it is missing.
    """
    import yaml
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_FILE).write_text(yaml.safe_dump(_plain(asdict(network.settings)), sort_keys=False))
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE)


def load(folder: Path) -> Network:
    """The network that `save` wrote, in evaluation mode.

    Raises:
        UsageError: The folder holds none, or its files do not belong together.
    """
    import msgspec
    import yaml

    from podium.solutions import weights as states

    path = folder / SETTINGS_FILE
    if not path.is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise UsageError(f"`{folder}` holds no network; `{SETTINGS_FILE}` and `{WEIGHTS_FILE}` are needed")
    try:
        raw = yaml.safe_load(path.read_text())
        known = [each.name for each in fields(NetworkSettings)]
        strange = [name for name in raw if name not in known]
        if strange:
            raise UsageError(f"`{path}` names `{strange[0]}`; {nearest(str(strange[0]), known)}")
        settings = msgspec.convert(raw, NetworkSettings)
    except (yaml.YAMLError, msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"`{path}` does not describe a network: {error}") from error
    network = Network(settings)
    states.fill(network, states.read_state(folder / WEIGHTS_FILE), settings.architecture)
    return network.eval()


def read_image(path: Path, settings: NetworkSettings) -> NDArray[np.uint8]:
    """(H, W, 3): a photograph as the network looks at it, upright if so set, squashed to the input's size.

    Raises:
        UsageError: The file is no image that can be read.
    """
    from podium.media import images

    image_HWC = images.read(path)
    if settings.upright and image_HWC.shape[1] > image_HWC.shape[0]:
        image_HWC = np.rot90(image_HWC, k=-1)
    if image_HWC.shape[:2] == (settings.height, settings.width):
        return np.ascontiguousarray(image_HWC)
    picture = Image.fromarray(np.ascontiguousarray(image_HWC))
    return np.array(picture.resize((settings.width, settings.height), Image.Resampling.BICUBIC), dtype=np.uint8)


def normalise(images_BHWC: Tensor, settings: NetworkSettings) -> Tensor:
    """(B, 3, H, W) float32, channels last in memory: the input of a network.

    Args:
        images_BHWC: RGB, 0 to 255, any real type.
    """
    mean_C = torch.tensor(settings.mean, device=images_BHWC.device)
    deviation_C = torch.tensor(settings.deviation, device=images_BHWC.device)
    return ((images_BHWC.float() - mean_C) / deviation_C).permute(0, 3, 1, 2)


def _backbone(settings: NetworkSettings, *, pretrained: bool = False) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise MachineError("networks need timm: `pip install 'podium[torch]'`") from error
    name = settings.architecture
    base = name.split(".")[0]
    if not timm.is_model(base):
        raise UsageError(f"timm knows no `{name}`; {nearest(base, timm.list_models())}")
    try:
        net = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=settings.levels)
        return _cut(net, settings.levels[-1])
    except (RuntimeError, IndexError, AssertionError, ValueError) as error:
        raise UsageError(f"timm makes no `{name}` with the levels `{list(settings.levels)}`: {error}") from error
    except OSError as error:
        raise MachineError(f"the weights of `{name}` could not be fetched: {error}") from error


def _cut(net: Any, last_level: int) -> nn.Module:
    """Without what lies behind the last level, which timm's EfficientNets keep and compute in vain."""
    blocks: Any = getattr(net, "blocks", None)
    name = str(net.feature_info.info[last_level]["module"])
    if isinstance(blocks, nn.Sequential) and name.startswith("blocks."):
        net.blocks = blocks[: int(name.split(".")[1]) + 1]
    return net


def _pool(settings: NetworkSettings) -> nn.Module:
    return PowerMean(settings.power, learned=settings.learn_power) if settings.pooling == "gem" else Mean()


def _dimensions(settings: NetworkSettings, channels: Sequence[int]) -> int:
    default = 1024 if settings.neck == "dolg" else sum(channels)
    return settings.dimensions or default


def _neck(settings: NetworkSettings, channels: Sequence[int], dimensions: int) -> nn.Module:
    if settings.neck == "dolg":
        return Dolg(channels, dimensions, settings.dolg)
    if settings.neck == "batch-norm":
        return nn.BatchNorm1d(dimensions)
    if settings.neck == "linear-batch-norm":
        return nn.Sequential(nn.Linear(sum(channels), dimensions), nn.BatchNorm1d(dimensions))
    return nn.Identity()


def _of_backbone(state: Any, backbone: nn.Module) -> dict[str, Tensor]:
    """A state by a backbone's names: out of a whole network's, and with stages as ``features_only`` flattens them."""
    inside = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    wanted = backbone.state_dict()
    renamed: dict[str, Tensor] = {}
    for key, value in (inside or dict(state)).items():
        flat = re.sub(r"^(\w+?)\.(\d+)\.", r"\1_\2.", key)
        renamed[flat if key not in wanted and flat in wanted else key] = value
    return renamed


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
