"""Many videos sampled at once: one process a video, kept results, and faults by name.

Each worker is a process of its own with one thread, spoken to over its pipes: a decoder that crashes takes only its
video with it, and the caller's own ``__main__`` is not imported again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import numpy as np

from podium.errors import UsageError
from podium.media.sampling import Sample, check_settings, sample
from podium.media.source import UnreadableVideo
from podium.types import Progress, silent

RULES = 1
"""Raised when the same file and settings give other pictures; kept results of other rules are not used."""


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What became of one video.

    Attributes:
        path: The file.
        sample: Its pictures, or None when there are none.
        fault: Why there are none, or None. Damage that left something to read is in `Sample.damage`.
        kept: The pictures were kept from an earlier call.
    """

    path: Path
    sample: Sample | None
    fault: str | None = None
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class _Settings:
    frames_per_second: float
    short_edge: int | None
    size: tuple[int, int] | None
    max_frames: int | None

    def sample(self, path: Path | str) -> Sample:
        return sample(
            path,
            frames_per_second=self.frames_per_second,
            short_edge=self.short_edge,
            size=self.size,
            max_frames=self.max_frames,
        )


def sample_many(
    paths: Sequence[Path | str],
    *,
    into: Path | str | None = None,
    frames_per_second: float = 1.0,
    short_edge: int | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    workers: int = 1,
    seconds_per_video: float = 3_600.0,
    progress: Progress = silent,
) -> Iterator[Sampled]:
    """Samples videos and yields what became of each, in the order given.

    At most two videos a worker are held or on the disk ahead of the one yielded. A video that cannot be read, crashes
    its decoder or takes too long is yielded with a fault; the others go on.

    Args:
        paths: The files.
        into: A folder that keeps each video's pictures (uncompressed, so about 0.6 MB a picture of 320 x 568), made
            when absent. A later call with the same settings takes them from there as long as the video's place, size
            and time of change are the same. None keeps nothing.
        frames_per_second: As for `sample`, and so are `short_edge`, `size` and `max_frames`.
        short_edge: Pixels of the shorter side; or None.
        size: Width and height; or None.
        max_frames: Of one video; or None.
        workers: Processes. 1 decodes in the caller's own process.
        seconds_per_video: Wall time after which a worker is ended; holds with 2 workers and more.
        progress: Shown a step for each video.

    Raises:
        UsageError: A setting makes no sense.
        MachineError: PyAV is missing.
    """
    if workers < 1:
        raise UsageError(f"`workers` is `{workers}`; at least 1 is needed")
    check_settings(frames_per_second=frames_per_second, short_edge=short_edge, size=size, max_frames=max_frames)
    settings = _Settings(frames_per_second=frames_per_second, short_edge=short_edge, size=size, max_frames=max_frames)
    with ExitStack() as stack:
        if into is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podium-frames-")))
        else:
            folder = Path(into)
            folder.mkdir(parents=True, exist_ok=True)
        jobs = [
            _Job(path=path, settings=settings, result=folder / _kept_name(path, settings) if into else folder / str(n))
            for n, path in enumerate(map(Path, paths))
        ]
        if workers == 1:
            results: Iterable[Sampled] = map(_here, jobs)
        else:
            results = _spread(jobs, stack, workers=min(workers, max(1, len(jobs))), seconds=seconds_per_video)
        yield from progress(results, what="sampling videos", total=len(jobs))


@dataclass(frozen=True, kw_only=True)
class _Job:
    path: Path
    settings: _Settings
    result: Path

    @property
    def keep(self) -> bool:
        """True when the result outlives the call."""
        return self.result.suffix == ".npz"


def _kept_name(path: Path, settings: _Settings) -> str:
    """The name of a kept result, which holds everything that it depends on."""
    try:
        state = path.stat()
        file = [state.st_size, state.st_mtime_ns]
    except OSError:
        file = []
    asked = [settings.frames_per_second, settings.short_edge, settings.size, settings.max_frames]
    digest = hashlib.sha256(json.dumps([RULES, str(path.absolute()), *file, *asked]).encode()).hexdigest()
    return f"{path.stem[:80]}-{digest[:20]}.npz"


def _here(job: _Job) -> Sampled:
    """Samples in this process."""
    kept = _kept(job)
    if kept is not None:
        return kept
    try:
        taken = job.settings.sample(job.path)
    except UnreadableVideo as error:
        return Sampled(path=job.path, sample=None, fault=error.reason)
    if job.keep:
        _save(job.result, taken)
    return Sampled(path=job.path, sample=taken)


