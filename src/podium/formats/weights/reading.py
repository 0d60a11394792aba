"""Any weight file, told by its content and not by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from podium.errors import SubmissionError
from podium.formats.digests import digest_stream
from podium.formats.files import open_regular
from podium.formats.weights import keras, onnx, safetensors, torch_archive
from podium.formats.weights.tensors import External, Tensor, WeightFile, WeightKind, fault
from podium.formats.zips import read_directory

MAX_FILE_BYTES = 8 << 30
KNOWN = "safetensors, TorchScript or a zip archive of `torch.save`, ONNX, `.keras`, HDF5 of Keras"

_MAX_ENTRIES = 200_000
_ZIP_MAGIC = b"PK\x03\x04"


def read_weights(path: Path) -> WeightFile:
    """Every tensor of a stranger's weight file. Nothing of the file is run, unpickled or evaluated.

    Args:
        path: A plain file; links are not followed.

    Raises:
        SubmissionError: It is missing, broken or of no known format.
        MachineError: An HDF5 file, and h5py is not installed.
    """
    with open_regular(path, max_bytes=MAX_FILE_BYTES) as stream:
        kind = _kind(stream, path.name)
        if kind is None:
            raise fault(path.name, f"this is no weight file that can be counted; known: {KNOWN}", hint=_advice(path))
        tensors, externals = _tensors(stream, kind, path.name)
        size = os.fstat(stream.fileno()).st_size
        digest = digest_stream(stream)
    return WeightFile(kind=kind, tensors=tensors, digest=digest, size_bytes=size, externals=externals)


def weight_kind(path: Path) -> WeightKind | None:
    """The format of a file that begins as a weight file does; None for any other.

    Raises:
        SubmissionError: It is missing, or no plain file.
    """
    with open_regular(path) as stream:
        return _kind(stream, path.name)


def _kind(stream: BinaryIO, name: str) -> WeightKind | None:
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    head = stream.read(512)
    if head.startswith(_ZIP_MAGIC):
        return _kind_of_zip(stream)
    if safetensors.is_safetensors(head, size):
        return WeightKind.SAFETENSORS
    if head.startswith(keras.HDF5_MAGIC):
        return WeightKind.KERAS
    # A protobuf has no magic: the first field of an ONNX model is its version, a small number.
    looks_like_one = len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 64
    if Path(name).suffix.lower() == ".onnx" or ((looks_like_one and b"onnx" in head) or _names_a_writer(head)):
        return WeightKind.ONNX
    return None


def _names_a_writer(head: bytes) -> bool:
    return (
        len(head) > 4
        and head[0] == 0x08
        and head[2] == 0x12
        and any(each in head[:64] for each in (b"pytorch", b"tf2onnx", b"keras", b"onnx"))
    )


def _kind_of_zip(stream: BinaryIO) -> WeightKind | None:
    try:
        names = tuple(each.name for each in read_directory(stream, max_entries=_MAX_ENTRIES))
    except SubmissionError:
        return None
    if torch_archive.is_torch(names):
        scripted = any(name.partition("/")[2] in ("constants.pkl",) for name in names)
        return WeightKind.TORCHSCRIPT if scripted else WeightKind.TORCH
    return WeightKind.KERAS if keras.is_keras(names) else None


def _tensors(stream: BinaryIO, kind: WeightKind, name: str) -> tuple[tuple[Tensor, ...], tuple[External, ...]]:
    if kind is WeightKind.SAFETENSORS:
        return safetensors.read_tensors(stream, name), ()
    if kind is WeightKind.ONNX:
        return onnx.read_tensors(stream, name)
    if kind is WeightKind.KERAS:
        stream.seek(0)
        zipped = stream.read(4) == _ZIP_MAGIC
        return (keras.read_archive if zipped else keras.read_hdf5)(stream, name), ()
    return torch_archive.read_tensors(stream, name)[1], ()


def _advice(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(8)
    if head[:1] == b"\x80":
        return "this is a pickle: write it with `torch.save` of a state, or as safetensors"
    if head.startswith(_ZIP_MAGIC):
        return "this is another zip archive, or a damaged one"
    return "export the model as safetensors"
