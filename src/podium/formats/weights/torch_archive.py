"""Zip archives of torch: states, checkpoints, whole modules, TorchScript. Nothing of them is unpickled or run.

```
NAME/data.pkl        the values; tensors name a storage by its key
NAME/data/0 …        the storages, stored plain: their sizes are the truth
NAME/constants.pkl   NAME/constants/0 …   the same for constants of TorchScript code
NAME/code/….py       TorchScript; says which tensors are buffers
```

A storage counts once and as a whole, whatever views of it there are and whether anything names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from podium.errors import SubmissionError
from podium.formats.faults import shown, sized
from podium.formats.weights.pickles import MAX_PICKLE_BYTES, Call, Name, Storage, follow
from podium.formats.weights.script_code import Buffers, buffers_of
from podium.formats.weights.tensors import (
    MAX_TENSORS,
    Role,
    Tensor,
    WeightKind,
    bits,
    cut,
    elements_of,
    fault,
    plain_role,
    with_statistics,
)
from podium.formats.zips import STORED, Entry, entry_chunks, read_directory

_MAX_CODE_BYTES = 32 << 20
_MAX_DEPTH = 64
_VALUES = "data.pkl"
_CONSTANTS = "constants.pkl"
_HIDDEN_PARTS = frozenset({"_modules", "_parameters", "_buffers"})

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "Float8_e4m3fnStorage": "float8",
    "Float8_e5m2Storage": "float8",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "UntypedStorage": "uint8",
}
_WRAPPERS = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})
_REBUILDERS = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"})


@dataclass(frozen=True, kw_only=True)
class _View:
    """A tensor that shows a storage.

    Attributes:
        dtype: Only where the storage itself has none.
        trained: False where the archive calls it a buffer.
    """

    name: str
    key: str
    shape: tuple[int, ...]
    dtype: str | None
    trained: bool


def is_torch(names: Iterable[str]) -> bool:
    """True when entries of these names are an archive of torch."""
    return any(name.count("/") == 1 and name.endswith(f"/{_VALUES}") for name in names)


def read_tensors(stream: BinaryIO, name: str) -> tuple[WeightKind, tuple[Tensor, ...]]:
    """The tensors of an opened archive; of those that share a storage, the first.

    Raises:
        SubmissionError: The archive is broken, or its pickle and its storages do not fit together.
    """
    archive = _Archive(stream, name)
    scripted = any(each.startswith("code/") for each in archive.entries) or _CONSTANTS in archive.entries
    buffers = archive.buffers() if scripted else {}
    tensors = archive.tensors(_VALUES, "data/", buffers=buffers)
    if _CONSTANTS in archive.entries:
        tensors += archive.tensors(_CONSTANTS, "constants/", prefix="constants.")
    if len(tensors) > MAX_TENSORS:
        raise fault(name, f"there are `{len(tensors)}` tensors; at most `{MAX_TENSORS}` are read")
    return WeightKind.TORCHSCRIPT if scripted else WeightKind.TORCH, with_statistics(tensors)


class _Archive:
    """The entries of an archive, by their names below its one folder."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        try:
            listed = read_directory(stream, max_entries=MAX_TENSORS)
        except SubmissionError as error:
            raise fault(name, str(error)) from error
        tops = {each.name.partition("/")[0] for each in listed if each.name.endswith(f"/{_VALUES}")}
        top = tops.pop() if len(tops) == 1 else ""
        if not top or any(not each.name.startswith(f"{top}/") for each in listed):
            raise fault(name, f"all entries must lie in one folder with one `{_VALUES}`")
        self.entries: dict[str, Entry] = {each.name.removeprefix(f"{top}/"): each for each in listed}
        if len(self.entries) != len(listed):
            raise fault(name, "the archive has two entries of one name")
        for each in listed:
            if each.fault is not None:
                raise fault(f"{name} {shown(each.name)}", each.fault)

    def buffers(self) -> Buffers:
        """The buffers of every class of the code."""
        found: Buffers = {}
        left = _MAX_CODE_BYTES
        for path, entry in self.entries.items():
            if path.startswith("code/") and path.endswith(".py"):
                left -= entry.size_bytes
                if left < 0:
                    raise fault(self._name, f"the code has more than {sized(_MAX_CODE_BYTES)}")
                module = path.removeprefix("code/").removesuffix(".py").replace("/", ".")
                found |= buffers_of(module, self._read(path, _MAX_CODE_BYTES).decode("utf-8", "replace"))
        return found

    def tensors(self, pickle: str, folder: str, *, buffers: Buffers | None = None, prefix: str = "") -> list[Tensor]:
        """One tensor for each storage in a folder."""
        where = f"{self._name} `{pickle}`"
        followed = follow(self._read(pickle, MAX_PICKLE_BYTES), where)
        views: dict[str, list[_View]] = {}
        for number, view in enumerate(_views(followed.value, buffers or {}, prefix, where)):
            if number >= MAX_TENSORS:
                raise fault(where, f"there are more than `{MAX_TENSORS}` tensors")
            views.setdefault(view.key, []).append(view)
        missing = [key for key, each in followed.storages.items() if each.count and folder + key not in self.entries]
        if missing:
            raise fault(where, f"the storage {shown(missing[0])} is not in the archive")
        return [
            self._tensor(path.removeprefix(folder), entry, followed.storages, views, constant=bool(prefix))
            for path, entry in self.entries.items()
            if path.startswith(folder) and not entry.is_folder
        ]

    def _tensor(
        self,
        key: str,
        entry: Entry,
        storages: Mapping[str, Storage],
        views: Mapping[str, list[_View]],
        *,
        constant: bool,
    ) -> Tensor:
        where = f"{self._name} {shown(entry.name)}"
        if entry.method != STORED:
            raise fault(where, "this storage is compressed; torch stores it plain")
        shown_by = views.get(key, [])
        dtype = _dtype(storages.get(key), shown_by, where)
        size = bits(dtype) // 8
        elements = entry.size_bytes // size
        told = storages.get(key)
        claimed = None if told is None else told.count * (1 if told.kind == "UntypedStorage" else size)
        if elements * size != entry.size_bytes or (claimed is not None and claimed != entry.size_bytes):
            raise fault(where, f"the storage has `{entry.size_bytes}` bytes; the pickle tells of `{claimed or 0}`")
        whole = [each for each in shown_by if math.prod(each.shape) == elements]
        name = (whole or shown_by)[0].name if shown_by else f"(storage {key})"
        role = plain_role(dtype)
        if shown_by and not any(each.trained for each in shown_by):
            role = Role.CONSTANT
        if constant and elements == 1:
            role = Role.CONSTANT
        return Tensor(
            name=cut(name),
            shape=whole[0].shape if whole else (elements,),
            dtype=dtype,
            elements=elements,
            stored_bytes=entry.size_bytes,
            role=role,
        )

    def _read(self, path: str, most: int) -> bytes:
        entry = self.entries[path]
        where = f"{self._name} {shown(entry.name)}"
        if entry.size_bytes > most:
            raise fault(where, f"it has {sized(entry.size_bytes)}; at most {sized(most)} are read")
        try:
            return b"".join(entry_chunks(self._stream, entry))
        except SubmissionError as error:
            raise fault(where, str(error)) from error


