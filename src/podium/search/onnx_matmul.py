"""Whole-number matrix products by onnxruntime: the fastest that a processor offers (VNNI, AMX, dot-product units).

The model is one MatMulInteger whose right side is a constant, so that onnxruntime packs it once. It is written here
byte by byte, which spares the `onnx` package.

Legend: M rows at a time, K dimensions, N rows of the constant.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError

ZERO_POINT = 128
_UINT8, _INT8, _INT32 = 2, 3, 6
_IR_VERSION, _OPERATOR_SET = 8, 10


class IntegerProduct:
    """Multiplies rows of uint8 less `ZERO_POINT` with a constant int8 matrix, exactly, into int32.

    Raises:
        MachineError: onnxruntime is missing.
    """

    def __init__(self, constant_KN: NDArray[np.int8]) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._width = constant_KN.shape[1]
        model = matmul_model(constant_KN)
        self._session: Any = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def into(self, rows_MK: NDArray[np.uint8], product_MN: NDArray[np.int32]) -> None:
        """Writes the product. Both arrays are contiguous."""
        binding = self._session.io_binding()
        binding.bind_input("a", "cpu", 0, np.uint8, rows_MK.shape, rows_MK.ctypes.data)
        binding.bind_output("y", "cpu", 0, np.int32, product_MN.shape, product_MN.ctypes.data)
        self._session.run_with_iobinding(binding)


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MachineError("the `int8` kernel needs onnxruntime: `pip install 'podium[scale]'`") from error


@functools.cache
def exact_range() -> int:
    """The largest magnitude of the constant for which this machine's products are exact: 127, 63, or 0 for none.

    Processors with AVX2 or AVX-512 but without VNNI add pairs of products in 16 bits, which overflow at 255 x 127.

    Raises:
        MachineError: onnxruntime is missing.
    """
    return next((limit for limit in (127, 63) if _is_exact(limit)), 0)


def _is_exact(limit: int) -> bool:
    rng = np.random.default_rng(0)
    for rows, width in ((1, 1), (3, 17), (64, 130)):
        for extreme in (True, False):
            rows_MK = np.full((rows, 100), 255, np.uint8) if extreme else _random(rng, (rows, 100), 1, 255, np.uint8)
            constant_KN = _random(rng, (100, width), -limit, limit, np.int8)
            if extreme:
                constant_KN[:, ::2], constant_KN[:, 1::2] = limit, -limit
            product_MN = np.empty((rows, width), np.int32)
            IntegerProduct(constant_KN).into(rows_MK, product_MN)
            truth_MN = (rows_MK.astype(np.int64) - ZERO_POINT) @ constant_KN.astype(np.int64)
            if not np.array_equal(product_MN, truth_MN):
                return False
    return True


def _random(rng: np.random.Generator, shape: tuple[int, int], low: int, high: int, kind: Any) -> NDArray[Any]:
    return rng.integers(low, high + 1, shape).astype(kind)


def matmul_model(constant_KN: NDArray[np.int8]) -> bytes:
    """The ONNX model ``y = (a - ZERO_POINT) @ constant`` as bytes, by the field numbers of onnx.proto."""
    dimensions, width = constant_KN.shape
    node = b"".join(_text(1, each) for each in ("a", "b", "zero")) + _text(2, "y") + _text(4, "MatMulInteger")
    graph = (
        _part(1, node)
        + _text(2, "product")
        + _part(5, _tensor("b", _INT8, constant_KN.shape, np.ascontiguousarray(constant_KN).tobytes()))
        + _part(5, _tensor("zero", _UINT8, (), bytes([ZERO_POINT])))
        + _part(11, _value("a", _UINT8, dimensions))
        + _part(12, _value("y", _INT32, width))
    )
    opset = _text(1, "") + _number(2, _OPERATOR_SET)
    return _number(1, _IR_VERSION) + _part(7, graph) + _part(8, opset)


def _tensor(name: str, kind: int, shape: tuple[int, ...], raw: bytes) -> bytes:
    return b"".join(_number(1, size) for size in shape) + _number(2, kind) + _text(8, name) + _part(9, raw)


def _value(name: str, kind: int, width: int) -> bytes:
    shape = _part(1, _text(2, "m")) + _part(1, _number(1, width))
    return _text(1, name) + _part(2, _part(1, _number(1, kind) + _part(2, shape)))


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first.

    >>> _varint(300).hex()
    'ac02'
    """
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
