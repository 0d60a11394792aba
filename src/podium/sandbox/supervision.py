"""Takes a run that is ready from the go to its `Run`; the same for every back end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podium.sandbox import interpreter
from podium.sandbox.base import Box
from podium.sandbox.cgroup import Group
from podium.sandbox.collector import Collection, collect
from podium.sandbox.judgement import Report, judge, read_report
from podium.sandbox.log import Log
from podium.sandbox.usage import Gauge, Sample
from podium.sandbox.watchdog import Ending, Watchdog
from podium.types import Control, Failure, Run, Stage, Usage


class Running(Protocol):
    """What a run is held by. `report_fd` ends when the run does."""

    log_fd: int
    report_fd: int

    def go(self) -> None:
        """Lets ``main.py`` begin."""
        ...

    def kill(self, for_good: bool) -> None:
        """Ends the run."""
        ...

    def talk(self) -> str:
        """What the machinery itself complained of."""
        ...


@dataclass(frozen=True, kw_only=True)
class Live:
    """A run that waits for the go.

    Attributes:
        gauge: Samples its use while it runs.
        last: Samples it once more when every process is dead.
        workdir_fd: Where the outputs will be.
        read: Makes the report out of what came through `report_fd`.
    """

    running: Running
    gauge: Gauge
    last: Gauge
    workdir_fd: int
    controls: tuple[Control, ...]
    group: Group | None = None
    tick_seconds: float = 0.02
    read: Callable[[str], Report] = read_report


def supervise(live: Live, box: Box, log: Log, out: Path, cancelled: Callable[[], bool] | None, backend: str) -> Run:
    """Lets it go, watches it to its end, judges, collects. `Run.stages` lacks the set-up, which was before."""
    watchdog = Watchdog(
        limits=box.limits,
        gauge=live.gauge,
        log=log,
        log_fd=live.running.log_fd,
        report_fd=live.running.report_fd,
        kill=live.running.kill,
        cancelled=cancelled,
        tick_seconds=live.tick_seconds,
    )
    live.running.go()
    ending = watchdog.watch()
    report = live.read(ending.report)
    last = live.last()
    failure, message = judge(ending, report, last, box.limits, log.last_lines())
    began = time.monotonic()
    taken = collect(live.workdir_fd, box.outputs, out, box.limits) if failure is None else Collection()
    main = Stage(
        name="main.py", wall_seconds=report.wall_seconds or ending.wall_seconds, cpu_seconds=report.cpu_seconds
    )
    talk = live.running.talk()
    return Run(
        backend=backend,
        failure=failure or taken.failure,
        message=taken.message or message,
        exit_code=report.exit_code,
        signal=report.signal,
        usage=_usage(ending, report, last, live.group, log),
        stages=(main, Stage(name="collect", wall_seconds=time.monotonic() - began)),
        controls=live.controls,
        outputs=taken.files,
        log_tail=log.last_lines(),
        leftover_processes=report.leftover_processes,
        notes=(f"the sandbox's own words: {talk}",) if talk else (),
    )


def fault(backend: str, message: str, wall_seconds: float, failure: Failure = Failure.MACHINE) -> Run:
    """The run that never began."""
    lines, digest = interpreter.environment(backend)
    return Run(
        backend=backend,
        failure=failure,
        message=message,
        usage=Usage(wall_seconds=0.0),
        stages=(Stage(name="set-up", wall_seconds=wall_seconds),),
        environment=lines,
        environment_digest=digest,
    )


def _usage(ending: Ending, report: Report, last: Sample, group: Group | None, log: Log) -> Usage:
    """Totals, each from the most exact source that told it."""
    peak = ending.peak.highest(last)
    memory = [each for each in (peak.memory_bytes, report.peak_rss_bytes) if each is not None]
    cpu = [each for each in (report.cpu_seconds, peak.cpu_seconds) if each is not None]
    counted_memory = group.peak_memory_bytes() if group else None
    counted_cpu = group.cpu_seconds() if group else None
    written = report.written_bytes
    return Usage(
        wall_seconds=report.wall_seconds or ending.wall_seconds,
        cpu_seconds=max(cpu, default=None) if counted_cpu is None else counted_cpu,
        peak_memory_bytes=max(memory, default=None)
        if counted_memory is None
        else max(counted_memory, report.peak_rss_bytes or 0),
        peak_processes=peak.processes or None,
        written_bytes=peak.disk_bytes if written is None else max(0, written - log.total_bytes),
        log_bytes=log.total_bytes,
    )
