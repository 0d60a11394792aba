"""A control group for one box: version 1 or 2, whichever can be written, found out by trying.

Files and their meaning: the kernel's ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst``.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podium.types import Limits

_PERIOD_MICROSECONDS = 100_000
_OWN_GROUP = "podium-supervisor"
# the first process of the box is ours
_OUR_PROCESSES = 1


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted and where this process is in them.

    Attributes:
        v1: Own group of each version 1 controller.
        v2: Own group of version 2, or None.
        v2_root: Mount point of version 2, or None.
    """

    v1: dict[str, Path]
    v2: Path | None = None
    v2_root: Path | None = None


def hierarchies(mountinfo: str | None = None, membership: str | None = None) -> Hierarchies:
    """The hierarchies of this process.

    Args:
        mountinfo: Text of ``/proc/self/mountinfo``; read when None.
        membership: Text of ``/proc/self/cgroup``; read when None.
    """
    mountinfo = _read(Path("/proc/self/mountinfo")) if mountinfo is None else mountinfo
    membership = _read(Path("/proc/self/cgroup")) if membership is None else membership
    own: dict[str, str] = {}
    for line in membership.splitlines():
        _, names, place = line.split(":", 2)
        own |= dict.fromkeys(names.split(","), place)
    v1: dict[str, Path] = {}
    v2 = v2_root = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(" "), right.split(" ")[:3]
        if kind == "cgroup":
            for controller in set(options.split(",")) & own.keys():
                v1[controller] = _within(Path(fields[4]), fields[3], own[controller])
        elif kind == "cgroup2" and "" in own:
            v2_root = Path(fields[4])
            v2 = _within(v2_root, fields[3], own[""])
    return Hierarchies(v1=v1, v2=v2, v2_root=v2_root)


def open_group(name: str, limits: Limits, cpus: tuple[int, ...] = (), found: Hierarchies | None = None) -> Group | None:
    """A new empty group with the limits set, or None where no group can be made.

    A group of the same name that a dead supervisor left is ended and removed first: the caller holds the lock of that
    name.
    """
    found = found or hierarchies()
    group: Group | None = None
    if "memory" in found.v1 or "pids" in found.v1:
        group = _open_v1(name, limits, cpus, found.v1)
    if group is None and found.v2 is not None:
        group = _open_v2(name, limits, cpus, found)
    return group