def _dtype(storage: Storage | None, views: list[_View], where: str) -> str:
    """The type of a storage; bytes where nothing tells it."""
    if storage is None:
        return "uint8"
    if storage.kind not in _STORAGES:
        # Those that pack two or four weights into a byte are among them: a count by the byte would be too small.
        message = f"the storage is a {shown(storage.kind)}, which cannot be counted"
        raise fault(where, message, hint="export the model as safetensors")
    if storage.kind == "UntypedStorage":
        told = {each.dtype for each in views if each.dtype is not None}
        return told.pop() if len(told) == 1 else "uint8"
    return _STORAGES[storage.kind]


def _views(value: Any, buffers: Buffers, prefix: str, where: str) -> Iterable[_View]:
    """Every tensor below a value, in order. Containers that are met again are not walked again."""
    seen: set[int] = set()
    todo: list[tuple[Any, tuple[str, ...], bool]] = [(value, (), True)]
    while todo:
        each, path, trained = todo.pop()
        if not isinstance(each, Call | list | dict | tuple) or each in ((), [], {}):
            continue
        if isinstance(each, Call) and _is_tensor(each):
            yield _view(each, prefix + _name(path), trained, where)
            continue
        if id(each) in seen:  # pyright: ignore[reportUnknownArgumentType] - any container
            continue
        seen.add(id(each))  # pyright: ignore[reportUnknownArgumentType] - any container
        if len(path) > _MAX_DEPTH:
            raise fault(where, f"values lie more than `{_MAX_DEPTH}` deep")
        todo += reversed(list(_below(cast(Any, each), path, buffers, trained)))


def _below(value: Any, path: tuple[str, ...], buffers: Buffers, trained: bool) -> Iterable[tuple[Any, Any, bool]]:
    if isinstance(value, Call):
        known = buffers.get(str(value.what), frozenset[str]()) if isinstance(value.what, Name) else frozenset[str]()
        wraps = str(value.what) in _WRAPPERS if isinstance(value.what, Name) else False
        yield value.arguments[0] if wraps and value.arguments else value.arguments, path, trained
        state: Any = value.state
        if isinstance(state, dict):
            yield from _items(cast(dict[Any, Any], state), path, known, trained)
        else:
            yield state, path, trained
    elif isinstance(value, dict):
        yield from _items(cast(dict[Any, Any], value), path, frozenset(), trained)
    else:
        for at, each in enumerate(cast(tuple[Any, ...], value)):
            yield each, (*path, str(at)) if isinstance(each, Call | list | dict) else path, trained


def _items(
    table: dict[Any, Any], path: tuple[str, ...], buffers: frozenset[str], trained: bool
) -> Iterable[tuple[Any, Any, bool]]:
    for key, each in table.items():
        yield each, (*path, str(key)), trained and key not in buffers and key != "_buffers"


def _is_tensor(call: Call) -> bool:
    if not (isinstance(call.what, Name) and call.what.module == "torch._utils" and call.what.attribute in _REBUILDERS):
        return False
    arguments = call.arguments
    return isinstance(arguments, tuple) and bool(cast(Any, arguments)) and isinstance(arguments[0], Storage)


def _view(call: Call, name: str, trained: bool, where: str) -> _View:
    arguments = cast(tuple[Any, ...], call.arguments)
    storage, shape = arguments[0], arguments[2] if len(arguments) > 2 else None
    if not isinstance(shape, tuple) or not all(type(side) is int for side in cast(tuple[Any, ...], shape)):
        raise fault(where, f"the tensor {shown(name)} has no shape")
    sides = cast(tuple[int, ...], shape)
    elements_of(sides, where)
    last = arguments[6] if call.what.attribute == "_rebuild_tensor_v3" and len(arguments) > 6 else None
    dtype = last.attribute if isinstance(last, Name) and last.module == "torch" else None
    return _View(name=name, key=storage.key, shape=sides, dtype=dtype, trained=trained)


def _name(path: tuple[str, ...]) -> str:
    return cut(".".join(part for part in path if part not in _HIDDEN_PARTS)) or "(a tensor)"
