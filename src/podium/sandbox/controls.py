"""How far each wall and limit binds, as sentences for a report."""

from __future__ import annotations

import os

from podium.sandbox import seccomp
from podium.sandbox.cgroup import Group
from podium.sandbox.walls import graphics_cards
from podium.sandbox.watchdog import files_limit
from podium.types import Control, Enforcement, Limits

ENFORCED, BEST_EFFORT, NOT_ENFORCED = Enforcement.ENFORCED, Enforcement.BEST_EFFORT, Enforcement.NOT_ENFORCED
# before 5.14 the number of processes was counted by user over the whole machine, not by user namespace
_COUNTED_BY_NAMESPACE = (5, 14)


def asked(limits: Limits) -> dict[str, str]:
    """What is asked for, by the control's name, in the order to show."""
    return {
        "network": "none",
        "files": "the mounts and the system only",
        "data": "read-only",
        "user": "one of its own",
        "system calls": "filtered",
        "wall time": f"{limits.wall_seconds:g} s",
        "CPU time": "no limit" if limits.cpu_seconds is None else f"{limits.cpu_seconds:g} s",
        "CPUs": "all" if limits.cpus is None else f"{limits.cpus:g}",
        "memory": f"{limits.memory_bytes} bytes",
        "processes": f"{limits.processes}",
        "disk": f"{limits.scratch_bytes} bytes, {files_limit(limits)} files",
        "output": f"{limits.output_bytes} bytes",
        "log": f"{limits.log_bytes} bytes kept",
        "end": "no process survives",
        "GPUs": f"{limits.gpus}",
    }


def of_box(limits: Limits, group: Group | None, *, as_root: bool) -> tuple[Control, ...]:
    """Controls of a bubblewrap box with that control group."""
    binds: set[str] = group.binds if group else set()
    kind = f"control group v{group.version}" if group else ""
    found = {
        "network": (ENFORCED, "own network namespace without an interface"),
        "files": (ENFORCED, "own mount namespace, empty root"),
        "data": (ENFORCED, "read-only binds"),
        "user": (ENFORCED, "a user id of the slot's own")
        if as_root
        else (BEST_EFFORT, "user namespace; the host sees Podium's own user"),
        "system calls": (ENFORCED, f"seccomp filter {seccomp.digest()}")
        if seccomp.is_known()
        else (NOT_ENFORCED, f"no table for the processor `{os.uname().machine}`"),
        "wall time": (ENFORCED, "Podium's clock, then the process namespace is killed"),
        "CPU time": (ENFORCED, kind) if "cpu time" in binds else (BEST_EFFORT, "processes summed up 50 times a second"),
        "CPUs": _cpus(limits, binds, kind),
        "memory": (ENFORCED, kind) if "memory" in binds else (BEST_EFFORT, "processes summed up 50 times a second"),
        "processes": _processes(binds, kind, as_root=as_root),
        "disk": (BEST_EFFORT, "each folder by its size; the sum of all and the number of files by polling"),
        "output": (ENFORCED, "counted while collecting"),
        "log": (ENFORCED, "counted while reading"),
        "end": (ENFORCED, "process namespace"),
        "GPUs": _graphics(limits, "device nodes; memory of a card is not shared out; not tested by Podium's authors"),
    }
    return build(limits, found)


def of_process(limits: Limits) -> tuple[Control, ...]:
    """Controls of a plain subprocess."""
    polled = (BEST_EFFORT, "processes summed up 50 times a second")
    found = {
        "network": (NOT_ENFORCED, "your network"),
        "files": (NOT_ENFORCED, "all your files"),
        "data": (NOT_ENFORCED, "links to the data itself"),
        "user": (NOT_ENFORCED, "you"),
        "system calls": (NOT_ENFORCED, "no filter"),
        "wall time": (ENFORCED, "Podium's clock"),
        "CPU time": polled,
        "CPUs": (NOT_ENFORCED, "processor affinity, which a run can widen again"),
        "memory": polled,
        "processes": (NOT_ENFORCED, "counted only"),
        "disk": (BEST_EFFORT, "its own folder by polling; no file above the limit"),
        "output": (ENFORCED, "counted while collecting"),
        "log": (ENFORCED, "counted while reading"),
        "end": (BEST_EFFORT, "descendants are killed; one that took your rights elsewhere is not"),
        "GPUs": (NOT_ENFORCED, "all of this machine"),
    }
    return build(limits, found)


def of_container(limits: Limits) -> tuple[Control, ...]:
    """Controls of a container."""
    found = {
        "network": (ENFORCED, "`--network none`"),
        "files": (ENFORCED, "the image and the mounts, read-only root"),
        "data": (ENFORCED, "read-only binds"),
        "user": (ENFORCED, "`--user`, no capabilities, no new privileges"),
        "system calls": (ENFORCED, "the engine's default seccomp profile"),
        "wall time": (ENFORCED, "Podium's clock, then the container is killed"),
        "CPU time": (BEST_EFFORT, "`--ulimit cpu`, which counts each process alone")
        if limits.cpu_seconds is not None
        else (ENFORCED, "nothing to enforce"),
        "CPUs": (ENFORCED, "`--cpus`"),
        "memory": (ENFORCED, "`--memory`, no swap"),
        "processes": (ENFORCED, "`--pids-limit`"),
        "disk": (BEST_EFFORT, "the working directory by polling; `/tmp` and `/dev/shm` by size"),
        "output": (ENFORCED, "counted while collecting"),
        "log": (ENFORCED, "counted while reading"),
        "end": (ENFORCED, "the container is removed"),
        "GPUs": (BEST_EFFORT, "`--gpus`; not tested by Podium's authors") if limits.gpus else (ENFORCED, "none passed"),
    }
    return build(limits, found)


def build(limits: Limits, found: dict[str, tuple[Enforcement, str]]) -> tuple[Control, ...]:
    """One control for each thing asked for; what was not found is not enforced."""
    return tuple(
        Control(
            name=name,
            asked=text,
            enforcement=found.get(name, (NOT_ENFORCED, ""))[0],
            how=found.get(name, (NOT_ENFORCED, ""))[1],
        )
        for name, text in asked(limits).items()
    )


def counts_by_namespace() -> bool:
    """True when the kernel counts a user's processes inside a user namespace apart from those outside."""
    words = os.uname().release.split("-")[0].split(".")
    return tuple(int(word) for word in words[:2] if word.isdigit()) >= _COUNTED_BY_NAMESPACE


def _cpus(limits: Limits, binds: set[str], kind: str) -> tuple[Enforcement, str]:
    if limits.cpus is None:
        return ENFORCED, "nothing to enforce"
    if "cpus" in binds:
        return ENFORCED, kind
    return NOT_ENFORCED, "processor affinity, which a run can widen again"


def _processes(binds: set[str], kind: str, *, as_root: bool) -> tuple[Enforcement, str]:
    if "pids" in binds:
        return ENFORCED, kind
    if as_root:
        return ENFORCED, "process limit of a user id that no other box has"
    if counts_by_namespace():
        return ENFORCED, "process limit inside the user namespace"
    return NOT_ENFORCED, "the kernel is older than 5.14"


def _graphics(limits: Limits, how: str) -> tuple[Enforcement, str]:
    cards = graphics_cards()
    if limits.gpus == 0:
        return ENFORCED, "no device node"
    if len(cards) < limits.gpus:
        return NOT_ENFORCED, f"this machine has `{len(cards)}`"
    return BEST_EFFORT, how
