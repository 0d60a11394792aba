"""The network that looks at frames: pretrained weights from a package, a file or a hub, and the maps it makes.

Axes: B frames, H height, W width, C channels.

The default, EfficientNet-Lite0, needs no download: its ImageNet weights (Apache-2.0) ship in a Python package
under the key names of another port; `weights.timm_keys` says which timm parameter each of them fills.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from podium.errors import MachineError, UsageError
from podium.solutions.weights import PACKAGED, State, fill, is_torchscript, packaged_state, read_state

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

DEFAULT_WEIGHTS = "efficientnet_lite0"
FINAL = "final"
_FILE_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ts", ".torchscript", ".jit")
_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_DEVIATION = (58.395, 57.12, 57.375)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a frame becomes input: (value - mean) / deviation, a channel, over values of 0 to 255."""

    mean: tuple[float, float, float] = _IMAGENET_MEAN
    deviation: tuple[float, float, float] = _IMAGENET_DEVIATION


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a backbone was made from; enough to make it again from a file of weights.

    Attributes:
        kind: ``timm``, ``torchscript``, or ``isc21`` (a timm net, pooled, projected and batch-normalised).
        architecture: timm's name; empty for TorchScript.
        layers: Which maps to give, as timm's indices from the input to the end, and `FINAL`.
    """

    kind: str
    architecture: str = ""
    layers: tuple[str, ...] = (FINAL,)
    preprocessing: Preprocessing = Preprocessing()

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Source:
        """The source that `to_json` wrote.

        Raises:
            UsageError: The text is not such JSON.
        """
        try:
            raw = json.loads(text)
            return Source(
                kind=str(raw["kind"]),
                architecture=str(raw["architecture"]),
                layers=tuple(map(str, raw["layers"])),
                preprocessing=Preprocessing(
                    mean=_three(raw["preprocessing"]["mean"]), deviation=_three(raw["preprocessing"]["deviation"])
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this does not describe a backbone: {error!r}") from error


class Backbone:
    """A frozen network. Called with frames it gives one map per layer, or vectors where the network pools itself.

    Args:
        network: In evaluation mode, on `device`; gives a sequence of tensors, (B, C, H, W) or (B, C).
        source: What it was made from.
        device: Where it runs.
        low_precision: bfloat16 inside; None takes it where the processor has the instructions.
    """

    def __init__(
        self, network: nn.Module, *, source: Source, device: str = "cpu", low_precision: bool | None = None
    ) -> None:
        self.network = network.eval().to(device)
        self.source = source
        self.device = torch.device(device)
        scripted = source.kind == "torchscript"
        fast = not scripted and _has_fast_bfloat16(self.device)
        self.low_precision = fast if low_precision is None else low_precision
        if not scripted:
            self.network.to(memory_format=torch.channels_last)
        mean, deviation = source.preprocessing.mean, source.preprocessing.deviation
        self._mean_C11 = torch.tensor(mean, device=self.device).view(3, 1, 1)
        self._deviation_C11 = torch.tensor(deviation, device=self.device).view(3, 1, 1)

    @torch.inference_mode()
    def __call__(self, frames_BCHW: torch.Tensor) -> list[torch.Tensor]:
        """The maps of each layer, float32.

        Args:
            frames_BCHW: RGB of 0 to 255, any real type.
        """
        pixels_BCHW = frames_BCHW.to(self.device, torch.float32)
        pixels_BCHW = ((pixels_BCHW - self._mean_C11) / self._deviation_C11).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.low_precision):
            outputs = self.network(pixels_BCHW)
        if isinstance(outputs, torch.Tensor):
            outputs = [outputs]
        return [each.float() for each in outputs]

    def save(self, folder: Path) -> None:
        """Writes ``backbone.json`` and the weights, so that `load_saved` needs nothing else.

        Args:
            folder: Exists.
        """
        from safetensors.torch import save_file

        (folder / "backbone.json").write_text(self.source.to_json() + "\n")
        if isinstance(self.network, torch.jit.ScriptModule):
            torch.jit.save(self.network, str(folder / "backbone.torchscript"))
        else:
            state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
            save_file(state, folder / "backbone.safetensors")


def load(
    weights: str = DEFAULT_WEIGHTS,
    *,
    architecture: str | None = None,
    layers: Sequence[str] | None = None,
    device: str = "cpu",
    low_precision: bool | None = None,
) -> Backbone:
    """A backbone from one of four kinds of weights.

    Args:
        weights: ``efficientnet_lite0`` (built in, no network) · the path of a TorchScript file, whose net takes images
            normalised as for ImageNet and gives vectors or maps (SSCD's do) · the path of a ``.safetensors`` or
            ``.pth`` state · ``timm:NAME`` or ``hf_hub:OWNER/NAME``, which timm downloads.
        architecture: timm's name for the net that a state fills; needed for a ``.safetensors`` or ``.pth`` file only.
        layers: Maps to give, as timm counts them, and ``final``; None is what finds most copies
            for the default net, and the final one for others.
        device: ``cpu`` or ``cuda``.
        low_precision: bfloat16 inside; None takes it where the processor has the instructions.

    Raises:
        UsageError: The weights do not exist or do not fit the architecture.
        MachineError: A package that holds or reads them is missing.
    """
    if weights == DEFAULT_WEIGHTS:
        network, source = _lite0(tuple(layers or ("4", FINAL)))
    elif weights.startswith(("timm:", "hf_hub:", "hf-hub:")):
        network, source = _from_hub(weights, tuple(layers or (FINAL,)))
    elif Path(weights).is_file():
        network, source = _from_file(Path(weights), architecture, tuple(layers or (FINAL,)))
    else:
        raise UsageError(
            f"no weights at `{weights}`; allowed: `{DEFAULT_WEIGHTS}`, a file ending in "
            f"{', '.join(f'`{each}`' for each in _FILE_ENDINGS)}, `timm:NAME` or `hf_hub:OWNER/NAME`"
        )
    return Backbone(network, source=source, device=device, low_precision=low_precision)


def load_saved(folder: Path, *, device: str = "cpu", low_precision: bool | None = None) -> Backbone:
    """The backbone that `Backbone.save` wrote.

    Raises:
        UsageError: The folder holds none.
    """
    description = folder / "backbone.json"
    if not description.is_file():
        raise UsageError(f"`{folder}` holds no `backbone.json`; write it with `podium predict` or `prepare`")
    source = Source.from_json(description.read_text())
    if source.kind == "torchscript":
        network = torch.jit.load(str(folder / "backbone.torchscript"), map_location="cpu")
    else:
        state = read_state(folder / "backbone.safetensors")
        network = _Isc21(source.architecture, state) if source.kind == "isc21" else _Maps(source)
        fill(network, state, source.architecture)
    return Backbone(network, source=source, device=device, low_precision=low_precision)


class _Maps(nn.Module):
    """A timm net that gives the maps of chosen layers."""

    def __init__(self, source: Source, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net: Any = net if net is not None else _create(source.architecture)
        forward: Callable[..., Any] | None = getattr(self.net, "forward_intermediates", None)
        if forward is None:
            raise UsageError(f"timm's `{source.architecture}` gives no maps of its layers; choose another architecture")
        self._forward = forward
        count = len(self.net.feature_info)
        self._last = count - 1
        self._layers = [FINAL if each == FINAL else _layer_index(each, count) for each in source.layers]

    def forward(self, pixels_BCHW: torch.Tensor) -> list[torch.Tensor]:
        indices = sorted({each for each in self._layers if each != FINAL} | {self._last})
        final, maps = self._forward(pixels_BCHW, indices=indices, norm=True)
        by_layer: dict[str | int, torch.Tensor] = dict(zip(indices, maps, strict=True))
        # Tokens, and maps with the channels last, are no (B, C, H, W); their last layer as a map is the same content.
        is_map = final.ndim == 4 and final.shape[1] == self.net.num_features
        by_layer[FINAL] = final if is_map else by_layer[self._last]
        return [by_layer[each] for each in self._layers]


class _Isc21(nn.Module):
    """The shape of the ISC-21 winner: mean of the last map, linear, batch norm, unit length."""

    def __init__(self, architecture: str, state: State) -> None:
        super().__init__()
        self.backbone = _create(architecture, features_only=True)
        width, channels = state["fc.weight"].shape
        self.fc = nn.Linear(channels, width, bias="fc.bias" in state)
        self.bn = nn.BatchNorm1d(width)

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        pooled_BC = self.backbone(pixels_BCHW)[-1].clamp(min=1e-6).mean((-2, -1))
        return nn.functional.normalize(self.bn(self.fc(pooled_BC)))


def _lite0(layers: tuple[str, ...]) -> tuple[nn.Module, Source]:
    architecture = PACKAGED[DEFAULT_WEIGHTS]
    state = packaged_state(DEFAULT_WEIGHTS)
    net = _create(architecture)
    fill(net, state, architecture)
    preprocessing = Preprocessing(mean=(127.0, 127.0, 127.0), deviation=(128.0, 128.0, 128.0))
    source = Source(kind="timm", architecture=architecture, layers=layers, preprocessing=preprocessing)
    return _Maps(source, net), source


def _from_hub(weights: str, layers: tuple[str, ...]) -> tuple[nn.Module, Source]:
    name = weights.removeprefix("timm:")
    net = _create(name, pretrained=True)
    preprocessing = _preprocessing_of(net)
    source = Source(kind="timm", architecture=_architecture_of(net, name), layers=layers, preprocessing=preprocessing)
    return _Maps(source, net), source


def _from_file(path: Path, architecture: str | None, layers: tuple[str, ...]) -> tuple[nn.Module, Source]:
    if path.suffix != ".safetensors" and is_torchscript(path):
        return torch.jit.load(str(path), map_location="cpu"), Source(kind="torchscript")
    state = read_state(path)
    if architecture is None:
        raise UsageError(f"`{path}` holds weights without their architecture; name it as timm does")
    if "fc.weight" in state and "bn.running_mean" in state and any(key.startswith("backbone.") for key in state):
        network: nn.Module = _Isc21(architecture, state)
        fill(network, state, architecture)
        return network, Source(
            kind="isc21", architecture=architecture, preprocessing=_preprocessing_of(network.backbone)
        )
    net = _create(architecture)
    fill(net, state, architecture)
    source = Source(kind="timm", architecture=architecture, layers=layers, preprocessing=_preprocessing_of(net))
    return _Maps(source, net), source


def _create(architecture: str, *, pretrained: bool = False, features_only: bool = False) -> Any:
    try:
        import timm
    except ImportError as error:
        raise MachineError("this backbone needs timm: `pip install 'podium[torch]'`") from error
    options: dict[str, Any] = {"features_only": True} if features_only else {"num_classes": 0}
    try:
        return timm.create_model(architecture, pretrained=pretrained, **options)
    except RuntimeError as error:
        raise UsageError(f"timm cannot make `{architecture}`: {error}") from error
    except OSError as error:
        raise MachineError(f"the weights of `{architecture}` could not be fetched: {error}") from error


def _layer_index(layer: str, count: int) -> int:
    if not layer.removeprefix("-").isdigit() or not -count <= int(layer) < count:
        raise UsageError(f"`{layer}` is no layer; allowed: `{FINAL}` and whole numbers from {-count} to {count - 1}")
    return int(layer) % count


def _preprocessing_of(net: nn.Module) -> Preprocessing:
    settings: Mapping[str, Any] = getattr(net, "pretrained_cfg", None) or getattr(net, "default_cfg", None) or {}
    if "mean" not in settings or "std" not in settings:
        return Preprocessing()
    return Preprocessing(mean=_times_255(settings["mean"]), deviation=_times_255(settings["std"]))


def _times_255(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = _three(values)
    return red * 255, green * 255, blue * 255


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _architecture_of(net: nn.Module, name: str) -> str:
    settings: Mapping[str, Any] = getattr(net, "pretrained_cfg", None) or {}
    return str(settings.get("architecture") or name)


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type != "cpu":
        return device.type == "cuda"
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
