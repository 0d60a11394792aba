"""The filter, run instruction by instruction by a small interpreter of its own."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import MachineError
from podium.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {"read": 0, "socket": 41, "clone": 56, "unshare": 272, "ioctl": 16, "clone3": 435, "ptrace": 101},
    "aarch64": {"read": 63, "socket": 198, "clone": 220, "unshare": 97, "ioctl": 29, "clone3": 435, "ptrace": 117},
}


def judge(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would do: errno, or ALLOW, or KILL."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture or ARCHITECTURES[machine], 0, *values)
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    place, held = 0, 0
    while True:
        operation, yes, no, value = code[place]
        place += 1
        if operation == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x06:
            return value & 0xFFFF if value & 0xFFFF0000 == 0x50000 else value
        else:
            taken = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
            place += yes if taken else no


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_ordinary_calls_pass(machine: str) -> None:
    assert judge(machine, CALLS[machine]["read"]) == ALLOW


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_each_refused_call_is_refused(machine: str) -> None:
    for name, number in seccomp.denied(machine).items():
        assert judge(machine, number) == errno.EPERM, name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_foreign_table_kills(machine: str) -> None:
    assert judge(machine, 0, architecture=0x40000003) == KILL


def test_the_x32_table_does_not_exist() -> None:
    assert judge("x86_64", 0x40000000 | 41) == errno.ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_threads_and_forks_pass_and_namespaces_do_not(machine: str) -> None:
    clone, unshare = CALLS[machine]["clone"], CALLS[machine]["unshare"]
    assert judge(machine, clone, 0x3D0F00) == ALLOW
    assert judge(machine, clone, 17) == ALLOW
    assert judge(machine, unshare, 0x200) == ALLOW
    for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000):
        assert judge(machine, clone, flag | 17) == errno.EPERM
        assert judge(machine, unshare, flag) == errno.EPERM
    assert judge(machine, unshare, 0x80) == errno.EPERM
    assert judge(machine, CALLS[machine]["clone3"]) == errno.ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
@given(family=st.integers(0, 50), protocol=st.integers(0, 20))
def test_only_internet_unix_and_route_sockets_pass(machine: str, family: int, protocol: int) -> None:
    allowed = family in (1, 2, 10) or (family == 16 and protocol == 0)
    result = judge(machine, CALLS[machine]["socket"], family, 1, protocol)
    assert result == (ALLOW if allowed else errno.EAFNOSUPPORT)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_nothing_can_be_typed_into_a_terminal(machine: str) -> None:
    ioctl = CALLS[machine]["ioctl"]
    assert judge(machine, ioctl, 0, 0x5412) == errno.EPERM
    assert judge(machine, ioctl, 0, 0x541C) == errno.EPERM
    assert judge(machine, ioctl, 0, 0x5401) == ALLOW


def test_an_unknown_processor_is_named() -> None:
    with pytest.raises(MachineError, match="riscv64"):
        seccomp.program("riscv64")
