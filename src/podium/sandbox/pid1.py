"""The first process of a box: starts ``main.py``, reaps, kills what is left, reports.

Its code object travels into the box through a memory file, so that no path of Podium need exist there. It imports
built-in modules only, because every import here is paid by every run. Outside a process namespace (back end `process`)
it does the same for its descendants, as a child subreaper.

The report is ``ready`` when it waits for the go, then one line of ``key=value`` words.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownLambdaType=false
# (what lies under `os`, `signal` and `ctypes` is used directly, which has no stubs)
from __future__ import annotations

import _ctypes
import _signal  # pyright: ignore[reportMissingImports] - built in, has no stub
import posix
import resource
import time

TYPE_CHECKING = False  # the real one is in `typing`, which takes 6 ms to import
if TYPE_CHECKING:
    from podium.sandbox.orders import Orders

_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36
_SIGINT, _SIGKILL, _SIGTERM = 2, 9, 15
_NO_EXEC = 96
_KILL_FIRST = b"1000"


def main(orders: Orders) -> None:
    """Serves one box, then exits."""
    counters = _open("/proc/self/io")
    if orders["namespace"]:
        _prctl(_SET_DUMPABLE, 0)
    else:
        _prctl(_SET_CHILD_SUBREAPER, 1)
    for fd in (orders["go"], orders["report"], orders["log"]):
        posix.set_inheritable(fd, False)
    # a namespace's first process ignores signals at their default; Python's own handler for SIGINT would end it
    _signal.signal(_SIGINT, _signal.SIG_DFL)
    _signal.signal(_SIGTERM, lambda *_: _kill_all())
    posix.write(orders["report"], b"ready\n")
    if posix.read(orders["go"], 1) != b"g":
        posix._exit(0)
    unwritten = _written(counters) + len(_KILL_FIRST)
    began = time.monotonic()
    try:
        child = posix.fork()
    except OSError as error:
        posix.write(orders["report"], b"fork=%d\n" % error.errno)
        posix._exit(0)
    if child == 0:
        _start(orders)
    posix.close(orders["log"])
    status = _wait_for(child)
    wall = time.monotonic() - began
    leftover = _clear()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = "status=%d wall=%.6f cpu=%.6f rss=%d leftover=%d written=%d\n" % (  # noqa: UP031 - bytes and floats in one format
        status,
        wall,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
        leftover,
        _written(counters) - unwritten,
    )
    posix.write(orders["report"], report.encode())
    posix._exit(0)


def _start(orders: Orders) -> None:
    try:
        _signal.signal(_SIGTERM, _signal.SIG_DFL)
        posix.setsid()
        posix.dup2(orders["log"], 1)
        posix.dup2(orders["log"], 2)
        if orders["namespace"]:
            _prctl(_SET_DUMPABLE, 1)
        _write("/proc/self/oom_score_adj", _KILL_FIRST)
        if orders["cpus"]:
            posix.sched_setaffinity(0, orders["cpus"])
        for kind, soft, hard in orders["rlimits"]:
            ceiling = resource.getrlimit(kind)[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            resource.setrlimit(kind, (soft, hard))
        if orders["uid"] >= 0:
            posix.setgroups([])
            posix.setresgid(orders["gid"], orders["gid"], orders["gid"])
            posix.setresuid(orders["uid"], orders["uid"], orders["uid"])
        posix.umask(0o022)
        posix.chdir(orders["workdir"])
        posix.execve(orders["executable"], orders["argv"], orders["environment"])
    except OSError as error:
        posix.write(orders["report"], b"exec=%d\n" % error.errno)
    finally:
        posix._exit(_NO_EXEC)


def _wait_for(child: int) -> int:
    while True:
        pid, status = posix.waitpid(-1, 0)
        if pid == child:
            return status


def _clear() -> int:
    """Ends everything that is left; how many there were."""
    leftover = 0
    for attempt in range(2_000):
        try:
            while posix.waitpid(-1, posix.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return leftover
        if attempt == 0:
            leftover = len(_others())
        elif attempt > 1:
            time.sleep(0.001)
        _kill_all()
    return leftover


def _kill_all() -> None:
    if posix.getpid() == 1:
        try:  # noqa: SIM105 - contextlib takes 2 ms to import
            posix.kill(-1, _SIGKILL)
        except ProcessLookupError:
            pass
        return
    for pid in _others():
        try:  # noqa: SIM105 - contextlib takes 2 ms to import
            posix.kill(pid, _SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _others() -> list[int]:
    """Living processes of the box, or below this one where there is no box."""
    pids = [int(name) for name in posix.listdir("/proc") if name.isdigit()]
    if posix.getpid() == 1:
        return [pid for pid in pids if pid != 1]
    parents: dict[int, int] = {}
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(fields) > 1:
            parents[pid] = int(fields[1])
    below = {posix.getpid()}
    grown = True
    while grown:
        found = {pid for pid, parent in parents.items() if parent in below} - below
        below |= found
        grown = bool(found)
    return sorted(below - {posix.getpid()})


def _written(counters: int) -> int:
    """Bytes handed to write calls so far, by this process and all that it reaped; -1 where the kernel is silent."""
    try:
        lines = posix.pread(counters, 4096, 0).split(b"\n")
    except OSError:
        return -1
    return next((int(line[6:]) for line in lines if line.startswith(b"wchar:")), -1)


def _open(path: str) -> int:
    """A descriptor, or -1."""
    try:
        return posix.open(path, posix.O_RDONLY)
    except OSError:
        return -1


def _read(path: str) -> bytes:
    fd = _open(path)
    try:
        return posix.read(fd, 4096)
    except OSError:
        return b""
    finally:
        if fd >= 0:
            posix.close(fd)


def _write(path: str, text: bytes) -> None:
    try:
        fd = posix.open(path, posix.O_WRONLY)
    except OSError:
        return
    try:
        posix.write(fd, text)
    except OSError:
        pass
    finally:
        posix.close(fd)


def _prctl(option: int, value: int) -> None:
    # the ctypes package takes 3 ms to import, its C half a third of one
    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # pyright: ignore[reportArgumentType] - None is this program itself
    _ctypes.call_cdeclfunction(address, (option, value, 0, 0, 0))
