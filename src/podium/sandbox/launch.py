"""Starts the first process of a run, inside bubblewrap or plainly, and holds every string to it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import marshal
import math
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader
from types import CodeType
from typing import Any

from podium.errors import MachineError
from podium.sandbox.controls import counts_by_namespace
from podium.sandbox.interpreter import Interpreter
from podium.sandbox.orders import Orders
from podium.types import Limits

# pid 1 gets its code through a memory file: no path of Podium need exist in the box, and nothing is compiled
_BOOT = (
    "import marshal,posix\nc,o=marshal.loads(posix.read({fd},1<<22))\nposix.close({fd})\n"
    "s={{'__name__':'pid1'}}\nexec(c,s)\ns['main'](o)"
)
_PROGRAM = "podium.sandbox.pid1"
_START_SECONDS = 20.0
_OPEN_FILES = 4_096
_TALK_BYTES = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Start:
    """How to start ``main.py``.

    Attributes:
        user_id: To change to, or None to stay.
        namespace: A process namespace is made around it.
        slot: Spreads pinned processors over the machine.
    """

    python: Interpreter
    environment: dict[str, str]
    workdir: str
    limits: Limits
    user_id: int | None
    namespace: bool
    slot: int


class Launched:
    """A started run that waits for the go.

    Attributes:
        pid: Of the first process, as the host numbers it.
        log_fd: stdout and stderr of ``main.py``.
        report_fd: What the first process says.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], pid: int, log_fd: int, report_fd: int, go_fd: int, talk_fd: int
    ) -> None:
        self._process = process
        self._pid_fd = os.pidfd_open(pid)
        self._go_fd = go_fd
        self._talk_fd = talk_fd
        self.pid = pid
        self.log_fd = log_fd
        self.report_fd = report_fd

    def go(self) -> None:
        """Lets ``main.py`` begin."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go_fd, b"g")

    def kill(self, for_good: bool) -> None:
        """Ends the run: first through its first process, which still reports; for good by the kernel."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pid_fd, signal.SIGKILL if for_good else signal.SIGTERM)

    def close(self) -> None:
        """Ends what is left and waits for it."""
        self.kill(True)
        os.close(self._pid_fd)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def talk(self) -> str:
        """What bubblewrap or the first process itself complained of."""
        os.set_blocking(self._talk_fd, False)
        try:
            return os.read(self._talk_fd, _TALK_BYTES).decode(errors="replace").strip()
        except BlockingIOError:
            return ""


@dataclass(frozen=True, kw_only=True)
class Wrap:
    """A command around the first process that puts it into its box.

    Attributes:
        command: To put in front of the first process's own.
        fds: Descriptors that the command inherits; they are closed here once it is started.
        status_fd: On which it tells the first process's id as bubblewrap does.
        born: Called with that id while the box is still being built.
    """

    command: Sequence[str]
    fds: Sequence[int]
    status_fd: int
    born: Callable[[int], None]


@contextlib.contextmanager
def launched(start: Start, wrap: Wrap | None = None) -> Generator[Launched]:
    """A first process that is ready, and surely dead afterwards.

    Raises:
        MachineError: It did not get ready.
    """
    with contextlib.ExitStack() as stack:
        own: list[int] = []
        theirs: list[int] = []
        for reads_here in (True, True, False, True):
            reader, writer = os.pipe()
            own.append(reader if reads_here else writer)
            theirs.append(writer if reads_here else reader)
        stack.callback(_close, own)
        log_fd, report_fd, go_fd, talk_fd = own
        process = _begun(start, theirs, wrap)
        deadline = time.monotonic() + _START_SECONDS
        pid = process.pid if wrap is None else _child_pid(wrap.status_fd, deadline)
        if pid is None:
            process.kill()
            process.wait()
            raise MachineError(_read_all(talk_fd) or "the box did not start")
        one: Launched | None = None
        # a box that fails while it is being built is gone here already; what it said is told below
        with contextlib.suppress(ProcessLookupError):
            one = Launched(process, pid, log_fd, report_fd, go_fd, talk_fd)
            stack.callback(one.close)
            if wrap:
                wrap.born(pid)
        if one is None or _read_line(report_fd, deadline) != b"ready\n":
            process.kill()
            process.wait()
            raise MachineError(_read_all(talk_fd) or f"the box was not ready after `{_START_SECONDS:g}` seconds")
        yield one


