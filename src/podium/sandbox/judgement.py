"""Tells the ways in which a run can end apart."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from podium.sandbox.usage import Sample
from podium.sandbox.watchdog import Ending, cpu_message, disk_message, memory_message
from podium.types import Failure, Limits

_NEARLY_FULL_BYTES = 1 << 16
_NO_SPACE = ("[Errno 28]", "No space left on device", "[Errno 27]", "File too large")
_NO_THREAD = "can't start new thread"
_NO_PROCESS = ("[Errno 11]", "Resource temporarily unavailable")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the first process of the box counted. None where it did not come to it."""

    wait_status: int | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None
    leftover_processes: int = 0
    written_bytes: int | None = None
    start_error: int | None = None

    @property
    def exit_code(self) -> int | None:
        """Of ``main.py``, or None when a signal ended it."""
        return (
            None if self.wait_status is None or os.WIFSIGNALED(self.wait_status) else os.WEXITSTATUS(self.wait_status)
        )

    @property
    def signal(self) -> int | None:
        """That ended ``main.py``, or None."""
        return (
            os.WTERMSIG(self.wait_status) if self.wait_status is not None and os.WIFSIGNALED(self.wait_status) else None
        )


def read_report(text: str) -> Report:
    """The report in the first process's words.

    >>> read_report("status=256 wall=0.5 cpu=0.25 rss=1024 leftover=2 written=-1").exit_code
    1
    """
    words: dict[str, str] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        words[key] = value
    error = words.get("exec") or words.get("fork")
    if "status" not in words:
        return Report(start_error=int(error) if error else None)
    written = int(words["written"])
    return Report(
        wait_status=int(words["status"]),
        wall_seconds=float(words["wall"]),
        cpu_seconds=float(words["cpu"]),
        peak_rss_bytes=int(words["rss"]),
        leftover_processes=int(words["leftover"]),
        written_bytes=written if written >= 0 else None,
        start_error=int(error) if error else None,
    )


def judge(
    ending: Ending, report: Report, last: Sample, limits: Limits, log_tail: tuple[str, ...]
) -> tuple[Failure | None, str]:
    """Why the run did not end well, or None, and one line for a person.

    Args:
        last: A sample taken after the end, when every counter is final.
    """
    if not ending.gone:
        return Failure.MACHINE, "a process of the run could not be ended; restart this machine"
    if ending.failure:
        return ending.failure, ending.message
    if report.start_error is not None:
        return Failure.MACHINE, f"Python could not be started in the box: {os.strerror(report.start_error)}"
    if last.memory_kills:
        return Failure.MEMORY, memory_message(limits)
    if limits.cpu_seconds is not None and (last.cpu_seconds or report.cpu_seconds or 0.0) > limits.cpu_seconds:
        return Failure.CPU_TIME, cpu_message(limits)
    if report.wait_status is None:
        return Failure.CRASH, "the run ended without a report"
    if report.wait_status == 0:
        return None, "`main.py` ended well"
    return _crash(ending, report, last, limits, log_tail)


def _crash(
    ending: Ending, report: Report, last: Sample, limits: Limits, log_tail: tuple[str, ...]
) -> tuple[Failure, str]:
    end = f"`main.py` ended with exit code `{report.exit_code}`"
    if report.signal is not None:
        end = f"`main.py` was ended by signal `{_signal_name(report.signal)}`"
    if report.signal == signal.SIGXCPU:
        return Failure.CPU_TIME, cpu_message(limits)
    peak = ending.peak.highest(last)
    last_words = " ".join(log_tail[-5:])
    is_full = (peak.disk_bytes or 0) > limits.scratch_bytes - _NEARLY_FULL_BYTES
    if report.signal == signal.SIGXFSZ or is_full or any(each in last_words for each in _NO_SPACE):
        return Failure.DISK, f"{disk_message(limits)}; {end}"
    # the peak is sampled, so a short burst shows in what was left at the end only
    most = max(peak.processes or 0, report.leftover_processes + 1)
    was_refused = most >= limits.processes - 1 and any(each in last_words for each in _NO_PROCESS)
    if last.refused_forks or was_refused or _NO_THREAD in last_words:
        return Failure.PROCESSES, f"wanted more than the limit of `{limits.processes}` processes and threads; {end}"
    if report.signal == signal.SIGSYS:
        return Failure.CRASH, f"{end}: it made a system call of a foreign processor type"
    return Failure.CRASH, end


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
