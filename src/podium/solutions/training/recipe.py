"""Recipes: the settings of one training, in a YAML file that a person reads on one screen.

A recipe's keys are the fields of a frozen dataclass, nothing more and nothing else. A solution's recipe type inherits
from `Head`, which says what every recipe says.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from podium.errors import UsageError, nearest
from podium.solutions.training.strict_yaml import MAX_BYTES, Place, parse, text_of

Recipe = TypeVar("Recipe")

RECIPES = "recipes"
_SOLUTIONS = Path(__file__).parent.parent
_ENDINGS = (".yaml", ".yml")
_ABSENT = object()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """What every recipe says.

    Attributes:
        solution: The package below ``podium.solutions`` that trains it.
        summary: One line: what it makes, on what machine, in which time.
        challenge: For which a submission is made at the end; None makes none.
    """

    solution: str
    summary: str = ""
    challenge: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """A recipe that ships with Podium, by the name under which `find` knows it: ``reidentification/small``."""

    name: str
    summary: str
    path: Path


def load(path: Path, kind: type[Recipe], *, overrides: Mapping[str, str] = MappingProxyType({})) -> Recipe:
    """A recipe, checked against its type.

    Args:
        path: A YAML file of at most 256 KiB.
        kind: A frozen dataclass whose fields are the keys; fields may be dataclasses, tuples and mappings in turn.
        overrides: New values as YAML text, by their place with dots: ``{"trainer.epochs": "3"}``.

    Raises:
        UsageError: The file is missing or no YAML; or a key is unknown, missing, or has a value of the wrong kind: the
            message has every such fault, with its line.
    """
    return read(_text(path), kind, name=str(path), overrides=overrides)


def read(
    text: str, kind: type[Recipe], *, name: str = "recipe", overrides: Mapping[str, str] = MappingProxyType({})
) -> Recipe:
    r"""As `load`, from a text.

    >>> read("solution: reidentification", Head, overrides={"summary": "small"}).summary
    'small'
    >>> read("solution: x\nsumary: y", Head)
    Traceback (most recent call last):
    podium.errors.UsageError: `recipe`: `sumary` (line 2) is unknown; did you mean `summary`?
    """
    document = parse(text, name=name)
    building = _Building(lines={place: f"line {line}" for place, line in document.lines.items()})
    raw = {} if document.value is None else document.value
    for place, value in overrides.items():
        raw = building.override(raw, tuple(place.split(".")), parse(value, name=f"--set {place}").value)
    made = building.build(raw, kind, ())
    if building.faults:
        raise UsageError(f"`{name}`: " + "\n".join(building.faults))
    return made


def dump(recipe: Any) -> str:
    """YAML that `read` turns into an equal recipe; every field is written, also those that had their default."""
    return text_of(msgspec.to_builtins(recipe, enc_hook=str))


def write(recipe: Any, path: Path) -> None:
    """Writes `dump` into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(recipe))


def digest(recipe: Any) -> str:
    """``sha256:…`` of every setting, however its file was written.

    >>> digest(Head(solution="x")) == digest(read("{solution: x, summary: ''}", Head))
    True
    """
    return f"sha256:{hashlib.sha256(dump(recipe).encode()).hexdigest()}"


def keep(recipe: Any, out: Path, *, resume: bool = False) -> Path:
    """Writes a recipe beside what comes of it, or, to go on, checks that it is the one that was begun with.

    Args:
        out: The folder of the training; gets ``recipe.yaml``.
        resume: A recipe that is there must be this one.

    Raises:
        UsageError: The recipe that was begun with is another; the message names what differs.
    """
    path = out / "recipe.yaml"
    if resume and path.is_file():
        old, new = (_flat(parse(text, name=str(path)).value) for text in (_text(path), dump(recipe)))
        changed = [
            f"`{place}` was `{_shown(old.get(place))}` and is `{_shown(new.get(place))}`"
            for place in sorted(old.keys() | new.keys())
            if old.get(place, _ABSENT) != new.get(place, _ABSENT)
        ]
        if changed:
            raise UsageError(f"`{out}` was begun with another recipe: {'; '.join(changed)}; begin in another folder")
        return path
    write(recipe, path)
    return path


def head(path: Path, *, overrides: Mapping[str, str] = MappingProxyType({})) -> Head:
    """What a recipe of any solution says of itself.

    Args:
        overrides: Those below other keys are left to the solution.

    Raises:
        UsageError: The file is no recipe, or names a solution that does not train.
    """
    told = _head(path, overrides)
    if told.solution not in _trainable():
        raise UsageError(
            f"`{path}`: no solution `{told.solution}` can be trained; {nearest(told.solution, _trainable())}"
        )
    return told