def _begun(start: Start, theirs: list[int], wrap: Wrap | None) -> subprocess.Popen[bytes]:
    content: Any = (_program(), _orders(start, theirs))
    orders_fd = memory_file(marshal.dumps(content))
    command = [*(wrap.command if wrap else ()), str(start.python.real)]
    try:
        return subprocess.Popen(
            [*command, "-I", "-S", "-c", _BOOT.format(fd=orders_fd)],
            stdin=subprocess.DEVNULL,
            stdout=theirs[3],
            stderr=theirs[3],
            env={},
            cwd="/",
            pass_fds=[*theirs[:3], orders_fd, *(wrap.fds if wrap else ())],
            start_new_session=True,
        )
    except OSError as error:
        raise MachineError(f"`{command[0]}` cannot be started: {error.strerror}") from error
    finally:
        _close([*theirs, orders_fd, *(wrap.fds if wrap else ())])


def chosen_cpus(limits: Limits, number: int) -> tuple[int, ...]:
    """The processors for a run in that slot; empty when all are allowed."""
    mine = sorted(os.sched_getaffinity(0))
    if limits.cpus is None or math.ceil(limits.cpus) >= len(mine):
        return () if limits.cpus is None else tuple(mine)
    count = max(1, math.ceil(limits.cpus))
    return tuple(sorted(mine[(number * count + step) % len(mine)] for step in range(count)))


def memory_file(content: bytes) -> int:
    """Descriptor of an unnamed file with that content, at its start."""
    fd = os.memfd_create("podium")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@functools.cache
def _program() -> CodeType:
    spec = importlib.util.find_spec(_PROGRAM)
    code = spec.loader.get_code(_PROGRAM) if spec and isinstance(spec.loader, InspectLoader) else None
    if code is None:
        raise MachineError("Podium's own program `pid1` is missing; install Podium again")
    return code


def _orders(start: Start, theirs: list[int]) -> Orders:
    limits = start.limits
    return Orders(
        log=theirs[0],
        report=theirs[1],
        go=theirs[2],
        executable=str(start.python.executable),
        argv=["python", "main.py"],
        environment=start.environment,
        workdir=start.workdir,
        uid=-1 if start.user_id is None else start.user_id,
        gid=-1 if start.user_id is None else start.user_id,
        cpus=list(chosen_cpus(limits, start.slot)),
        rlimits=_resource_limits(start),
        namespace=start.namespace,
    )


def _resource_limits(start: Start) -> list[tuple[int, int, int]]:
    limits = start.limits
    wanted = {
        # the kernel takes 1, not 0, as "no dump to a program either"
        resource.RLIMIT_CORE: (1, 1),
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_FSIZE: (limits.scratch_bytes, limits.scratch_bytes),
    }
    if limits.cpu_seconds is not None:
        seconds = math.ceil(limits.cpu_seconds) + 1
        wanted[resource.RLIMIT_CPU] = (seconds, seconds + 1)
    if start.user_id is not None:
        wanted[resource.RLIMIT_NPROC] = (limits.processes, limits.processes)
    elif start.namespace and counts_by_namespace():
        wanted[resource.RLIMIT_NPROC] = (limits.processes + 1, limits.processes + 1)
    return [(kind, soft, hard) for kind, (soft, hard) in wanted.items()]


def _child_pid(fd: int, deadline: float) -> int | None:
    """The first process's number out of bubblewrap's status, which comes in pieces."""
    text = b""
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(fd, 4096)
        if not piece:
            return None
        text += piece
        for line in text.splitlines(keepends=True):
            if line.endswith(b"\n") and b"child-pid" in line:
                return int(json.loads(line)["child-pid"])
    return None


def _read_line(fd: int, deadline: float) -> bytes:
    text = b""
    while not text.endswith(b"\n") and select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(fd, 1)
        if not piece:
            break
        text += piece
    return text


def _read_all(fd: int) -> str:
    text = b""
    while select.select([fd], [], [], 1.0)[0] and (piece := os.read(fd, _TALK_BYTES)):
        text += piece
    return text.decode(errors="replace").strip()[:2_000]


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
