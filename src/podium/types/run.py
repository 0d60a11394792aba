"""One execution: what it may use, what it did, and how far each limit bound."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Failure(StrEnum):
    """Why a run did not end well. `MACHINE` is never the participant's."""

    TIMEOUT = "timeout"
    CPU_TIME = "cpu time"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    LOG = "log"
    CRASH = "crash"
    MISSING_OUTPUT = "missing output"
    INVALID_OUTPUT = "invalid output"
    CANCELLED = "cancelled"
    MACHINE = "machine"


class Enforcement(StrEnum):
    """How far a limit binds on this machine."""

    ENFORCED = "enforced"
    BEST_EFFORT = "best effort"
    NOT_ENFORCED = "not enforced"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use.

    Attributes:
        wall_seconds: From the start of ``main.py`` to its end.
        cpu_seconds: Summed over all processes; None is no limit.
        cpus: Processors it may run on; None is all.
        memory_bytes: All processes together, with what they write to memory-backed folders.
        processes: Processes and threads alive at one time.
        scratch_bytes: What it may write in all writable folders together.
        output_bytes: What is collected at the end, all outputs together.
        output_files: How many files are looked at when collecting.
        log_bytes: How much of stdout and stderr is kept; eight times as much ends the run.
        gpus: Graphics cards that it is given.
    """

    wall_seconds: float
    cpu_seconds: float | None = None
    cpus: float | None = None
    memory_bytes: int
    processes: int = 512
    scratch_bytes: int = 4 << 30
    output_bytes: int = 2 << 30
    output_files: int = 2_000
    log_bytes: int = 1 << 20
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the host that a run sees, always read-only."""

    source: Path
    target: str


@dataclass(frozen=True, kw_only=True)
class Control:
    """One limit or wall of the sandbox, and how far it bound in this run."""

    name: str
    asked: str
    enforcement: Enforcement
    how: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the work and what it cost."""

    name: str
    wall_seconds: float
    cpu_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run used. None where the machine could not tell."""

    wall_seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_processes: int | None = None
    written_bytes: int | None = None
    log_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """A file that a run left and Podium took. `digest` reads ``sha256:…``."""

    name: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one execution did.

    Attributes:
        backend: ``bubblewrap``, ``container`` or ``process``.
        failure: None when ``main.py`` ended with 0 and every output was there.
        message: One line for a person; names the limit, the signal or the missing file.
        exit_code: Of ``main.py``; None when a signal or Podium ended it.
        signal: That ended ``main.py``, or None.
        usage: Totals. `stages` splits them: set-up, main.py, collect.
        controls: Every limit and wall, and how far each bound.
        outputs: What was collected, under the output folder.
        log_tail: The last lines of the log, control characters removed.
        leftover_processes: Still alive when ``main.py`` ended; all were killed.
        environment: Versions of what it ran on, one ``name version`` each; `environment_digest` covers them.
    """

    backend: str
    failure: Failure | None
    message: str
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage
    stages: tuple[Stage, ...] = ()
    controls: tuple[Control, ...] = ()
    outputs: tuple[OutputFile, ...] = ()
    log_tail: tuple[str, ...] = ()
    leftover_processes: int = 0
    notes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    environment_digest: str = ""

    @property
    def wall_seconds(self) -> float:
        """Wall seconds of the run."""
        return self.usage.wall_seconds

    @property
    def peak_memory_bytes(self) -> int | None:
        """Peak memory of the run, or None where it could not be told."""
        return self.usage.peak_memory_bytes
