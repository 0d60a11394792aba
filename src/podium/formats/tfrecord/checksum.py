"""The checksum of TFRecord framing: CRC-32C, masked.

CRC-32C is Castagnoli's polynomial, reflected, with all bits set at first and inverted at last (RFC 3720, appendix B.4).
TensorFlow stores it turned by 15 bits plus a constant, so that a checksum of data that holds checksums stays a good one
(`tensorflow/core/lib/hash/crc32c.h`). The wheel `crc32c` does it in hardware. Without it numpy does: states are linear
over GF(2), so neighbouring words are joined pair by pair, all pairs of a level at once.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

try:
    from crc32c import crc32c as _by_wheel
except ImportError:
    _by_wheel = None

POLYNOMIAL = 0x82F63B78
MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF
_SHORT_BYTES = 64


def implementation() -> Literal["wheel", "numpy"]:
    """Which code computes `crc32c` here: the wheel, or numpy where the wheel is not installed."""
    return "numpy" if _by_wheel is None else "wheel"


def crc32c(data: bytes | memoryview) -> int:
    """CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return crc32c_by_numpy(data) if _by_wheel is None else _by_wheel(data)


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as it stands in a TFRecord file, 32 bits.

    >>> hex(masked_crc32c(bytes(8)))
    '0x7980329'
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & _ALL


def crc32c_by_numpy(data: bytes | memoryview) -> int:
    """CRC-32C without the wheel; the same number.

    >>> hex(crc32c_by_numpy(b"123456789"))
    '0xe3069283'
    """
    if len(data) < _SHORT_BYTES:
        return _of_few(data)
    padding = -len(data) % 4
    whole = np.zeros(padding + len(data), dtype=np.uint8)
    whole[padding:] = np.frombuffer(data, dtype=np.uint8)
    # Setting the state at first is the same as inverting the first four bytes; zeros before them change nothing.
    whole[padding : padding + 4] ^= 0xFF
    states = whole.view("<u4").astype(np.uint32, copy=False)
    level = 0
    while len(states) > 1:
        if len(states) % 2:
            states = np.concatenate([np.zeros(1, dtype=np.uint32), states])
        states = _followed(states[0::2], level) ^ states[1::2]
        level += 1
    return int(_followed(states, 0)[0]) ^ _ALL


def _of_few(data: bytes | memoryview) -> int:
    table = _byte_table()
    state = _ALL
    for byte in bytes(data):
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ _ALL


@cache
def _byte_table() -> tuple[int, ...]:
    states = np.arange(256, dtype=np.uint32)
    return tuple(_divided(states, 8).tolist())


def _divided(states: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """States after so many zero bits."""
    for _ in range(bits):
        states = (states >> np.uint32(1)) ^ (np.uint32(POLYNOMIAL) * (states & np.uint32(1)))
    return states


def _followed(states: NDArray[np.uint32], level: int) -> NDArray[np.uint32]:
    """States after ``4 * 2**level`` zero bytes."""
    low, high = _tables(level)
    return low[states & np.uint32(0xFFFF)] ^ high[states >> np.uint32(16)]


@cache
def _tables(level: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What the low and the high half of a state become at a level, for each of their 65,536 values."""
    images = _bit_images(level)
    halves: list[NDArray[np.uint32]] = []
    for first_bit in (0, 16):
        table = np.zeros(1, dtype=np.uint32)
        for image in images[first_bit : first_bit + 16]:
            table = np.concatenate([table, table ^ image])
        halves.append(table)
    return halves[0], halves[1]


@cache
def _bit_images(level: int) -> NDArray[np.uint32]:
    """(32,) what each single bit of a state becomes at a level."""
    if level == 0:
        return _divided(np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32)), 32)
    return _followed(_bit_images(level - 1), level - 1)
