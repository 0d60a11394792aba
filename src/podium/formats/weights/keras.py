"""Keras files: ``.keras`` archives and HDF5 files of weights or whole models. No setting in them is evaluated.

```
MODEL.keras    zip of config.json, metadata.json, model.weights.h5 and, for some layers, assets/
HDF5           layers/<class>_<number>/vars/0 … (Keras 3), or model_weights/<layer>/…/kernel (before)
```

Only plain datasets inside the file are read: no links, no data in other files, no virtual ones. Their numbers are
never loaded. Optimizer state counts like anything else; scalars of it do not.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from podium.errors import MachineError, SubmissionError
from podium.formats.faults import shown, sized
from podium.formats.weights.tensors import (
    MAX_TENSORS,
    Role,
    Tensor,
    cut,
    elements_of,
    fault,
    plain_role,
    with_statistics,
)
from podium.formats.zips import entry_chunks, read_directory

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
MAX_WEIGHTS_BYTES = 1 << 30
_MAX_ENTRIES = 10_000
_MAX_GROUPS = 200_000
_MAX_DEPTH = 64
_OPTIMIZERS = ("optimizer.", "optimizer_weights.")


def is_keras(names: tuple[str, ...]) -> bool:
    """True when entries of these names are a ``.keras`` archive."""
    return WEIGHTS in names and CONFIG in names


def read_archive(stream: BinaryIO, name: str) -> tuple[Tensor, ...]:
    """The tensors of an opened ``.keras`` file.

    Raises:
        SubmissionError: The archive or the HDF5 file in it is broken.
        MachineError: h5py is not installed.
    """
    try:
        entries = read_directory(stream, max_entries=_MAX_ENTRIES)
        held = [each for each in entries if each.name == WEIGHTS]
        broken = next((each for each in entries if each.fault is not None), None)
        if broken is not None:
            raise fault(f"{name} {shown(broken.name)}", broken.fault or "")
        if len({each.name for each in entries}) != len(entries) or not held:
            raise fault(name, f"`{WEIGHTS}` must be there once, and every other entry too")
        if held[0].size_bytes > MAX_WEIGHTS_BYTES:
            raise fault(
                name, f"`{WEIGHTS}` has {sized(held[0].size_bytes)}; at most {sized(MAX_WEIGHTS_BYTES)} are read"
            )
        with tempfile.TemporaryFile() as loose:
            for chunk in entry_chunks(stream, held[0]):
                loose.write(chunk)
            loose.flush()
            tensors = read_hdf5(loose, f"{name} `{WEIGHTS}`")
    except SubmissionError as error:
        raise error if error.problems else fault(name, str(error)) from error
    if held[0].packed_bytes == held[0].size_bytes:
        return tensors
    # Of a packed entry nobody can say what each tensor takes, so it is shared out, less what belongs to none of them.
    stored = sum(each.stored_bytes for each in tensors)
    spare = max(0, held[0].size_bytes - stored)
    share = max(0, held[0].packed_bytes - spare) / max(1, stored)
    return tuple(replace(each, stored_bytes=int(each.stored_bytes * min(1.0, share))) for each in tensors)


def read_hdf5(stream: BinaryIO, name: str) -> tuple[Tensor, ...]:
    """The tensors of an opened HDF5 file.

    Raises:
        SubmissionError: It is broken, or holds links or data outside itself.
        MachineError: h5py is not installed.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise MachineError("reading weights of Keras needs h5py: `pip install 'podium[keras]'`") from error
    stream.seek(0)
    try:
        with h5py.File(stream, "r") as file:
            found = list(_datasets(h5py, file, name))
    except SubmissionError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        raise fault(name, f"this is no sound HDF5 file: {shown(error, characters=120)}") from error
    return tuple(_normalised(found))


def _datasets(h5py: Any, file: Any, name: str) -> Iterator[Tensor]:
    """Every dataset once, by an explicit walk: a group that is met again is left out."""
    todo: list[tuple[Any, tuple[str, ...]]] = [(file, ())]
    seen: set[Any] = set()
    groups = tensors = 0
    while todo:
        group, path = todo.pop()
        groups += 1
        if groups > _MAX_GROUPS or len(path) > _MAX_DEPTH:
            raise fault(name, f"there are more than `{_MAX_GROUPS}` groups, or they lie over `{_MAX_DEPTH}` deep")
        below: list[tuple[Any, tuple[str, ...]]] = []
        for key in group:
            where = f"{name} {shown('/'.join((*path, key)))}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise fault(where, "this is a link to elsewhere; only what the file itself holds is read")
            each = group[key]
            identity = h5py.h5o.get_info(each.id).addr
            if identity in seen:
                continue
            seen.add(identity)
            if isinstance(each, h5py.Group):
                below.append((each, (*path, key)))
            elif isinstance(each, h5py.Dataset):
                tensors += 1
                if tensors > MAX_TENSORS:
                    raise fault(name, f"there are more than `{MAX_TENSORS}` datasets")
                yield _tensor(each, (*path, key), where)
        todo += reversed(below)


def _tensor(dataset: Any, path: tuple[str, ...], where: str) -> Tensor:
    if dataset.external or dataset.is_virtual:
        raise fault(where, "its data lies outside the file")
    kind, shape = dataset.dtype, dataset.shape
    if shape is None:
        shape = (0,)
    dtype = str(kind.name)
    count = elements_of((int(side) for side in shape), where)
    # A chunk may reach past the shape, and what lies there is no part of the tensor.
    stored = min(int(dataset.id.get_storage_size()), count * int(kind.itemsize))
    if kind.kind == "V" and kind.itemsize == 2 and kind.names is None:
        dtype = "bfloat16"
    elif kind.kind not in "fiubc":
        # Texts, records and opaque bytes: counted by the byte.
        count, dtype, shape = count * int(kind.itemsize), "uint8", (count * int(kind.itemsize),)
    name = cut(".".join(part for part in path if part not in ("vars", "model_weights")))
    role = plain_role(dtype)
    if count <= 1 and name.startswith(_OPTIMIZERS):
        role = Role.CONSTANT
    return Tensor(
        name=name,
        shape=tuple(int(side) for side in shape),
        dtype=dtype,
        elements=count,
        stored_bytes=stored,
        role=role,
    )


def _normalised(tensors: list[Tensor]) -> Iterator[Tensor]:
    """Tensors with their roles; Keras 3 numbers the variables of a layer, mean and variance last."""
    groups: dict[str, list[Tensor]] = {}
    for each in tensors:
        groups.setdefault(each.name.rpartition(".")[0], []).append(each)
    numbered = {id(each) for prefix, group in groups.items() for each in _last_two(prefix, group)}
    for before, each in zip(tensors, with_statistics(tensors), strict=True):
        yield replace(each, role=Role.STATISTIC) if id(before) in numbered else each


def _last_two(prefix: str, group: list[Tensor]) -> list[Tensor]:
    """Mean and variance of a batch normalisation whose variables are numbered; needs a scale or shift beside them."""
    layer = prefix.rpartition(".")[2]
    alike = len({(each.shape, each.dtype) for each in group}) == 1 and len(group[0].shape) == 1
    if "batch_norm" not in layer or len(group) not in (3, 4) or not alike:
        return []
    return sorted(group, key=lambda each: each.name)[-2:]
