"""A trained or pretrained model: networks, how they are used, and what their similarities mean, in one folder.

```
model_assets/
  model.yaml          settings, and the members in order
  calibration.json    when the model is calibrated; local_calibration.json, when its local features are
  member-0/           network.yaml, weights.safetensors
```
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from podium.errors import MachineError, UsageError, nearest
from podium.solutions.reidentification.calibration import Calibration
from podium.solutions.reidentification.expansion import Expansion
from podium.solutions.reidentification.local_features import LocalFeatures
from podium.solutions.reidentification.ranking import VIEWS, Part, view_shares
from podium.solutions.reidentification.reranking import Reranking

if TYPE_CHECKING:
    from podium.solutions.reidentification.network import Network, NetworkSettings

ASSETS = "model_assets"
DEVICES = ("cpu", "cuda", "auto")
MODEL_FILE = "model.yaml"
CALIBRATION_FILE = "calibration.json"
LOCAL_CALIBRATION_FILE = "local_calibration.json"


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """How networks are used.

    Attributes:
        flip: Each photograph is also looked at mirrored.
        concatenate: The two embeddings stand side by side; else their mean counts.
        batch: Photographs, mirrored ones included, that a network sees at one time; 1 to 1,024.
        limit: Ranked images of a query.
        expansion: Use of the database's own neighbourhoods; None is none.
        reranking: k-reciprocal re-ranking; None is none.
        local: Re-scoring of the best by matched details; None is none.
    """

    flip: bool = True
    concatenate: bool = False
    batch: int = 16
    limit: int = 20
    expansion: Expansion | None = None
    reranking: Reranking | None = None
    local: LocalFeatures | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= 1024:
            raise UsageError(f"a batch of `{self.batch}` photographs cannot be; 1 to 1024 are allowed")
        if self.limit < 1:
            raise UsageError(f"the limit of ranked images is `{self.limit}`; 1 or more is allowed")
        if self.local is not None and self.local.shortlist < self.limit:
            raise UsageError(f"a shortlist of `{self.local.shortlist}` is shorter than the limit of `{self.limit}`")
        if self.reranking is not None and self.expansion is not None:
            raise UsageError("re-ranking and expansion exclude each other; leave one out")


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One network of a model.

    Attributes:
        network: In evaluation mode.
        serves: Which pairs it compares: ``lateral`` are those with at least one lateral image, ``top`` all others.
        weight: Of its similarity in the mean of the members.
    """

    network: Network
    serves: tuple[str, ...] = VIEWS
    weight: float = 1.0

    @property
    def part(self) -> Part:
        """How it counts, without the network."""
        return Part(serves=self.serves, weight=self.weight)


@dataclass(frozen=True, kw_only=True)
class _MemberEntry:
    folder: str
    serves: tuple[str, ...]
    weight: float


