"""The system-call filter: classic BPF, made by hand so that no library is needed.

Allowed by default. Refused are the calls that reach past the namespaces (VSOCK and raw sockets, keyrings, io_uring,
bpf, tracing) or that would make new ones. Numbers are those of the kernel's tables, ``asm/unistd_64.h`` and
``asm-generic/unistd.h``; the layout of a filter is in the kernel's ``Documentation/userspace-api/seccomp_filter.rst``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct

from podium.errors import MachineError

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_NEW_NAMESPACE = 0x7E020000
_NEW_TIME_NAMESPACE = 0x80
_SOCKET_FAMILIES = (1, 2, 10)  # unix, inet, inet6
_NETLINK = 16
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_X32 = 0x40000000

_SHARED = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "open_tree_attr": 467,
}
_DENIED: dict[str, dict[str, int]] = {
    "x86_64": _SHARED
    | {
        "ptrace": 101,
        "syslog": 103,
        "uselib": 134,
        "vhangup": 153,
        "modify_ldt": 154,
        "pivot_root": 155,
        "adjtimex": 159,
        "chroot": 161,
        "acct": 163,
        "settimeofday": 164,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "reboot": 169,
        "sethostname": 170,
        "setdomainname": 171,
        "iopl": 172,
        "ioperm": 173,
        "init_module": 175,
        "delete_module": 176,
        "quotactl": 179,
        "lookup_dcookie": 212,
        "clock_settime": 227,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "perf_event_open": 298,
        "fanotify_init": 300,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "clock_adjtime": 305,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "finit_module": 313,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
    },
    "aarch64": _SHARED
    | {
        "lookup_dcookie": 18,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "chroot": 51,
        "vhangup": 58,
        "quotactl": 60,
        "acct": 89,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "clock_settime": 112,
        "syslog": 116,
        "ptrace": 117,
        "reboot": 142,
        "sethostname": 161,
        "setdomainname": 162,
        "settimeofday": 170,
        "adjtimex": 171,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "swapon": 224,
        "swapoff": 225,
        "perf_event_open": 241,
        "fanotify_init": 262,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "clock_adjtime": 266,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "finit_module": 273,
        "bpf": 280,
        "userfaultfd": 282,
        "kexec_file_load": 294,
    },
}
_LOOKED_INTO = {
    "x86_64": {"ioctl": 16, "socket": 41, "clone": 56, "unshare": 272, "clone3": 435},
    "aarch64": {"ioctl": 29, "unshare": 97, "socket": 198, "clone": 220, "clone3": 435},
}
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def is_known(machine: str | None = None) -> bool:
    """True when there is a table for this processor."""
    return (machine or os.uname().machine) in _AUDIT


def denied(machine: str) -> dict[str, int]:
    """The refused calls of that processor and their numbers."""
    return dict(_DENIED[machine])


def program(machine: str | None = None) -> bytes:
    """The filter as the kernel takes it, eight bytes an instruction.

    >>> len(program("x86_64")) % 8
    0

    Raises:
        MachineError: There is no table for this processor.
    """
    machine = machine or os.uname().machine
    if not is_known(machine):
        raise MachineError(f"no system-call table for the processor `{machine}`; known: `aarch64`, `x86_64`")
    looked_into = _LOOKED_INTO[machine]
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, _AUDIT[machine], yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        code += [_step(_AT_LEAST, _X32, no=1), _refuse(errno.ENOSYS)]
    # glibc falls back to clone, whose flags a filter can read; those of clone3 lie behind a pointer
    code += _when(looked_into["clone3"], [_refuse(errno.ENOSYS)])
    for number in sorted(_DENIED[machine].values()):
        code += _when(number, [_refuse(errno.EPERM)])
    code += _when(looked_into["clone"], _refuse_flags(_NEW_NAMESPACE))
    code += _when(looked_into["unshare"], _refuse_flags(_NEW_NAMESPACE | _NEW_TIME_NAMESPACE))
    code += _when(looked_into["socket"], _families())
    code += _when(looked_into["ioctl"], _no_injection())
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def digest() -> str:
    """Short name of the filter for the record."""
    return hashlib.sha256(program()).hexdigest()[:12]


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)


def _when(number: int, block: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, number, no=len(block)), *block]


def _argument(index: int) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * index)


def _refuse_flags(flags: int) -> list[bytes]:
    return [_argument(0), _step(_ANY_BIT, flags, no=1), _refuse(errno.EPERM), _step(_RETURN, _ALLOW)]


def _families() -> list[bytes]:
    code = [_argument(0)]
    for family in _SOCKET_FAMILIES:
        code += [_step(_EQUAL, family, no=1), _step(_RETURN, _ALLOW)]
    # netlink protocol 0 (route) is how glibc lists interfaces; the others talk to the kernel
    netlink = [_argument(2), _step(_EQUAL, 0, no=1), _step(_RETURN, _ALLOW)]
    return [*code, _step(_EQUAL, _NETLINK, no=len(netlink)), *netlink, _refuse(errno.EAFNOSUPPORT)]


def _no_injection() -> list[bytes]:
    code = [_argument(1)]
    for request in _TERMINAL_INJECTION:
        code += [_step(_EQUAL, request, no=1), _refuse(errno.EPERM)]
    return [*code, _step(_RETURN, _ALLOW)]
