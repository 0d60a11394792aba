"""Tells what works on this machine by trying it: real boxes whose programs try to get out or to take too much."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from podium.errors import MachineError
from podium.sandbox import bubblewrap
from podium.sandbox.base import Box, Diagnosis
from podium.sandbox.bubblewrap import Bubblewrap
from podium.sandbox.container import ENGINES, IMAGE_VARIABLE, Container, answering_engine, engine_version
from podium.sandbox.process import NOTE, Process
from podium.types import Control, Enforcement, Failure, Limits, Mount, Run

_MEBIBYTE = 1 << 20
_LIMITS = Limits(
    wall_seconds=10.0,
    cpu_seconds=5.0,
    cpus=1.0,
    memory_bytes=96 * _MEBIBYTE,
    processes=24,
    scratch_bytes=16 * _MEBIBYTE,
    output_bytes=_MEBIBYTE,
    log_bytes=1 << 16,
)

# each prints the names of the walls that held
_WALLS = """
import os, socket
def held(name, attempt):
    try:
        attempt()
    except OSError:
        print(name)
held("network", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
held("files", lambda: open({secret!r}).read())
held("data", lambda: open("/data/file", "w"))
held("system calls", lambda: socket.socket(40, socket.SOCK_STREAM))
if os.getuid() != 0 and os.listdir("/proc/1/task") and not os.access("/proc/1/environ", os.R_OK):
    print("user")
"""
_MEMORY = "blocks = []\nfor _ in range(40):\n    blocks.append(bytearray(8 << 20))\nprint('memory was free')\n"
_PROCESSES = "import os, time\nfor _ in range(60):\n    if os.fork() == 0:\n        time.sleep(20)\n"
_DISK = "with open('big', 'wb') as file:\n    for _ in range(64):\n        file.write(bytes(1 << 20))\n"
_CPU = "while True: pass\n"
_WALL = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(30)\n"


@dataclass(frozen=True)
class _Trial:
    control: str
    program: str
    expected: Failure
    limits: Limits


_TRIALS = (
    _Trial("memory", _MEMORY, Failure.MEMORY, _LIMITS),
    _Trial("processes", _PROCESSES, Failure.PROCESSES, _LIMITS),
    _Trial("disk", _DISK, Failure.DISK, _LIMITS),
    _Trial("CPU time", _CPU, Failure.CPU_TIME, replace(_LIMITS, cpu_seconds=0.2)),
    _Trial("wall time", _WALL, Failure.TIMEOUT, replace(_LIMITS, wall_seconds=0.5)),
)


def diagnose() -> tuple[Diagnosis, ...]:
    """Every back end: whether it works here, why not and what to do, and what held when it was tried.

    Takes a few seconds.
    """
    return (_bubblewrap(), _container(), _process())


def _bubblewrap() -> Diagnosis:
    try:
        program = bubblewrap.find()
    except MachineError as error:
        return Diagnosis(backend="bubblewrap", available=False, reason=str(error), remedy=bubblewrap.INSTALL)
    version = bubblewrap.version(program)
    back_end = Bubblewrap(program=program)
    held, first = _walls_that_held(back_end)
    if first.failure:
        reason, _, remedy = first.message.partition("; ")
        return Diagnosis(backend="bubblewrap", available=False, version=version, reason=reason, remedy=remedy)
    for trial in _TRIALS:
        if _try(back_end, trial.program, trial.limits).failure is trial.expected:
            held.add(trial.control)
    tried = {"network", "files", "data", "system calls", "user", *(trial.control for trial in _TRIALS)}
    return Diagnosis(
        backend="bubblewrap",
        available=True,
        version=version,
        reason=f"`{program}`; {len(tried)} walls and limits were tried in real boxes",
        remedy=_group_remedy(first.controls),
        controls=tuple(_corrected(control, tried, held) for control in first.controls),
    )


def _container() -> Diagnosis:
    engine = answering_engine()
    if engine is None:
        names = " or ".join(f"`{name}`" for name in ENGINES)
        return Diagnosis(
            backend="container",
            available=False,
            reason=f"no {names} answers",
            remedy="start docker, or `sudo apt install podman`; not needed where bubblewrap works",
        )
    version = f"{engine.name} {engine_version(engine)}"
    try:
        back_end = Container.found()
    except MachineError as error:
        remedy = f"`export {IMAGE_VARIABLE}=<image>`"
        return Diagnosis(backend="container", available=False, version=version, reason=str(error), remedy=remedy)
    reason = "the engine answers; its limits are told, not tried"
    return Diagnosis(
        backend="container", available=True, version=version, reason=reason, controls=back_end.controls(_LIMITS)
    )


def _process() -> Diagnosis:
    return Diagnosis(backend="process", available=True, reason=NOTE, controls=Process().controls(_LIMITS))


def _walls_that_held(back_end: Bubblewrap) -> tuple[set[str], Run]:
    with (
        tempfile.TemporaryDirectory(prefix="podium-") as folder,
        closing(socket.create_server(("127.0.0.1", 0))) as server,
    ):
        secret = Path(folder, "secret")
        secret.write_text("found")
        port: int = server.getsockname()[1]
        run = _try(back_end, _WALLS.format(port=port, secret=str(secret)), _LIMITS)
        return set(run.log_tail), run


def _try(back_end: Bubblewrap, program: str, limits: Limits) -> Run:
    with _submission(program) as (submission, data, out):
        mounts = (Mount(source=data, target="/data"),)
        return back_end.run(Box(submission=submission, workdir="/work", mounts=mounts, outputs=(), limits=limits), out)


@contextmanager
def _submission(program: str) -> Generator[tuple[Path, Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="podium-") as name:
        submission, data = Path(name, "submission"), Path(name, "data")
        submission.mkdir()
        data.mkdir()
        (data / "file").write_text("data")
        (submission / "main.py").write_text(program)
        yield submission, data, Path(name, "out")


def _corrected(control: Control, tried: set[str], held: set[str]) -> Control:
    if control.name not in tried or control.name in held:
        return control
    return replace(control, enforcement=Enforcement.NOT_ENFORCED, how=f"{control.how}; did not hold when it was tried")


def _group_remedy(found: tuple[Control, ...]) -> str:
    memory = next(control for control in found if control.name == "memory")
    if memory.enforcement is Enforcement.ENFORCED:
        return ""
    return (
        "the memory limit is polled; for one that the kernel holds start Podium with "
        "`systemd-run --user --scope -p Delegate=yes podium …` (control groups v2), or as root"
    )
