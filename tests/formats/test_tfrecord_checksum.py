"""CRC-32C by the wheel and by numpy, against the published values and a slow plain twin."""

import builtins
import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.formats.tfrecord import checksum

PUBLISHED = {
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(reversed(range(32))): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}


def plain_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(("data", "expected"), PUBLISHED.items())
def test_the_values_of_the_rfc_are_met(data, expected):
    assert checksum.crc32c(data) == expected
    assert checksum.crc32c_by_numpy(data) == expected
    assert plain_crc32c(data) == expected


@given(st.binary(max_size=400))
def test_numpy_equals_the_plain_loop_for_any_bytes(data):
    assert checksum.crc32c_by_numpy(data) == plain_crc32c(data)


@pytest.mark.parametrize("size", [*range(60, 70), 255, 256, 257, 4095, 4097, 65_536, 290_001, 1 << 20])
def test_numpy_equals_the_wheel_at_every_kind_of_size(size):
    wheel = pytest.importorskip("crc32c")
    data = np.random.default_rng(size).bytes(size)
    assert checksum.crc32c_by_numpy(memoryview(data)) == wheel.crc32c(data)


def test_the_mask_turns_by_fifteen_bits_and_adds_a_constant():
    crc = checksum.crc32c(b"abc")
    turned = int(f"{crc:032b}"[-15:] + f"{crc:032b}"[:-15], 2)
    assert checksum.masked_crc32c(b"abc") == (turned + 0xA282EAD8) % 2**32


def test_without_the_wheel_numpy_takes_over_and_says_so(monkeypatch):
    real = builtins.__import__

    def without_wheel(name, *args, **kwargs):
        if name == "crc32c":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(builtins, "__import__", without_wheel)
            importlib.reload(checksum)
        assert checksum.implementation() == "numpy"
        assert checksum.crc32c(bytes(range(32)) * 9) == plain_crc32c(bytes(range(32)) * 9)
    finally:
        importlib.reload(checksum)


def test_with_the_wheel_it_is_used_and_that_can_be_told():
    pytest.importorskip("crc32c")
    assert checksum.implementation() == "wheel"
