"""What a run uses, measured while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from podium.sandbox.cgroup import Group

_Number = TypeVar("_Number", int, float)
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Use at one moment. None where it was not looked at or cannot be told.

    Attributes:
        memory_bytes: All processes and the memory-backed folders.
        processes: Processes and threads.
        disk_bytes: In all writable folders together.
        files: In all writable folders together.
        memory_kills: Processes that the kernel ended for memory.
        refused_forks: How often the process limit refused one.
    """

    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    disk_bytes: int | None = None
    files: int | None = None
    memory_kills: int = 0
    refused_forks: int = 0

    def highest(self, other: Sample) -> Sample:
        """The larger of both, field by field.

        >>> Sample(processes=3).highest(Sample(processes=2, cpu_seconds=1.5)).processes
        3
        """
        return Sample(
            cpu_seconds=_larger(self.cpu_seconds, other.cpu_seconds),
            memory_bytes=_larger(self.memory_bytes, other.memory_bytes),
            processes=_larger(self.processes, other.processes),
            disk_bytes=_larger(self.disk_bytes, other.disk_bytes),
            files=_larger(self.files, other.files),
            memory_kills=max(self.memory_kills, other.memory_kills),
            refused_forks=max(self.refused_forks, other.refused_forks),
        )


Gauge = Callable[[], Sample]


@dataclass(frozen=True)
class BoxGauge:
    """Measures a box that has a process namespace of its own.

    Attributes:
        proc_fd: The box's own ``/proc``, which lists its processes only.
        folder_fds: Its writable folders; each is a memory-backed file system of its own.
        group: Its control group, or None: then the processes are summed up, which is slower and less exact.
        initial: What the folders held before ``main.py`` began: bytes and files.
        memory_limit_bytes: Above it the memory is measured again, exactly.
    """

    proc_fd: int
    folder_fds: tuple[int, ...]
    group: Group | None
    initial: tuple[int, int] = (0, 0)
    memory_limit_bytes: int | None = None

    def last(self) -> Sample:
        """A sample when every process is dead: what the folders hold and what the control group kept."""
        return self() if self.group else self._folders()

    def _folders(self) -> Sample:
        disk_bytes, files = folders_use(self.folder_fds)
        return Sample(disk_bytes=max(0, disk_bytes - self.initial[0]), files=max(0, files - self.initial[1]))

    def __call__(self) -> Sample:
        """One sample."""
        disk_bytes, files = folders_use(self.folder_fds)
        disk = (max(0, disk_bytes - self.initial[0]), max(0, files - self.initial[1]))
        binds: set[str] = self.group.binds if self.group else set()
        if self.group and {"memory", "pids", "cpu time"} <= binds:
            return Sample(
                cpu_seconds=self.group.cpu_seconds(),
                memory_bytes=self.group.memory_bytes(),
                processes=self.group.peak_processes(),
                disk_bytes=disk[0],
                files=disk[1],
                memory_kills=self.group.memory_kills(),
                refused_forks=self.group.refused_forks(),
            )
        names = os.listdir(self.proc_fd)  # noqa: PTH208 - a descriptor
        pids = [name for name in names if name.isdigit() and name != "1"]
        seen = sum_processes(self.proc_fd, pids)
        memory_bytes = (seen.memory_bytes or 0) + disk_bytes
        if self.memory_limit_bytes is not None and memory_bytes > self.memory_limit_bytes:
            memory_bytes = min(memory_bytes, anonymous_bytes(self.proc_fd, pids) + disk_bytes)
        return Sample(
            cpu_seconds=seen.cpu_seconds,
            memory_bytes=memory_bytes,
            processes=seen.processes,
            disk_bytes=disk[0],
            files=disk[1],
            memory_kills=self.group.memory_kills() if self.group else 0,
            refused_forks=self.group.refused_forks() if self.group else 0,
        )


@dataclass(frozen=True)
class TreeGauge:
    """Measures a process, everything below it, and one folder, where nothing keeps the run apart."""

    pid: int
    folder: Path

    def __call__(self) -> Sample:
        """One sample; the first process, which is ours, is not in it."""
        proc_fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            seen = sum_processes(proc_fd, _below(proc_fd, str(self.pid)))
        finally:
            os.close(proc_fd)
        return replace(
            self.last(), cpu_seconds=seen.cpu_seconds, memory_bytes=seen.memory_bytes, processes=seen.processes
        )

    def last(self) -> Sample:
        """What the folder holds."""
        disk_bytes, files = folder_use(self.folder)
        return Sample(disk_bytes=disk_bytes, files=files)


def folder_use(folder: Path) -> tuple[int, int]:
    """Bytes and files of a plain folder, links not followed."""
    disk_bytes = files = 0
    for above, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for name in names:
            with suppress(OSError):
                disk_bytes += Path(above, name).lstat().st_blocks * 512
    return disk_bytes, files


def _below(proc_fd: int, pid: str) -> list[str]:
    children: dict[str, list[str]] = {}
    for name in os.listdir(proc_fd):
        if name.isdigit():
            words = _read(proc_fd, f"{name}/stat").rpartition(b")")[2].split()
            if len(words) > 1:
                children.setdefault(words[1].decode(), []).append(name)
    found: list[str] = []
    ahead = [pid]
    while ahead:
        ahead += children.get(ahead[0], [])
        found += children.get(ahead.pop(0), [])
    return found


def folders_use(folder_fds: Iterable[int]) -> tuple[int, int]:
    """Bytes and files in use on the file systems behind the descriptors."""
    used_bytes = files = 0
    for fd in folder_fds:
        status = os.fstatvfs(fd)
        used_bytes += (status.f_blocks - status.f_bfree) * status.f_frsize
        files += status.f_files - status.f_ffree
    return used_bytes, files


def sum_processes(proc_fd: int, pids: Iterable[str]) -> Sample:
    """CPU, memory and number of the processes, out of a ``/proc``.

    Memory is the resident set without shared mappings of files; pages shared after a fork count once a process, so it
    may be too high. CPU holds the reaped children of each living process.
    """
    cpu_ticks = pages = threads = 0
    for pid in pids:
        words = _read(proc_fd, f"{pid}/stat").rpartition(b")")[2].split()
        if len(words) < 20:
            continue
        cpu_ticks += sum(map(int, words[11:15]))
        threads += int(words[17])
        memory = _read(proc_fd, f"{pid}/statm").split()
        if len(memory) > 2:
            pages += max(0, int(memory[1]) - int(memory[2]))
    return Sample(cpu_seconds=cpu_ticks / _TICKS, memory_bytes=pages * _PAGE_BYTES, processes=threads)


def anonymous_bytes(proc_fd: int, pids: Iterable[str]) -> int:
    """Memory of the processes' own, pages shared after a fork counted once: exact, and dearer than `sum_processes`."""
    total = 0
    for pid in pids:
        for line in _read(proc_fd, f"{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss_Anon:"):
                total += int(line.split()[1]) * 1024
    return total


def _read(proc_fd: int, path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc_fd)
    except OSError:
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _larger(first: _Number | None, second: _Number | None) -> _Number | None:
    return max((each for each in (first, second) if each is not None), default=None)
