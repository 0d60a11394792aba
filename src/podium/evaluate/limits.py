"""The limits of a run on this machine: a challenge's own, cut down to what the machine has, each change told."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from podium.evaluate.origin import this_machine
from podium.sandbox.cgroup import hierarchies
from podium.sandbox.walls import graphics_cards
from podium.types import Challenge, DataSet, Limits

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a machine can give to one run.

    Attributes:
        cpus: Processors that this process may run on, above 0; a share of one counts as such.
        memory_bytes: Of the machine or of the container that this runs in; None where it cannot be told.
        gpus: Graphics cards.
    """

    cpus: float
    memory_bytes: int | None
    gpus: int


@dataclass(frozen=True, kw_only=True)
class FittedLimits:
    """Limits that a machine can keep.

    Attributes:
        notes: One sentence a change; empty when nothing had to change.
    """

    limits: Limits
    notes: tuple[str, ...] = ()


def limits_for(challenge: Challenge, data: DataSet) -> Limits:
    """The challenge's limits on this data set: some grow with the number of queries."""
    if not challenge.wall_seconds_per_query or challenge.count_queries is None:
        return challenge.limits
    more = challenge.wall_seconds_per_query * challenge.count_queries(data)
    return dataclasses.replace(challenge.limits, wall_seconds=challenge.limits.wall_seconds + more)


def fit(limits: Limits, capacity: Capacity) -> FittedLimits:
    """The limits, cut down to what a machine has; the wall time grows so that the processor time stays the same.

    >>> asked = Limits(wall_seconds=10_800.0, cpus=6.0, memory_bytes=1 << 30)
    >>> fitted = fit(asked, Capacity(cpus=2, memory_bytes=8 << 30, gpus=0))
    >>> fitted.limits.cpus, fitted.limits.wall_seconds
    (2, 32400.0)
    >>> fitted.notes
    ('the challenge gives 6 processors and this machine has 2: the wall limit is 9 h instead of 3 h',)
    """
    notes: list[str] = []
    cpus, wall_seconds, memory_bytes, gpus = limits.cpus, limits.wall_seconds, limits.memory_bytes, limits.gpus
    if cpus is not None and cpus > capacity.cpus:
        wall_seconds *= cpus / capacity.cpus
        notes.append(
            f"the challenge gives {_counted(cpus, 'processor')} and this machine has {capacity.cpus:g}: "
            f"the wall limit is {_duration(wall_seconds)} instead of {_duration(limits.wall_seconds)}"
        )
        cpus = capacity.cpus
    if capacity.memory_bytes is not None and memory_bytes > (free := _without_reserve(capacity.memory_bytes)):
        notes.append(
            f"the challenge gives {memory_bytes / _GIB:.3g} GiB of memory and this machine has "
            f"{capacity.memory_bytes / _GIB:.3g} GiB: the run gets {free / _GIB:.3g} GiB"
        )
        memory_bytes = free
    if gpus > capacity.gpus:
        has = f"has {_counted(capacity.gpus, 'graphics card')}" if capacity.gpus else "has no graphics card"
        more = "" if capacity.gpus else "; the wall limit is not longer for that"
        notes.append(f"the challenge gives {_counted(gpus, 'graphics card')} and this machine {has}{more}")
        gpus = capacity.gpus
    fitted = dataclasses.replace(limits, cpus=cpus, wall_seconds=wall_seconds, memory_bytes=memory_bytes, gpus=gpus)
    return FittedLimits(limits=fitted, notes=tuple(notes))


def this_capacity() -> Capacity:
    """What this machine, or the container that this runs in, can give."""
    machine = this_machine()
    memory = [each for each in (machine.memory_bytes, *_memory_limits()) if each is not None]
    return Capacity(
        cpus=min([machine.cpus, *_cpu_quotas()]),
        memory_bytes=min(memory, default=None),
        gpus=len(graphics_cards()),
    )


def _without_reserve(memory_bytes: int) -> int:
    """An eighth, at least 1 GiB but never half, is left to the system and to Podium, which must outlive the run."""
    return memory_bytes - min(max(memory_bytes // 8, _GIB), memory_bytes // 2)


def _memory_limits() -> Iterator[int]:
    for text in _own_group("memory", {1: "memory.limit_in_bytes", 2: "memory.max"}):
        with contextlib.suppress(ValueError):
            yield int(text)


def _cpu_quotas() -> Iterator[float]:
    for text in _own_group("cpu", {1: "cpu.cfs_quota_us", 2: "cpu.max"}):
        quota, _, period = text.partition(" ")
        # version 1 keeps the period in a file of its own, which hardly anybody changes from 100 ms
        with contextlib.suppress(ValueError):
            if int(quota) > 0:
                yield int(quota) / int(period or 100_000)


def _own_group(controller: str, names: dict[int, str]) -> Iterator[str]:
    """What a file of this process's control groups says, from its own group upwards."""
    found = hierarchies()
    for version, group in ((1, found.v1.get(controller)), (2, found.v2)):
        for folder in (group, *group.parents) if group else ():
            with contextlib.suppress(OSError):
                yield (folder / names[version]).read_text().strip()


def _counted(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    """Seconds to read.

    >>> _duration(10_800), _duration(9_000), _duration(90), _duration(12.5)
    ('3 h', '2 h 30 min', '1 min 30 s', '12.5 s')
    """
    for unit, size, smaller, part in (("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = round(seconds % size / part)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds:g} s"
