"""Runs a submission with docker or podman, for machines that have an engine and no bubblewrap, or an official image."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from podium.errors import MachineError
from podium.sandbox import controls, interpreter, slot, workdir
from podium.sandbox.base import LOG_NAME, Box, check
from podium.sandbox.judgement import Report
from podium.sandbox.log import Log
from podium.sandbox.supervision import Live, fault, supervise
from podium.sandbox.usage import Sample, folder_use
from podium.types import Control, Limits, Run, Stage

ENGINES = ("docker", "podman")
IMAGE_VARIABLE = "PODIUM_IMAGE"
_ANSWER_SECONDS = 10.0
_CREATE_SECONDS = 120.0
_TICK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Container:
    """Runs boxes in containers.

    Attributes:
        engine: The ``docker`` or ``podman`` to call.
        image: Name or digest of an image that has ``python`` and the packages; it is never pulled.
    """

    engine: Path
    image: str
    name: str = "container"

    @staticmethod
    def found(image: str | None = None) -> Container:
        """The first engine that answers.

        Args:
            image: Else the environment variable ``PODIUM_IMAGE``.

        Raises:
            MachineError: No engine answers, or no image is named.
        """
        engine = answering_engine()
        if engine is None:
            raise MachineError(
                "no container engine answers: start docker, or install podman with `sudo apt install podman`"
            )
        image = image or os.environ.get(IMAGE_VARIABLE)
        if not image:
            raise MachineError(f"no image is named: set `{IMAGE_VARIABLE}` to one that has Python and the packages")
        return Container(engine=engine, image=image)

    def run(
        self,
        box: Box,
        out: Path,
        *,
        on_log: Callable[[bytes], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Run:
        """See `Sandbox.run`."""
        check(box, out)
        began = time.monotonic()
        layout = workdir.survey(box.submission, box.outputs, box.below_workdir)
        out.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(Log(out / LOG_NAME, box.limits.log_bytes, on_log))
            try:
                live = stack.enter_context(self._live(box, layout))
            except (MachineError, OSError) as error:
                return fault(self.name, str(error), time.monotonic() - began)
            set_up = Stage(name="set-up", wall_seconds=time.monotonic() - began)
            run = supervise(live, box, log, out, cancelled, self.name)
        lines, digest = interpreter.environment(
            f"container {self.engine.name} {engine_version(self.engine)} {self.image}"
        )
        notes = ("packages are those of the image, not of this Python", *run.notes, *layout.notes)
        return replace(run, stages=(set_up, *run.stages), notes=notes, environment=lines, environment_digest=digest)

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        """See `Sandbox.controls`."""
        return controls.of_container(limits)

    @contextlib.contextmanager
    def _live(self, box: Box, layout: workdir.Layout) -> Generator[Live]:
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(slot.take())
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="podium-", ignore_cleanup_errors=True))
            )
            user = held.user_id if os.geteuid() == 0 else None
            workdir_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, workdir_fd)
            workdir.fill(layout, box.submission, workdir_fd, user)
            folder.chmod(0o755)
            name = f"podium-{uuid.uuid4().hex}"
            stack.callback(_call, self.engine, "rm", "--force", name)
            created = _call(
                self.engine, *self.create_arguments(box, layout, folder, name, user), seconds=_CREATE_SECONDS
            )
            if created.returncode:
                raise MachineError(f"`{self.engine.name} create` failed: {created.stderr.strip()}")
            one = stack.enter_context(_attached(self.engine, name))
            gauge = _Gauge(engine=self.engine, container=name, folder=folder)
            yield Live(
                running=one,
                gauge=gauge,
                last=gauge.last,
                workdir_fd=workdir_fd,
                controls=self.controls(box.limits),
                tick_seconds=_TICK_SECONDS,
                read=lambda _: report_of(_state(self.engine, name)),
            )

    def create_arguments(
        self, box: Box, layout: workdir.Layout, folder: Path, name: str, user: int | None
    ) -> list[str]:
        """The engine's arguments that make the container without starting it.

        Args:
            folder: Host folder that becomes the working directory.
            user: User id of the slot, or None to keep the caller's.
        """
        limits = box.limits
        as_user = f"{user}:{user}" if user is not None else f"{os.getuid()}:{os.getgid()}"
        shared = min(limits.scratch_bytes, limits.memory_bytes)
        arguments = ["create", "--name", name, "--pull", "never", "--init", "--network", "none", "--read-only"]
        arguments += [
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--ipc",
            "private",
            "--hostname",
            "podium",
        ]
        arguments += ["--user", as_user, "--workdir", box.workdir]
        arguments += ["--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)]
        arguments += ["--pids-limit", str(limits.processes), "--shm-size", str(shared)]
        arguments += ["--tmpfs", f"/tmp:size={limits.scratch_bytes},mode=1777"]  # noqa: S108 - the box's own
        arguments += ["--ulimit", "core=0", "--ulimit", f"fsize={limits.scratch_bytes}", "--ulimit", "nofile=4096:4096"]
        if limits.cpu_seconds is not None:
            arguments += ["--ulimit", f"cpu={math.ceil(limits.cpu_seconds)}"]
        if limits.cpus is not None:
            arguments += ["--cpus", f"{limits.cpus:g}"]
        if limits.gpus:
            podman = self.engine.name == "podman"
            arguments += ["--device", "nvidia.com/gpu=all"] if podman else ["--gpus", str(limits.gpus)]
        if self.engine.name == "podman" and user is None:
            arguments += ["--userns", "keep-id"]
        arguments += ["--mount", f"type=bind,source={folder},target={box.workdir}"]
        for name_inside in layout.bound:
            arguments += _bind((box.submission / name_inside).resolve(), f"{box.workdir}/{name_inside}")
        for mount in box.mounts:
            arguments += _bind(mount.source.resolve(), mount.target)
        variables = interpreter.variables(limits, box.seed, "/usr/local/bin/python", dict(box.environment))
        del variables["PATH"]
        for key, value in variables.items():
            arguments += ["--env", f"{key}={value}"]
        return [*arguments, self.image, "python", "main.py"]


def report_of(state: dict[str, Any]) -> Report:
    """The report out of the engine's ``State``."""
    if "ExitCode" not in state:
        return Report()
    if state.get("Error"):
        return Report(start_error=errno.ENOENT)
    code = int(state["ExitCode"])
    # an engine shows the end by signal 9 as 137; a program that exits with 137 looks the same
    return Report(wait_status=code - 128 if 128 < code < 160 else (code & 0xFF) << 8)