@dataclass(frozen=True, kw_only=True)
class _Description:
    settings: InferenceSettings
    members: tuple[_MemberEntry, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Networks and everything that is needed to rank with them.

    Attributes:
        members: One or more; every kind of pair is served by at least one.
        settings: How they are used.
        calibration: From similarities to probabilities; None when it was never fitted.
        local_calibration: The same for the matched details of the local features.
    """

    members: tuple[Member, ...]
    settings: InferenceSettings = InferenceSettings()
    calibration: Calibration | None = None
    local_calibration: Calibration | None = None

    def __post_init__(self) -> None:
        view_shares(self.parts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """How each member counts."""
        return tuple(each.part for each in self.members)

    def with_calibration(self, calibration: Calibration | None) -> Model:
        """The same model, calibrated otherwise."""
        return replace(self, calibration=calibration)

    def with_settings(self, **changes: Any) -> Model:
        """The same model, used otherwise: ``model.with_settings(flip=False)``."""
        return replace(self, settings=replace(self.settings, **changes))

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs; equal models give equal bytes.

        Args:
            folder: Made where it is missing.
        """
        from podium.solutions.reidentification import network as networks

        entries: list[_MemberEntry] = []
        for number, member in enumerate(self.members):
            name = f"member-{number}"
            networks.save(member.network, folder / name)
            entries.append(_MemberEntry(folder=name, serves=member.serves, weight=member.weight))
        description = asdict(_Description(settings=self.settings, members=tuple(entries)))
        (folder / MODEL_FILE).write_text(_yaml().safe_dump(_plain(description), sort_keys=False), encoding="utf-8")
        kept = ((CALIBRATION_FILE, self.calibration), (LOCAL_CALIBRATION_FILE, self.local_calibration))
        for name, calibration in kept:
            if calibration is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_text(calibration.to_json() + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Model:
        """The model that `save` wrote.

        Args:
            folder: Holds ``model.yaml``.
            device: ``cpu``, ``cuda``, or ``auto``, which is the graphics card where there is one.

        Raises:
            UsageError: A file is missing, or is not what it should be.
        """
        from podium.solutions.reidentification import network as networks

        path = folder / MODEL_FILE
        if not path.is_file():
            raise UsageError(f"`{folder}` holds no model: `{MODEL_FILE}` is missing")
        found = _read(path)
        members: list[Member] = []
        for entry in found.members:
            inside = folder / entry.folder
            if not inside.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"`{path}` names `{entry.folder}`, which lies outside the model's folder")
            network = networks.load(inside).to(chosen_device(device)).eval()
            members.append(Member(network=network, serves=entry.serves, weight=entry.weight))
        return Model(
            members=tuple(members),
            settings=found.settings,
            calibration=_calibration(folder / CALIBRATION_FILE),
            local_calibration=_calibration(folder / LOCAL_CALIBRATION_FILE),
        )


def pretrained(
    weights: str | None = None,
    settings: InferenceSettings | None = None,
    *,
    architecture: str | None = None,
    network: NetworkSettings | None = None,
    device: str = "cpu",
) -> Model:
    """A model that was never trained on individuals: an ImageNet backbone, pooled maps, no neck.

    Args:
        weights: As for `network.build`; None is what is built in.
        settings: None is the default: each photograph also mirrored, mean of the two embeddings.
        architecture: timm's name, for a file of weights; None is EfficientNet-Lite0, or what ``timm:NAME`` says.
        network: None is that architecture at 224 x 112, the shape of an animal seen from above.
        device: As for `Model.load`.

    Raises:
        UsageError: The weights do not exist or do not fit.
        MachineError: A package that holds them is missing.
    """
    from podium.solutions.reidentification import network as networks

    weights = weights or networks.DEFAULT_WEIGHTS
    shape = network or _shape_of(weights, architecture)
    built = networks.build(shape, weights=weights).to(chosen_device(device)).eval()
    return Model(members=(Member(network=built),), settings=settings or InferenceSettings())


def chosen_device(name: str) -> str:
    """The device of that name; for ``auto`` the graphics card where there is one.

    Raises:
        UsageError: There is no such device.
        MachineError: This machine has no graphics card that can be used.
    """
    import torch

    if name not in DEVICES:
        raise UsageError(f"no device is called `{name}`; {nearest(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError("the device `cuda` needs an NVIDIA card and a torch that was built for it")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _shape_of(weights: str, architecture: str | None) -> NetworkSettings:
    """Settings of a net without a neck, with the colours that its weights were trained with."""
    from podium.solutions.reidentification.network import NetworkSettings

    size = NetworkSettings(neck="none", height=224, width=112)
    name = weights.removeprefix("timm:") if weights.startswith("timm:") else architecture
    if name is None or name == size.architecture:
        return size
    import timm

    known = timm.get_pretrained_cfg(name) if timm.is_model(name.split(".")[0]) else None
    shape = replace(size, architecture=name.split(".")[0])
    if known is None:
        return shape
    mean, deviation = (tuple(255.0 * each for each in values) for values in (known.mean, known.std))
    return replace(shape, mean=mean, deviation=deviation)


def _calibration(path: Path) -> Calibration | None:
    return Calibration.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _read(path: Path) -> _Description:
    import msgspec

    yaml = _yaml()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        _refuse_unknown(raw, _Description, path)
        return msgspec.convert(raw, _Description)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` does not describe a model: {error}") from error


def _refuse_unknown(raw: Any, kind: type, path: Path) -> None:
    """Walks down the values as far as they are tables; msgspec lets unknown keys of dataclasses pass."""
    if not isinstance(raw, dict):
        return
    known = [each.name for each in fields(kind)]
    hints = get_type_hints(kind)
    for name, value in raw.items():
        if name not in known:
            raise UsageError(f"`{path}` names `{name}`; {nearest(str(name), known)}")
        inside = next((each for each in (hints[name], *get_args(hints[name])) if is_dataclass(each)), None)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(inside, type):
                _refuse_unknown(each, inside, path)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MachineError("models are kept as YAML: `pip install 'podium[torch]'`") from error
    return yaml


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value
