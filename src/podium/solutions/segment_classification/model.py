"""A trained model: one network or several whose probabilities are averaged, and the classes they know, in one folder.

```
model_assets/
  model.yaml       the names of the members, in order
  classes.csv      the classes, in the order of the networks' outputs
  NAME/            of each member: network.yaml, weights.safetensors; other files are left alone
```

Legend: C classes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from podium.errors import SubmissionError, UsageError
from podium.formats.files import open_regular, replacing
from podium.solutions import devices
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.network import Network
from podium.solutions.training import strict_yaml

ASSETS = "model_assets"
MODEL_FILE = "model.yaml"
CLASSES_FILE = "classes.csv"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One network of a model.

    Attributes:
        name: Of its folder and its predictions: letters, digits, dots, dashes and underscores, at most 64.
        network: In evaluation mode.
    """

    name: str
    network: Network

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in (MODEL_FILE, CLASSES_FILE):
            allowed = "letters, digits, `.`, `-` and `_`, 64 at most, a letter or digit first"
            raise UsageError(f"a member cannot be called `{self.name}`; {allowed} are allowed")

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of the settings and the weights; the name does not count."""
        whole = hashlib.sha256(json.dumps(asdict(self.network.settings), sort_keys=True).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            plain = tensor.detach().cpu().contiguous().numpy()
            whole.update(f"\0{name} {plain.dtype} {plain.shape}\0".encode() + plain.tobytes())
        return f"sha256:{whole.hexdigest()}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Networks and the classes that they know.

    Attributes:
        members: One or more, of different names; each gives one number a class.
        classes: In the order of the networks' outputs.
    """

    members: tuple[Member, ...]
    classes: Classes

    def __post_init__(self) -> None:
        if not self.members:
            raise UsageError("a model has no members; at least one is needed")
        twice = _twice(each.name for each in self.members)
        if twice is not None:
            raise UsageError(f"two members are called `{twice}`; names must differ")
        for each in self.members:
            found, wanted = each.network.settings.classes, len(self.classes)
            if found != wanted:
                raise UsageError(f"the network of `{each.name}` knows `{found}` classes; the model has `{wanted}`")

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs; equal models give equal bytes.

        Args:
            folder: Made where it is missing; files in it that are none of the model's stay.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for member in self.members:
            networks.save(member.network, folder / member.name)
        self.classes.write(folder / CLASSES_FILE)
        described = strict_yaml.text_of({"members": [each.name for each in self.members]})
        with replacing(folder / MODEL_FILE) as stream:
            stream.write(described.encode())

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Model:
        """The model that `save` wrote, ready to predict.

        Args:
            folder: Holds ``model.yaml``.
            device: ``cpu``, ``cuda``, or ``auto``, which is the graphics card where there is one.

        Raises:
            UsageError: A file is missing, or is not what it should be.
            MachineError: There is no such device here.
        """
        place = devices.chosen(device)
        names = _member_names(folder / MODEL_FILE)
        classes = Classes.read(folder / CLASSES_FILE)
        loaded = ((name, networks.load(folder / name, device=place).eval()) for name in names)
        return Model(members=tuple(Member(name=name, network=network) for name, network in loaded), classes=classes)


def together(models: Mapping[str, Model]) -> Model:
    """One model of the members of several.

    Args:
        models: By name, which becomes that of its member, or stands before the name of each where it has several.

    Raises:
        UsageError: There is no model, two know different classes, or the names do not fit.
    """
    if not models:
        raise UsageError("there is no model; at least one is needed")
    first, *others = models.items()
    classes = first[1].classes
    for name, each in others:
        if each.classes.indices_C.tolist() != classes.indices_C.tolist():
            raise UsageError(f"the models `{first[0]}` and `{name}` know different classes, or in another order")
    members = [
        Member(name=name if len(each.members) == 1 else f"{name}-{member.name}", network=member.network)
        for name, each in models.items()
        for member in each.members
    ]
    return Model(members=tuple(members), classes=classes)


def _member_names(path: Path) -> list[str]:
    if not path.is_file():
        raise UsageError(f"`{path.parent}` holds no model: `{path.name}` is missing")
    try:
        with open_regular(path.resolve(), max_bytes=strict_yaml.MAX_BYTES) as stream:
            text = stream.read().decode("utf-8")
    except (SubmissionError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}") from error
    found = strict_yaml.parse(text, name=str(path)).value
    names = found.get("members") if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise UsageError(f"`{path}` does not describe a model: a list of names called `members` is all it may hold")
    wrong = next((each for each in names if not _NAME.fullmatch(each)), None)
    if wrong is not None:
        raise UsageError(f"`{path}` names the member `{wrong}`, which is no name of a folder beside it")
    return names


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((each for each in names if each in seen or seen.add(each)), None)