@functools.cache
def engine_version(engine: Path) -> str:
    """Version of the engine's server, or empty when none answers."""
    done = _call(engine, "version", "--format", "{{.Server.Version}}", seconds=_ANSWER_SECONDS)
    return done.stdout.strip() if done.returncode == 0 else ""


def answering_engine() -> Path | None:
    """The first engine on the path that answers."""
    for name in ENGINES:
        found = shutil.which(name)
        if found and engine_version(Path(found)):
            return Path(found)
    return None


@dataclass(frozen=True, kw_only=True)
class _Gauge:
    engine: Path
    container: str
    folder: Path

    def __call__(self) -> Sample:
        disk_bytes, files = folder_use(self.folder)
        return Sample(disk_bytes=disk_bytes, files=files)

    def last(self) -> Sample:
        killed = bool(_state(self.engine, self.container).get("OOMKilled"))
        return replace(self(), memory_kills=int(killed))


class _Attached:
    """A created container and the engine's client that starts it."""

    def __init__(self, engine: Path, container: str) -> None:
        self._engine = engine
        self._container = container
        self._process: subprocess.Popen[bytes] | None = None
        self.log_fd, self._log_end = os.pipe()
        # nobody writes to it: it ends when the client does
        self.report_fd, self._report_end = os.pipe()

    def go(self) -> None:
        command = [str(self._engine), "start", "--attach", self._container]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log_end, stderr=self._log_end, pass_fds=[self._report_end]
        )
        self._close_ends()

    def kill(self, for_good: bool) -> None:
        _call(self._engine, "kill", self._container)
        if for_good and self._process:
            self._process.kill()

    def talk(self) -> str:
        return ""

    def close(self) -> None:
        if self._process and self._process.poll() is None:
            self.kill(True)
            self._process.wait(timeout=10)
        self._close_ends()
        os.close(self.log_fd)
        os.close(self.report_fd)

    def _close_ends(self) -> None:
        for fd in (self._log_end, self._report_end):
            if fd >= 0:
                os.close(fd)
        self._log_end = self._report_end = -1


@contextlib.contextmanager
def _attached(engine: Path, container: str) -> Generator[_Attached]:
    one = _Attached(engine, container)
    try:
        yield one
    finally:
        one.close()


def _bind(source: Path, target: str) -> list[str]:
    return ["--mount", f"type=bind,source={source},target={target},readonly"]


def _state(engine: Path, container: str) -> dict[str, Any]:
    done = _call(engine, "inspect", "--format", "{{json .State}}", container)
    if done.returncode:
        return {}
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def _call(engine: Path, *arguments: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
    command = [str(engine), *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
