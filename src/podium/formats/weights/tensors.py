"""What a weight file holds: tensors, and what each of them is to a model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from podium.errors import SubmissionError
from podium.types import Problem

MAX_TENSORS = 200_000
MAX_AXES = 32
MAX_SIDE = 1 << 62
_SHOWN_NAME = 200

_BITS = {
    "float64": 64,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float8": 8,
    "float4": 4,
    "complex128": 128,
    "complex64": 64,
    "complex32": 32,
    "int64": 64,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "int4": 4,
    "int2": 2,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "uint8": 8,
    "uint4": 4,
    "uint2": 2,
    "bool": 8,
}


class WeightKind(StrEnum):
    """The format of a weight file."""

    SAFETENSORS = "safetensors"
    TORCH = "torch state"
    TORCHSCRIPT = "TorchScript"
    ONNX = "ONNX"
    KERAS = "Keras"


class Role(StrEnum):
    """What a tensor is to a model.

    A `PARAMETER` is learned. A `STATISTIC` is a running mean or variance of a batch normalisation. A `CONSTANT` is
    what nothing trains: a table of indices, a buffer.
    """

    PARAMETER = "parameter"
    STATISTIC = "statistic"
    CONSTANT = "constant"


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a file; of several that share memory, the first.

    Attributes:
        name: As the file calls it, with dots between parts.
        shape: Of the tensor; of the memory where that is larger.
        dtype: As numpy calls it, `bfloat16`, `float8`, `int4` and their like besides.
        elements: How many numbers there are.
        stored_bytes: What it takes of this file; 0 where it lies in another one.
        role: What it is to the model.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    stored_bytes: int
    role: Role

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return -(-self.elements * bits(self.dtype) // 8)

    @property
    def weight(self) -> int:
        """How many parameters it is when it counts: its numbers, but wide integers by the byte, because they pack."""
        if is_wide_integer(self.dtype):
            return self.size_bytes
        return self.elements * (2 if self.dtype.startswith("complex") else 1)


@dataclass(frozen=True, kw_only=True)
class External:
    """A tensor whose numbers lie in another file.

    Attributes:
        location: Of that file, relative to the folder of the one that names it.
        offset: Of its first byte.
        length: In bytes.
    """

    location: str
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A weight file, read without running anything of it.

    Attributes:
        kind: Its format.
        tensors: In the order of the file.
        digest: ``sha256:…`` of the file.
        size_bytes: Of the file.
        externals: What lies in other files (ONNX).
    """

    kind: WeightKind
    tensors: tuple[Tensor, ...]
    digest: str
    size_bytes: int
    externals: tuple[External, ...] = ()

    @property
    def other_bytes(self) -> int:
        """Bytes of the file that belong to no tensor: names, code, settings."""
        return max(0, self.size_bytes - sum(each.stored_bytes for each in self.tensors))


def bits(dtype: str) -> int:
    """How many bits a number of a type takes; an unknown type has 8."""
    return _BITS.get(dtype, 8)


def is_wide_integer(dtype: str) -> bool:
    """True for integers that no usual quantisation uses for weights: truth values and all above 8 bits."""
    return dtype == "bool" or (dtype.lstrip("u").startswith("int") and bits(dtype) > 8)


def elements_of(shape: Iterable[int], where: str) -> int:
    """How many numbers a shape has.

    Raises:
        SubmissionError: A side is negative or beyond counting, or there are too many axes.
    """
    sides = tuple(shape)
    if len(sides) > MAX_AXES or not all(0 <= side <= MAX_SIDE for side in sides):
        # The sides are not shown: Python refuses to write numbers of thousands of digits.
        raise fault(where, f"the shape is none: at most `{MAX_AXES}` sides, each from 0 to `{MAX_SIDE}`, are allowed")
    return math.prod(sides)


def plain_role(dtype: str) -> Role:
    """The role of a tensor of which only the type is known."""
    return Role.CONSTANT if is_wide_integer(dtype) else Role.PARAMETER


def with_statistics(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The tensors, with the statistics of batch normalisations marked by their names.

    Such a one is called as torch or Keras call it, has one axis, and lies beside a scale or shift of its own length.

    >>> every = [Tensor(name=f"bn.{each}", shape=(8,), dtype="float32", elements=8, stored_bytes=32,
    ...                 role=Role.PARAMETER) for each in ("weight", "running_mean")]
    >>> [each.role.value for each in with_statistics(every)]
    ['parameter', 'statistic']
    """
    listed = list(tensors)
    by_name = {each.name: each for each in listed}
    return tuple(_marked(each, by_name) for each in listed)


def _marked(tensor: Tensor, by_name: dict[str, Tensor]) -> Tensor:
    prefix, dot, last = tensor.name.rpartition(".")
    if last == "num_batches_tracked" and tensor.elements == 1:
        return replace(tensor, role=Role.STATISTIC)
    if last not in ("running_mean", "running_var", "moving_mean", "moving_variance"):
        return tensor
    beside = (by_name.get(prefix + dot + name) for name in ("weight", "gamma", "bias", "beta"))
    if len(tensor.shape) == 1 and any(
        each is not None and each.shape == tensor.shape and each.dtype == tensor.dtype for each in beside
    ):
        return replace(tensor, role=Role.STATISTIC)
    return tensor


def fault(where: str, message: str, *, hint: str = "") -> SubmissionError:
    """A refusal with one problem.

    Args:
        where: The file's name, and a place in it.
    """
    problem = Problem(place=where, message=message, hint=hint)
    return SubmissionError(str(problem), [problem])


def cut(name: str) -> str:
    r"""A name short enough to keep and safe to print.

    >>> cut("a\x1b[31m\ud800b")
    'a�[31m�b'
    """
    short = name if len(name) <= _SHOWN_NAME else name[: _SHOWN_NAME - 1] + "…"
    return short if short.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in short)
