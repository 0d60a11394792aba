from __future__ import annotations

import pytest

from podium.sandbox.judgement import Report, judge, read_report
from podium.sandbox.usage import Sample
from podium.sandbox.watchdog import Ending
from podium.types import Failure, Limits

LIMITS = Limits(wall_seconds=10, cpu_seconds=5, memory_bytes=1 << 20, processes=8, scratch_bytes=1 << 20)


def ended(failure: Failure | None = None, *, gone: bool = True, **peak: int) -> Ending:
    return Ending(failure=failure, message="by Podium", wall_seconds=1, report="", peak=Sample(**peak), gone=gone)


def exited(code: int, **changes: int) -> Report:
    return Report(wait_status=code << 8, **changes)


@pytest.mark.parametrize(
    ("ending", "report", "last", "words", "failure"),
    [
        (ended(), exited(0), Sample(), (), None),
        (ended(), exited(1), Sample(), (), Failure.CRASH),
        (ended(), Report(wait_status=9), Sample(), (), Failure.CRASH),
        (ended(), Report(wait_status=9), Sample(memory_kills=1), (), Failure.MEMORY),
        (ended(), exited(0), Sample(memory_kills=1), (), Failure.MEMORY),
        (ended(), Report(wait_status=24), Sample(), (), Failure.CPU_TIME),
        (ended(), exited(0), Sample(cpu_seconds=5.5), (), Failure.CPU_TIME),
        (ended(), Report(wait_status=25), Sample(), (), Failure.DISK),
        (ended(), exited(1), Sample(disk_bytes=1 << 20), (), Failure.DISK),
        (ended(disk_bytes=1 << 20), exited(1), Sample(), (), Failure.DISK),
        (ended(), exited(0), Sample(disk_bytes=1 << 20), (), None),
        (ended(), exited(1), Sample(), ("OSError: [Errno 28] No space left on device",), Failure.DISK),
        (ended(), exited(1), Sample(refused_forks=1), (), Failure.PROCESSES),
        (ended(), exited(0), Sample(refused_forks=1), (), None),
        (ended(), exited(1), Sample(), ("RuntimeError: can't start new thread",), Failure.PROCESSES),
        (ended(), exited(1, leftover_processes=7), Sample(), ("BlockingIOError: [Errno 11]",), Failure.PROCESSES),
        (ended(), exited(1), Sample(), ("BlockingIOError: [Errno 11]",), Failure.CRASH),
        (ended(Failure.TIMEOUT), Report(), Sample(memory_kills=1), (), Failure.TIMEOUT),
        (ended(), Report(), Sample(), (), Failure.CRASH),
        (ended(), Report(start_error=2), Sample(), (), Failure.MACHINE),
        (ended(gone=False), exited(0), Sample(), (), Failure.MACHINE),
    ],
)
def test_the_ways_to_end_are_told_apart(
    ending: Ending, report: Report, last: Sample, words: tuple[str, ...], failure: Failure | None
) -> None:
    assert judge(ending, report, last, LIMITS, words)[0] is failure


def test_a_report_is_read_whole() -> None:
    report = read_report("status=9 wall=1.5 cpu=0.75 rss=4096 leftover=2 written=10\n")
    assert (report.exit_code, report.signal) == (None, 9)
    assert (report.wall_seconds, report.cpu_seconds, report.peak_rss_bytes) == (1.5, 0.75, 4096)
    assert (report.leftover_processes, report.written_bytes) == (2, 10)


def test_a_report_that_never_came_says_nothing() -> None:
    assert read_report("") == Report()
    assert read_report("exec=2\n").start_error == 2