class Group:
    """What both versions can do. `binds` names the limits that the kernel took: memory, pids, cpu time, cpus."""

    version = 0

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self.binds: set[str] = set()
        self._began_cpu_seconds = 0.0

    def add(self, pid: int) -> None:
        """Moves a process in; its later children are born there. Raises OSError when the kernel refuses."""
        for folder in dict.fromkeys(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def begin(self) -> None:
        """Counts CPU time from here on."""
        self._began_cpu_seconds = self._cpu_total() or 0.0

    def cpu_seconds(self) -> float | None:
        """Summed over all processes since `begin`."""
        total = self._cpu_total()
        return None if total is None else max(0.0, total - self._began_cpu_seconds)

    def close(self) -> None:
        """Ends what is left in the group and removes it."""
        for folder in dict.fromkeys(self.folders.values()):
            remove(folder)

    def memory_bytes(self) -> int | None:
        """In use now."""
        raise NotImplementedError

    def peak_memory_bytes(self) -> int | None:
        """Most that was in use, page cache included."""
        raise NotImplementedError

    def memory_kills(self) -> int:
        """Processes that the kernel killed for memory."""
        raise NotImplementedError

    def refused_forks(self) -> int:
        """How often the process limit refused a new one."""
        return _keyed(self.folders.get("pids"), "pids.events", "max")

    def peak_processes(self) -> int | None:
        """Most processes and threads at one time, ours not counted; None where the kernel does not keep it."""
        peak = _number(self.folders.get("pids"), "pids.peak")
        return None if peak is None else max(0, peak - _OUR_PROCESSES)

    def _cpu_total(self) -> float | None:
        raise NotImplementedError


class V1Group(Group):
    """One folder a controller."""

    version = 1

    def memory_bytes(self) -> int | None:
        return _number(self.folders.get("memory"), "memory.usage_in_bytes")

    def peak_memory_bytes(self) -> int | None:
        return _number(self.folders.get("memory"), "memory.max_usage_in_bytes")

    def memory_kills(self) -> int:
        return _keyed(self.folders.get("memory"), "memory.oom_control", "oom_kill")

    def _cpu_total(self) -> float | None:
        used = _number(self.folders.get("cpuacct"), "cpuacct.usage")
        return None if used is None else used / 1e9


class V2Group(Group):
    """One folder for all controllers."""

    version = 2

    def memory_bytes(self) -> int | None:
        return _number(self.folders.get("memory"), "memory.current")

    def peak_memory_bytes(self) -> int | None:
        return _number(self.folders.get("memory"), "memory.peak")

    def memory_kills(self) -> int:
        return _keyed(self.folders.get("memory"), "memory.events", "oom_kill")

    def _cpu_total(self) -> float | None:
        used = _keyed(self.folders.get("cpu"), "cpu.stat", "usage_usec")
        return used / 1e6 if used else None


def remove(folder: Path) -> None:
    """Ends every process of a group and removes its folder; does nothing when there is none."""
    for _ in range(200):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            _end(folder)
            time.sleep(0.005)


def _end(folder: Path) -> None:
    if _try_write(folder / "cgroup.kill", "1"):
        return
    for pid in _read(folder / "cgroup.procs").split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _open_v1(name: str, limits: Limits, cpus: tuple[int, ...], own: dict[str, Path]) -> Group | None:
    wanted = ["memory", "pids", "cpuacct"]
    if limits.cpus is not None:
        wanted += ["cpuset"]
        if "cpuset" not in own or limits.cpus != int(limits.cpus):
            wanted += ["cpu"]
    folders: dict[str, Path] = {}
    for controller in wanted:
        if controller in own and _make(own[controller] / name):
            folders[controller] = own[controller] / name
    group = V1Group(folders)
    if "memory" in folders:
        _bind(group, "memory", [(folders["memory"] / "memory.limit_in_bytes", limits.memory_bytes)])
        _try_write(folders["memory"] / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
    if "pids" in folders:
        _bind(group, "pids", [(folders["pids"] / "pids.max", limits.processes + _OUR_PROCESSES)])
    if "cpuacct" in folders and group.cpu_seconds() is not None:
        group.binds.add("cpu time")
    if "cpuset" in folders and not _pin(group, folders["cpuset"], cpus):
        remove(folders.pop("cpuset"))
    if "cpu" in folders and limits.cpus is not None:
        quota = math.ceil(limits.cpus * _PERIOD_MICROSECONDS)
        _bind(group, "cpus", [(folders["cpu"] / "cpu.cfs_quota_us", quota)])
    return _or_none(group)


def _open_v2(name: str, limits: Limits, cpus: tuple[int, ...], found: Hierarchies) -> Group | None:
    for base in _bases(found):
        enabled = _enable(base)
        if not enabled & {"memory", "pids"} or not _make(base / name):
            continue
        folder = base / name
        group = V2Group(dict.fromkeys(sorted(enabled), folder))
        if "memory" in enabled:
            _bind(group, "memory", [(folder / "memory.max", limits.memory_bytes)])
            _try_write(folder / "memory.swap.max", "0")
            # half a run that lost its workers would go on and look well
            _try_write(folder / "memory.oom.group", "1")
        if "pids" in enabled:
            _bind(group, "pids", [(folder / "pids.max", limits.processes + _OUR_PROCESSES)])
        if "cpu" in enabled:
            group.binds.add("cpu time")
        if limits.cpus is not None:
            if "cpuset" in enabled:
                _pin(group, folder, cpus)
            if "cpu" in enabled and ("cpus" not in group.binds or limits.cpus != int(limits.cpus)):
                quota = f"{math.ceil(limits.cpus * _PERIOD_MICROSECONDS)} {_PERIOD_MICROSECONDS}"
                _bind(group, "cpus", [(folder / "cpu.max", quota)])
        if _or_none(group):
            return group
    return None


def _bases(found: Hierarchies) -> list[Path]:
    if found.v2 is None or found.v2_root is None:
        return []
    own = found.v2.parent if found.v2.name == _OWN_GROUP else found.v2
    return list(dict.fromkeys([own, found.v2_root] if os.geteuid() == 0 else [own]))


def _enable(base: Path) -> set[str]:
    """Controllers that children of this group have, after turning on what can be turned on."""
    control = base / "cgroup.subtree_control"
    offered = set(_read(base / "cgroup.controllers").split()) & {"memory", "pids", "cpu", "cpuset"}
    for controller in sorted(offered - set(_read(control).split())):
        if not _try_write(control, f"+{controller}") and _step_aside(base):
            _try_write(control, f"+{controller}")
    return offered & set(_read(control).split())


def _step_aside(base: Path) -> bool:
    """Moves this process into a child group, since a group with processes cannot share out controllers."""
    if _read(base / "cgroup.procs").split() != [str(os.getpid())]:
        return False
    aside = base / _OWN_GROUP
    aside.mkdir(exist_ok=True)
    return _try_write(aside / "cgroup.procs", str(os.getpid()))


def _pin(group: Group, folder: Path, cpus: tuple[int, ...]) -> bool:
    memory_nodes = (
        _read(folder.parent / "cpuset.mems").strip() or _read(folder.parent / "cpuset.mems.effective").strip()
    )
    files = [(folder / "cpuset.cpus", ",".join(map(str, cpus))), (folder / "cpuset.mems", memory_nodes)]
    return bool(cpus) and _bind(group, "cpus", files)


def _bind(group: Group, name: str, files: Sequence[tuple[Path, object]]) -> bool:
    refused = [path for path, value in files if not _try_write(path, str(value))]
    taken = not refused
    if taken:
        group.binds.add(name)
    return taken


def _or_none(group: Group) -> Group | None:
    if group.binds & {"memory", "pids"}:
        return group
    group.close()
    return None


def _make(folder: Path) -> bool:
    remove(folder)
    try:
        folder.mkdir()
    except OSError:
        return False
    return True


def _within(mount: Path, root: str, place: str) -> Path:
    # inside a container the membership is told from outside and may not exist here
    relative = place[len(root) :] if root != "/" and place.startswith(root) else place
    folder = mount / relative.strip("/")
    return folder if folder.is_dir() else mount


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _try_write(path: Path, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _number(folder: Path | None, name: str) -> int | None:
    text = _read(folder / name).strip() if folder else ""
    return int(text) if text.isdigit() else None


def _keyed(folder: Path | None, name: str, key: str) -> int:
    for line in _read(folder / name).splitlines() if folder else ():
        word, _, value = line.partition(" ")
        if word == key and value.strip().isdigit():
            return int(value)
    return 0
