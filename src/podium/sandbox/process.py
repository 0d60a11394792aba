"""Runs a submission as a plain subprocess: no walls. For one's own code, where no other back end works."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from podium.errors import MachineError
from podium.sandbox import controls, interpreter, workdir
from podium.sandbox.base import LOG_NAME, Box, check
from podium.sandbox.launch import Start, launched
from podium.sandbox.log import Log
from podium.sandbox.supervision import Live, fault, supervise
from podium.sandbox.usage import TreeGauge
from podium.types import Control, Limits, Run, Stage

NOTE = (
    "the `process` back end has NO WALLS: the code ran as you, with your files and your network; "
    "use it for your own code only, and never for a score that counts"
)


@dataclass(frozen=True, kw_only=True)
class Process:
    """Runs ``main.py`` in a temporary folder that stands for the root of the official runtime.

    A submission that means to work here too puts ``PODIUM_ROOT`` in front of absolute paths: ``/data`` is at
    ``$PODIUM_ROOT/data``.
    """

    name: str = "process"

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
        lines, digest = interpreter.environment(self.name)
        notes = (NOTE, *run.notes, *layout.notes)
        return replace(run, stages=(set_up, *run.stages), notes=notes, environment=lines, environment_digest=digest)

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        """See `Sandbox.controls`."""
        return controls.of_process(limits)

    @contextlib.contextmanager
    def _live(self, box: Box, layout: workdir.Layout) -> Generator[Live]:
        with contextlib.ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podium-", ignore_cleanup_errors=True)))
            workdir_fd = stack.enter_context(_furnished(root, box, layout))
            python = interpreter.own()
            own = {"HOME": str(root / "tmp"), "TMPDIR": str(root / "tmp"), "PODIUM_ROOT": str(root)}
            start = Start(
                python=python,
                environment=interpreter.variables(box.limits, box.seed, python.executable, {**own, **box.environment}),
                workdir=f"{root}{box.workdir}",
                limits=box.limits,
                user_id=None,
                namespace=False,
                slot=0,
            )
            one = stack.enter_context(launched(start))
            gauge = TreeGauge(one.pid, root)
            yield Live(
                running=one, gauge=gauge, last=gauge.last, workdir_fd=workdir_fd, controls=self.controls(box.limits)
            )


@contextlib.contextmanager
def _furnished(root: Path, box: Box, layout: workdir.Layout) -> Generator[int]:
    """The working directory below `root`, filled; mounts are links, since a plain process cannot bind."""
    (root / "tmp").mkdir()
    place = Path(f"{root}{box.workdir}")
    place.mkdir(parents=True)
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        workdir.fill(layout, box.submission, fd, None)
        links = [(mount.source.resolve(), Path(f"{root}{mount.target}")) for mount in box.mounts]
        links += [((box.submission / name).resolve(), place / name) for name in layout.bound]
        for source, target in links:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
        yield fd
    finally:
        os.close(fd)