def _kept(job: _Job) -> Sampled | None:
    taken = _load(job.result) if job.keep else None
    return None if taken is None else Sampled(path=job.path, sample=taken, kept=True)


def _save(path: Path, taken: Sample) -> None:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial")
    facts = json.dumps({"duration_seconds": taken.duration_seconds, "damage": taken.damage})
    try:
        with partial.open("wb") as file:
            np.savez(file, frames_THWC=taken.frames_THWC, times_T2=taken.times_T2, facts=np.array(facts))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _load(path: Path) -> Sample | None:
    """The pictures kept at a path; None when there are none or the file is broken."""
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            return Sample(
                frames_THWC=file["frames_THWC"],
                times_T2=file["times_T2"],
                duration_seconds=facts["duration_seconds"],
                damage=facts["damage"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _spread(jobs: Sequence[_Job], stack: ExitStack, *, workers: int, seconds: float) -> Iterator[Sampled]:
    """Samples in worker processes, a bounded number of videos ahead."""
    crew = [stack.enter_context(_Worker(seconds=seconds)) for _ in range(workers)]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in crew:
        idle.put(worker)
    threads = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="podium-sampling"))

    def run(job: _Job) -> str | None:
        worker = idle.get()
        try:
            return worker.run(job)
        finally:
            idle.put(worker)

    ahead: deque[tuple[_Job, Future[str | None] | None]] = deque()
    waiting = iter(jobs)
    try:
        while True:
            for job in waiting:
                ahead.append((job, None if job.keep and job.result.exists() else threads.submit(run, job)))
                if len(ahead) >= 2 * workers:
                    break
            if not ahead:
                return
            job, future = ahead.popleft()
            yield _collected(job, future)
    finally:
        for _, future in ahead:
            if future is not None:
                future.cancel()
        for worker in crew:
            worker.kill()


def _collected(job: _Job, future: Future[str | None] | None) -> Sampled:
    if future is None:
        return _here(job)
    fault = future.result()
    if fault is not None:
        return Sampled(path=job.path, sample=None, fault=fault)
    taken = _load(job.result)
    if not job.keep:
        job.result.unlink(missing_ok=True)
    if taken is None:
        return Sampled(path=job.path, sample=None, fault="its pictures could not be kept; is the disk full?")
    return Sampled(path=job.path, sample=taken)


class _Worker:
    """A process that samples one video after the other, started when first needed and again after a crash."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def kill(self) -> None:
        """Ends the process, and with it what it is at."""
        if self._process is not None:
            self._process.kill()

    def run(self, job: _Job) -> str | None:
        """Samples into the job's result; gives the fault, or None."""
        from threading import Timer

        process = self._process or self._start()
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            process.kill()

        timer = Timer(self._seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            answer = _ask(process, job)
        finally:
            timer.cancel()
        if answer is not None and not expired:
            return answer["fault"]
        self._end()
        if expired:
            return f"took more than {self._seconds:g} s"
        return f"its decoder crashed (exit status {process.returncode})"

    def _start(self) -> subprocess.Popen[str]:
        search_path = os.pathsep.join(each or str(Path.cwd()) for each in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from podium.media.batch import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": search_path},
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _ask(process: subprocess.Popen[str], job: _Job) -> dict[str, Any] | None:
    """A worker's answer, or None when it died."""
    settings = job.settings
    question = {
        "path": str(job.path),
        "result": str(job.result),
        "frames_per_second": settings.frames_per_second,
        "short_edge": settings.short_edge,
        "size": settings.size,
        "max_frames": settings.max_frames,
    }
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except (BrokenPipeError, ValueError):
        return None
    return json.loads(line) if line.endswith("\n") else None


def serve() -> None:
    """A worker's life: one question a line on stdin, one answer a line on stdout."""
    for line in sys.stdin:
        question = json.loads(line)
        path, result = question.pop("path"), Path(question.pop("result"))
        if question["size"] is not None:
            question["size"] = tuple(question["size"])
        try:
            _save(result, sample(path, **question))
            fault = None
        except UnreadableVideo as error:
            fault = error.reason
        except (OSError, MemoryError) as error:
            fault = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"fault": fault}) + "\n")
        sys.stdout.flush()