def find(name: str) -> Path:
    """The file of a recipe.

    Args:
        name: A path, or the name of a recipe that ships with Podium: ``reidentification/small``.

    Raises:
        UsageError: There is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    names = _packaged()
    if name in names:
        return names[name]
    if path.suffix in _ENDINGS:
        raise UsageError(f"there is no file `{name}`; packaged recipes: {_enumerate(names)}")
    raise UsageError(f"no recipe is called `{name}`; {nearest(name, names)}")


def listed() -> tuple[Listing, ...]:
    """Every recipe that ships with Podium, by name."""
    return tuple(
        Listing(name=name, summary=_head(path, {}).summary, path=path) for name, path in sorted(_packaged().items())
    )


def _head(path: Path, overrides: Mapping[str, str]) -> Head:
    found = parse(_text(path), name=str(path)).value
    names = {field.name for field in dataclasses.fields(Head)}
    if not isinstance(found, dict):
        raise UsageError(f"`{path}` is no recipe: it has no `solution`; {nearest('', _trainable())}")
    mine = text_of({key: value for key, value in found.items() if key in names})
    own = {key: value for key, value in overrides.items() if key.split(".")[0] in names}
    return read(mine, Head, name=str(path), overrides=own)


def _packaged() -> dict[str, Path]:
    paths = (each for each in _SOLUTIONS.glob(f"*/{RECIPES}/*") if each.suffix in _ENDINGS)
    return {f"{path.parent.parent.name}/{path.stem}": path for path in paths}


def _text(path: Path) -> str:
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"`{path}` has {path.stat().st_size} bytes; at most {MAX_BYTES} are allowed")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"`{path}` is no text") from error


def _trainable() -> list[str]:
    return sorted(path.parent.name for path in _SOLUTIONS.glob("*/train.py"))


def _enumerate(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{each}`" for each in names) or "none"


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            at: leaf
            for key, inner in value.items()
            for at, leaf in _flat(inner, f"{place}.{key}" if place else key).items()
        }
    return {place: value}


class _Building:
    """Turns plain values into dataclasses and notes what is wrong."""

    def __init__(self, *, lines: Mapping[Place, str]) -> None:
        self.faults: list[str] = []
        self._lines = dict(lines)

    def override(self, raw: Any, place: Place, value: Any, *, at: int = 0) -> Any:
        """`raw` with one value replaced; tables on the way are made."""
        self._lines[place[: at + 1]] = (
            "`--set`" if at + 1 == len(place) else self._lines.get(place[: at + 1], "`--set`")
        )
        last, key = at + 1 == len(place), place[at]
        if isinstance(raw, list):
            if not key.isdigit() or int(key) >= len(raw):
                self.faults.append(f"`--set {'.'.join(place)}`: `{key}` is none of the {len(raw)} positions from 0")
                return raw
            new = value if last else self.override(raw[int(key)], place, value, at=at + 1)
            return [*raw[: int(key)], new, *raw[int(key) + 1 :]]
        if raw is not None and not isinstance(raw, dict):
            self.faults.append(f"`--set {'.'.join(place)}`: `{'.'.join(place[:at])}` is a value and has no `{key}`")
            return raw
        table = raw or {}
        return table | {key: value if last else self.override(table.get(key), place, value, at=at + 1)}

    def build(self, raw: Any, kind: Any, place: Place) -> Any:
        """The value of type `kind`; something else when there were faults."""
        if dataclasses.is_dataclass(kind):
            return self._dataclass(raw, kind, place)
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self._union(raw, kind, inner, place)
        if origin in (tuple, list) and isinstance(raw, list):
            return self._sequence(raw, origin, inner, place)
        if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(raw, dict):
            return {key: self.build(value, inner[1], (*place, key)) for key, value in raw.items()}
        if origin is typing.Literal and raw not in inner:
            self._fault(place, f"is `{_shown(raw)}`; {nearest(str(raw), map(str, inner))}")
            return None
        return self._leaf(raw, kind, place)

    def _dataclass(self, raw: Any, kind: Any, place: Place) -> Any:
        if not isinstance(raw, dict):
            self._fault(place, f"is `{_shown(raw)}`; a table of settings is expected")
            return None
        before = len(self.faults)
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
        for key in raw:
            if key not in fields:
                self._fault((*place, key), f"is unknown; {nearest(key, fields)}")
        values = {key: self.build(raw[key], hints[key], (*place, key)) for key in fields if key in raw}
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in raw:
                self._fault((*place, name), "is missing")
        if len(self.faults) > before:
            return None
        try:
            return kind(**values)
        except (UsageError, ValueError, TypeError) as error:
            self._fault(place, str(error))
            return None

    def _union(self, raw: Any, kind: Any, inner: tuple[Any, ...], place: Place) -> Any:
        if raw is None and types.NoneType in inner:
            return None
        others = [each for each in inner if each is not types.NoneType]
        if len(others) == 1:
            return self.build(raw, others[0], place)
        return self._leaf(raw, kind, place)

    def _sequence(self, raw: list[Any], origin: Any, inner: tuple[Any, ...], place: Place) -> Any:
        many = origin is list or (len(inner) == 2 and inner[1] is Ellipsis)
        if not many and len(raw) != len(inner):
            self._fault(place, f"has {len(raw)} values; {len(inner)} are expected")
            return None
        kinds = [inner[0]] * len(raw) if many else inner
        return origin(
            self.build(value, kind, (*place, str(at))) for at, (value, kind) in enumerate(zip(raw, kinds, strict=True))
        )

    def _leaf(self, raw: Any, kind: Any, place: Place) -> Any:
        try:
            return msgspec.convert(raw, type=kind, strict=True)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at ")[0]
            self._fault(place, f"is `{_shown(raw)}`; {reason[0].lower()}{reason[1:]}")
            return None

    def _fault(self, place: Place, text: str) -> None:
        where = next((self._lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self._lines), "")
        subject = f"`{'.'.join(place)}`" if place else "the recipe"
        self.faults.append(f"{subject} ({where}) {text}" if where else f"{subject} {text}")


def _shown(raw: Any) -> str:
    text = text_of(raw).removesuffix("...\n").strip() if isinstance(raw, (dict, list)) else str(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."
