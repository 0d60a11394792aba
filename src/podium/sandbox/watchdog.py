"""Watches one run from the go to the death of its last process, and ends it when a limit is passed."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass

from podium.sandbox.log import FLOOD_FACTOR, Log
from podium.sandbox.usage import Gauge, Sample
from podium.types import Failure, Limits

_PATIENCE_SECONDS = 0.6
_GIVE_UP_SECONDS = 10.0
_LOG_GRACE_SECONDS = 1.0
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended, as seen from outside.

    Attributes:
        failure: The limit that Podium enforced, or None when the run ended by itself.
        report: What the box's first process said, or empty.
        gone: False when something of the run could not be ended.
    """

    failure: Failure | None
    message: str
    wall_seconds: float
    report: str
    peak: Sample
    gone: bool = True


@dataclass(frozen=True, kw_only=True)
class Watchdog:
    """The watching of one run.

    Attributes:
        kill: Ends the run; politely first (False), so that the report still comes, then for good (True).
        tick_seconds: Between two samples.
        files: Allowed in all writable folders together.
    """

    limits: Limits
    gauge: Gauge
    log: Log
    log_fd: int
    report_fd: int
    kill: Callable[[bool], None]
    cancelled: Callable[[], bool] | None = None
    tick_seconds: float = 0.05

    def watch(self) -> Ending:
        """Returns when every process that holds the log or the report is dead."""
        began = time.monotonic()
        report = b""
        peak = Sample()
        stop: tuple[Failure, str] | None = None
        stopped_at = ended_at = None
        forced = False
        next_tick = began + self.tick_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.log_fd, selectors.EVENT_READ)
            selector.register(self.report_fd, selectors.EVENT_READ)
            while selector.get_map():
                now = time.monotonic()
                if stop is None and ended_at is None:
                    if now >= next_tick:
                        sample = self.gauge()
                        peak = peak.highest(sample)
                        next_tick = now + self.tick_seconds
                        stop = self._over(sample)
                    stop = stop or self._outside(now - began)
                    if stop:
                        stopped_at = now
                        self.kill(False)
                elif stopped_at and not forced and now - stopped_at > _PATIENCE_SECONDS:
                    forced = True
                    self.kill(True)
                if (ended_at and now - ended_at > _LOG_GRACE_SECONDS) or (
                    stopped_at and now - stopped_at > _GIVE_UP_SECONDS
                ):
                    break
                for key, _ in selector.select(
                    max(0.0, min(self.tick_seconds, began + self.limits.wall_seconds - now)) or 0.01
                ):
                    chunk = os.read(key.fd, _PIECE_BYTES)
                    if not chunk:
                        selector.unregister(key.fd)
                    if key.fd == self.log_fd:
                        self.log.write(chunk)
                    else:
                        report += chunk
                        ended_at = ended_at or time.monotonic()
            gone = not selector.get_map()
        failure, message = stop or (None, "")
        return Ending(
            failure=failure,
            message=message,
            wall_seconds=(ended_at or stopped_at or time.monotonic()) - began,
            report=report.decode(errors="replace"),
            peak=peak,
            gone=gone,
        )

    def _outside(self, wall_seconds: float) -> tuple[Failure, str] | None:
        if wall_seconds > self.limits.wall_seconds:
            return Failure.TIMEOUT, f"ran longer than the limit of `{self.limits.wall_seconds:g}` seconds"
        if self.log.flooded:
            return (
                Failure.LOG,
                f"printed `{self.log.total_bytes}` bytes; a run may print `{FLOOD_FACTOR}` times the kept "
                f"`{self.limits.log_bytes}`",
            )
        if self.cancelled and self.cancelled():
            return Failure.CANCELLED, "cancelled"
        return None

    def _over(self, sample: Sample) -> tuple[Failure, str] | None:
        limits = self.limits
        if sample.memory_kills or (sample.memory_bytes or 0) > limits.memory_bytes:
            return Failure.MEMORY, memory_message(limits)
        if limits.cpu_seconds is not None and (sample.cpu_seconds or 0.0) > limits.cpu_seconds:
            return Failure.CPU_TIME, cpu_message(limits)
        if (sample.disk_bytes or 0) > limits.scratch_bytes:
            return Failure.DISK, disk_message(limits)
        if (sample.files or 0) > files_limit(limits):
            return (
                Failure.DISK,
                f"made more files than the `{files_limit(limits)}` that go with `{limits.scratch_bytes}` bytes",
            )
        return None


def files_limit(limits: Limits) -> int:
    """Files and folders that a run may make: one for each 16 KiB of scratch, as a new ext4 has, and at least 4,096."""
    return max(4_096, limits.scratch_bytes >> 14)


def memory_message(limits: Limits) -> str:
    """The sentence for a run over its memory."""
    return f"used more memory than the limit of `{limits.memory_bytes}` bytes"


def cpu_message(limits: Limits) -> str:
    """The sentence for a run over its CPU time."""
    return f"used more CPU time than the limit of `{limits.cpu_seconds or 0:g}` seconds"


def disk_message(limits: Limits) -> str:
    """The sentence for a run over its disk space."""
    return f"wrote more than the limit of `{limits.scratch_bytes}` bytes to its folders"
