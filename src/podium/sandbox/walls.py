"""The command line of bubblewrap: what a box sees, in the order in which it is built.

Why each line is there is told in ``docs/explanation/sandbox.md``. The options are those of bubblewrap 0.8 and later.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from podium.sandbox.base import Box
from podium.sandbox.interpreter import Interpreter
from podium.sandbox.workdir import Layout
from podium.types import Limits

_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_USER_INSIDE = 1000
_GPU_COMPANIONS = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")


@dataclass(frozen=True, kw_only=True)
class Fds:
    """Descriptors handed to bubblewrap by number."""

    seccomp: int | None
    status: int


def arguments(box: Box, layout: Layout, python: Interpreter, fds: Fds, *, as_root: bool) -> list[str]:
    """Everything between ``bwrap`` and ``--``.

    Args:
        as_root: Podium is root: no user namespace, the box's first process changes to a user of its own. Else one is
            made.
    """
    options = [*_system(), *_writable(box), *_interpreter(python)]
    made = _Folders()
    for name in layout.bound:
        options += made.bind(box.submission / name, f"{box.workdir}/{name}")
    for mount in box.mounts:
        options += made.bind(mount.source.resolve(), mount.target)
    options += _graphics(box.limits.gpus)
    options += ["--remount-ro", "/dev", "--remount-ro", "/"]
    options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    options += [
        "--hostname",
        "podium",
        "--die-with-parent",
        "--as-pid-1",
        "--new-session",
        "--chdir",
        "/",
        "--cap-drop",
        "ALL",
    ]
    if as_root:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
            options += ["--cap-add", capability]
    else:
        options += ["--unshare-user", "--uid", str(_USER_INSIDE), "--gid", str(_USER_INSIDE), "--disable-userns"]
    if fds.seccomp is not None:
        options += ["--seccomp", str(fds.seccomp)]
    return [*options, "--json-status-fd", str(fds.status)]


def graphics_cards() -> tuple[str, ...]:
    """Names of the NVIDIA device nodes of this machine, one a card."""
    names = [place.name for place in Path("/dev").iterdir()]
    cards = [name for name in names if name.startswith("nvidia") and name[6:].isdigit()]
    return tuple(sorted(cards, key=lambda name: int(name[6:])))


def missing_cards(limits: Limits) -> tuple[str, ...]:
    """A note when the machine has fewer graphics cards than a run may use."""
    count = len(graphics_cards())
    return (f"a run may use `{limits.gpus}` graphics cards; this machine has `{count}`",) if count < limits.gpus else ()


def _system() -> list[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_FOLDERS:
        place = Path("/", name)
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            options += ["--ro-bind", str(place), str(place)]
    options += ["--dir", "/etc"]
    for name in ("/etc/ld.so.cache", "/etc/alternatives"):
        options += ["--ro-bind-try", name, name]
    # torch and onnxruntime read the processor's layout there and complain loudly without it
    options += ["--dir", "/sys", "--dir", "/sys/devices", "--dir", "/sys/devices/system"]
    for name in ("/sys/devices/system/cpu", "/sys/devices/system/node"):
        options += ["--ro-bind-try", name, name]
    return [*options, "--proc", "/proc", "--dev", "/dev"]


def _writable(box: Box) -> list[str]:
    scratch = str(box.limits.scratch_bytes)
    shared = str(min(box.limits.scratch_bytes, box.limits.memory_bytes))
    return [
        *("--perms", "1777", "--size", shared, "--tmpfs", "/dev/shm"),  # noqa: S108 - the box's own
        *("--perms", "1777", "--size", scratch, "--tmpfs", "/tmp"),  # noqa: S108 - the box's own
        *_Folders().above(box.workdir),
        *("--perms", "0755", "--size", scratch, "--tmpfs", box.workdir),
    ]


def _interpreter(python: Interpreter) -> list[str]:
    options: list[str] = []
    made = _Folders()
    for folder in python.folders:
        options += made.bind(folder, str(folder))
    for place, target in python.links:
        options += [*made.above(str(place)), "--symlink", target, str(place)]
    return options


def _graphics(count: int) -> list[str]:
    cards = graphics_cards()[:count]
    if not cards:
        return []
    options: list[str] = []
    for name in (*cards, *_GPU_COMPANIONS):
        if Path("/dev", name).exists() and stat.S_ISCHR(Path("/dev", name).stat().st_mode):
            options += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for place in ("/sys/module/nvidia", "/sys/module/nvidia_uvm", "/sys/bus/pci", "/sys/devices/pci0000:00"):
        options += [*_Folders().above(place), "--ro-bind-try", place, place]
    return options


class _Folders:
    """Explicit parents: those that bubblewrap makes by itself can be entered by root only."""

    def __init__(self) -> None:
        self._made: set[str] = {"/"}

    def above(self, place: str) -> list[str]:
        options: list[str] = []
        for folder in reversed(PurePosixPath(place).parents):
            if str(folder) not in self._made:
                self._made.add(str(folder))
                options += ["--dir", str(folder)]
        return options

    def bind(self, source: Path, place: str) -> list[str]:
        return [*self.above(place), "--ro-bind", str(source), place]


def writable_folders(box: Box) -> Iterable[str]:
    """The folders of a box that are file systems of their own and can be written to, the working directory first."""
    return (box.workdir, "/tmp", "/dev/shm")  # noqa: S108 - the box's own
