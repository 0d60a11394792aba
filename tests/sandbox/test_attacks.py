"""Programs that mean harm, each run for real; each must fail, and the host must show nothing of it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from podium.types import Failure, Limits

# named .txt so that no tool that imports every module can set one off on the host
ATTACKS = Path(__file__).parent / "attacks"
pytestmark = pytest.mark.sandbox


def limits(**changes: Any) -> Limits:
    values: dict[str, Any] = {
        "wall_seconds": 20.0,
        "cpu_seconds": 10.0,
        "cpus": 1.0,
        "memory_bytes": 128 << 20,
        "processes": 32,
        "scratch_bytes": 16 << 20,
        "output_bytes": 4 << 20,
        "output_files": 100,
        "log_bytes": 1 << 14,
    }
    return Limits(**(values | changes))


def survivors(marker: str) -> list[str]:
    found: list[str] = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and marker.encode() in (place / "environ").read_bytes():
                found.append(place.name)
        except OSError:
            continue
    return found


@pytest.fixture
def attack(bench: Any) -> Iterator[Any]:
    runs: list[Any] = []

    def start(name: str, **options: Any) -> Any:
        runs.append(bench.run(ATTACKS / f"{name}.py.txt", **{"limits": limits(), **options}))
        return runs[-1]

    yield start
    for run in runs:
        assert survivors(run.marker) == []
        assert bench.secret not in run.log
        assert "GOT THROUGH" not in run.log, run.log
        assert run.failure != Failure.MACHINE, run.message


def test_no_listener_of_the_host_hears_from_a_run(attack: Any, bench: Any) -> None:
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{bench.secret}")
        path = stack.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(bench.folder / "socket"))
        (bench.folder / "socket").chmod(0o777)
        for each in (tcp, udp, abstract, path):
            each.setblocking(False)
            if each is not udp:
                each.listen()
        run = attack(
            "reach_the_network",
            TARGET_PORT=str(port),
            TARGET_ABSTRACT=bench.secret,
            TARGET_PATH=str(bench.folder / "socket"),
        )
        assert run.exit_code == 0
        assert run.log.count("held") == 10
        assert run.log.count("sent") == 2
        for each in (tcp, abstract, path):
            with pytest.raises(BlockingIOError):
                each.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(16)


def test_neither_the_answers_nor_the_hosts_files_can_be_read(attack: Any, bench: Any) -> None:
    run = attack("read_the_host", TARGET_FILE=str(bench.folder / "answers" / "secret"))
    assert run.exit_code == 0
    assert run.log.count("held") == 17


def test_the_supervisor_cannot_be_looked_into(attack: Any) -> None:
    run = attack("read_the_supervisor")
    assert run.exit_code == 0
    assert "pids [1, 2]" in run.log
    others = [line.split() for line in run.log.splitlines() if line.startswith("descriptor ")]
    allowed = ("/dev/null", "pipe:", "of", "/code_execution/main.py")
    assert all(words[2].startswith(allowed) for words in others), run.log
    assert len({words[2] for words in others if words[2].startswith("pipe:")}) == 1
    assert "held 1 environ 13" in run.log
    assert run.log.count("held pid 1") == 3


def test_nothing_that_is_mounted_can_be_changed(attack: Any, bench: Any) -> None:
    bench.files["weights.bin"] = bytes(2 << 20)
    before = (bench.data / "file").stat()
    run = attack("write_everywhere")
    assert run.exit_code == 0
    assert run.log.count("held") == 32
    after = (bench.data / "file").stat()
    assert (before.st_mtime_ns, before.st_mode, before.st_ino) == (after.st_mtime_ns, after.st_mode, after.st_ino)
    assert [place.name for place in bench.data.iterdir()] == ["file"]
    assert (bench.data / "file").read_text() == "data"


def test_a_fork_bomb_stays_small_and_dies(attack: Any) -> None:
    run = attack("fork_bomb", limits=limits(wall_seconds=1.5))
    assert run.failure in (Failure.TIMEOUT, Failure.CPU_TIME, Failure.MEMORY)
    assert run.usage["peak_processes"] <= 33


def test_a_program_that_is_refused_a_process_is_told_so(attack: Any) -> None:
    run = attack("fork_until_refused")
    assert run.failure == Failure.PROCESSES
    assert "`32`" in run.message
    assert run.leftover_processes >= 25


def test_threads_count_as_processes(attack: Any) -> None:
    assert attack("thread_until_refused").failure == Failure.PROCESSES


@pytest.mark.parametrize("name", ["eat_memory", "eat_memory_in_children"])
def test_memory_over_the_limit_ends_the_run(attack: Any, name: str) -> None:
    run = attack(name)
    assert run.failure == Failure.MEMORY
    assert f"`{128 << 20}` bytes" in run.message


def test_a_run_does_not_go_on_after_a_child_was_killed_for_memory(attack: Any) -> None:
    assert attack("survive_the_memory_kill").failure == Failure.MEMORY


@pytest.mark.parametrize("folder", ["/code_execution", "/tmp", "/dev/shm"])
def test_a_full_folder_is_told_as_disk(attack: Any, folder: str) -> None:
    run = attack("fill_the_disk", TARGET_FOLDER=folder)
    assert run.failure == Failure.DISK
    assert run.usage["written_bytes"] < 18 << 20


@pytest.mark.parametrize("folder", ["", "/dev", "/data", "/usr"])
def test_no_other_folder_can_be_filled(attack: Any, folder: str) -> None:
    run = attack("fill_the_disk", TARGET_FOLDER=folder)
    assert run.failure == Failure.CRASH
    assert "OSError" in run.log_tail[-1] or "PermissionError" in run.log_tail[-1]


def test_the_writable_folders_are_limited_together(attack: Any) -> None:
    assert attack("fill_all_folders").failure == Failure.DISK


def test_the_number_of_files_is_limited(attack: Any) -> None:
    run = attack("make_many_files")
    assert run.failure == Failure.DISK
    assert "files" in run.message


@pytest.mark.parametrize("fd", ["1", "2"])
def test_a_flood_of_output_ends_the_run_and_keeps_head_and_tail(attack: Any, fd: str) -> None:
    run = attack("print_for_ever", TARGET_FD=fd)
    assert run.failure == Failure.LOG
    assert (run.out / "log.txt").stat().st_size < (1 << 14) + 100
    assert "bytes left out" in run.log
    assert all(line.isprintable() for line in run.log_tail)


def test_a_daemon_does_not_outlive_its_run(attack: Any) -> None:
    run = attack("leave_a_daemon")
    assert run.failure is None
    assert run.leftover_processes == 1


@pytest.mark.parametrize("name", ["ignore_signals", "stop_itself"])
def test_the_wall_clock_ends_what_will_not_end(attack: Any, name: str) -> None:
    began = time.monotonic()
    run = attack(name, limits=limits(wall_seconds=1.0))
    assert run.failure == Failure.TIMEOUT
    assert "`1` seconds" in run.message
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("children", ["0", "2"])
def test_processor_time_is_limited_over_all_processes(attack: Any, children: str) -> None:
    run = attack("burn_cpu", limits=limits(cpu_seconds=0.5), TARGET_CHILDREN=children)
    assert run.failure == Failure.CPU_TIME
    assert 0.4 < run.usage["cpu_seconds"] < 1.5


BAD_OUTPUTS = {
    "symlink to the host": (Failure.INVALID_OUTPUT, "a symbolic link"),
    "symlink to the inside": (Failure.INVALID_OUTPUT, "a symbolic link"),
    "symlinked folder": (Failure.INVALID_OUTPUT, "a symbolic link"),
    "hard link": (Failure.INVALID_OUTPUT, "hard link"),
    "fifo": (Failure.INVALID_OUTPUT, "a FIFO"),
    "socket": (Failure.INVALID_OUTPUT, "a socket"),
    "folder": (Failure.INVALID_OUTPUT, "a folder"),
    "sparse beyond the disk": (Failure.DISK, "wrote more"),
    "sparse beyond the output": (Failure.INVALID_OUTPUT, "`6291456` bytes"),
    "nothing": (Failure.MISSING_OUTPUT, "did not write"),
    "device": (Failure.MISSING_OUTPUT, "did not write"),
}


@pytest.mark.parametrize("kind", BAD_OUTPUTS)
def test_an_output_that_is_no_plain_file_is_refused(attack: Any, kind: str) -> None:
    failure, words = BAD_OUTPUTS[kind]
    run = attack("leave_a_bad_output", outputs=("submission/out.csv",), TARGET_KIND=kind)
    assert run.failure == failure, run.message
    assert words in run.message
    assert [place.name for place in run.out.rglob("*") if not place.is_dir()] == ["log.txt"]


def test_other_processes_cannot_be_traced_read_or_killed(attack: Any) -> None:
    run = attack("touch_other_processes")
    assert "still here" in run.log
    assert run.exit_code == 0


def test_the_first_process_can_only_be_asked_to_end_the_run(attack: Any) -> None:
    run = attack("terminate_the_first_process")
    assert run.failure == Failure.CRASH


def test_no_rights_can_be_gained(attack: Any) -> None:
    run = attack("gain_rights")
    assert run.exit_code == 0
    for capability in ("CapPrm", "CapEff", "CapAmb"):
        assert f"{capability}: 0000000000000000" in run.log
    assert "NoNewPrivs: 1" in run.log
    assert "Seccomp: 2" in run.log
    assert "uid 0" not in run.log


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the 32-bit table is an x86 one")
def test_system_calls_of_a_foreign_table_end_the_run(attack: Any) -> None:
    run = attack("speak_32_bit")
    assert run.failure == Failure.CRASH
    assert "SIGSYS" in run.message
