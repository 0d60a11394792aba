"""What a run is given and what is told of it, in real boxes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from podium.errors import MachineError, UsageError
from podium.sandbox import Box, bubblewrap, diagnose
from podium.sandbox.bubblewrap import Bubblewrap
from podium.types import Enforcement, Failure, Limits, Mount, Run

pytestmark = pytest.mark.sandbox
LIMITS = Limits(wall_seconds=20.0, memory_bytes=512 << 20, scratch_bytes=64 << 20, log_bytes=1 << 14)


@pytest.fixture
def back_end() -> Bubblewrap:
    try:
        return Bubblewrap(program=bubblewrap.find())
    except MachineError as error:
        pytest.skip(str(error))


@pytest.fixture
def run(back_end: Bubblewrap, tmp_path: Path) -> Any:
    tmp_path.chmod(0o755)
    (tmp_path / "submission").mkdir()
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "file").write_text("data")

    def start(program: str, *, back_end: Bubblewrap = back_end, **changes: Any) -> Run:
        (tmp_path / "submission" / "main.py").write_text(program)
        options = {name: changes.pop(name) for name in ("on_log", "cancelled") if name in changes}
        values: dict[str, Any] = {
            "submission": tmp_path / "submission",
            "workdir": "/code_execution",
            "mounts": (Mount(source=tmp_path / "inputs", target="/data"),),
            "outputs": (),
            "limits": LIMITS,
        }
        return back_end.run(Box(**(values | changes)), tmp_path / "out", **options)

    return start


def test_a_main_py_of_the_official_runtime_works_unmodified(run: Any, tmp_path: Path) -> None:
    done = run(
        "from pathlib import Path\n"
        "text = Path('/data/file').read_text()\n"
        "Path('/code_execution/subset.csv').write_text(text * 2)\n"
        "Path('submission/submission.csv').write_text(text)\n"
        "print(Path.cwd(), Path(__file__).resolve())\n",
        outputs=("subset.csv", "submission/submission.csv"),
    )
    assert done.failure is None
    assert (done.exit_code, done.signal) == (0, None)
    assert (tmp_path / "out" / "subset.csv").read_text() == "datadata"
    assert [(each.name, each.size_bytes) for each in done.outputs] == [
        ("subset.csv", 8),
        ("submission/submission.csv", 4),
    ]
    assert done.log_tail == ("/code_execution /code_execution/main.py",)
    assert [stage.name for stage in done.stages] == ["set-up", "main.py", "collect"]
    assert done.usage.written_bytes == 12
    assert 0 < done.usage.cpu_seconds < 5
    assert 0 < done.usage.wall_seconds < 5


def test_data_can_be_mounted_below_the_working_directory(run: Any, tmp_path: Path) -> None:
    (tmp_path / "submission" / "data").mkdir()
    (tmp_path / "submission" / "data" / "mine").write_text("hidden by the mount")
    mounts = (Mount(source=tmp_path / "inputs", target="/code_execution/data"),)
    done = run("import os; print(os.listdir('data'), open('data/file').read())", mounts=mounts)
    assert done.log_tail == ("['file'] data",)
    assert any("`data`" in note for note in done.notes)


def test_the_packages_of_this_python_are_there(run: Any) -> None:
    done = run("import sys, numpy, podium.types; print(sys.version_info[:2], numpy.ones(3).sum())")
    assert done.log_tail == (f"{sys.version_info[:2]} 3.0",)
    assert any(line.startswith("numpy ") for line in done.environment)
    assert done.environment_digest.startswith("sha256:")


def test_nothing_but_podiums_own_package_is_seen_of_its_checkout(run: Any) -> None:
    import podium

    done = run(f"import os; print(os.listdir({str(Path(podium.__file__).parents[1])!r}))")
    names = done.log_tail[-1]
    assert "podium" in names
    assert "tests" not in names


def test_the_environment_is_ours_alone(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "secret")
    done = run(
        "import os, random\nfor key in sorted(os.environ): print(key, os.environ[key])\nprint(hash('podium') % 1000)",
        seed=41,
        environment={"EXTRA": "given"},
        limits=Limits(wall_seconds=20.0, memory_bytes=512 << 20, cpus=1.0),
    )
    assert "PODIUM_SEED 41" in done.log_tail
    assert "PYTHONHASHSEED 41" in done.log_tail
    assert "EXTRA given" in done.log_tail
    assert "OMP_NUM_THREADS 1" in done.log_tail
    assert not any("PLANTED" in line for line in done.log_tail)


def test_big_files_are_bound_and_small_ones_are_writable(run: Any, tmp_path: Path) -> None:
    (tmp_path / "submission" / "model").mkdir()
    (tmp_path / "submission" / "model" / "weights.bin").write_bytes(b"w" * (3 << 20))
    (tmp_path / "submission" / "model" / "settings.json").write_text("{}")
    done = run(
        "import os\n"
        "open('model/settings.json', 'a').write('more')\n"
        "os.remove('model/settings.json')\n"
        "open('model/new', 'w').write('x')\n"
        "print(os.path.getsize('model/weights.bin'), os.access('model/weights.bin', os.W_OK))\n"
    )
    assert done.log_tail == (f"{3 << 20} False",)
    assert (tmp_path / "submission" / "model" / "settings.json").read_text() == "{}"


def test_an_old_copy_of_an_output_does_not_count(run: Any, tmp_path: Path) -> None:
    (tmp_path / "submission" / "subset.csv").write_text("old")
    done = run("import os; print(os.listdir('.'))", outputs=("subset.csv",))
    assert done.failure is Failure.MISSING_OUTPUT
    assert "`subset.csv`" in done.message
    assert done.log_tail == ("['main.py']",)
    assert any("left out" in note for note in done.notes)


def test_the_log_is_streamed_while_the_run_goes_on(run: Any) -> None:
    seen: list[bytes] = []
    done = run(
        "import sys, time\nprint('first')\nsys.stderr.write('second')\ntime.sleep(30)",
        on_log=seen.append,
        cancelled=lambda: b"second" in b"".join(seen),
    )
    assert done.failure is Failure.CANCELLED
    assert b"".join(seen) == b"first\nsecond"
    assert done.usage.wall_seconds < 15


def test_a_run_can_be_seen_on_the_host_while_it_lives_and_not_after(run: Any) -> None:
    marker = os.urandom(8).hex()
    seen: list[str] = []

    def look() -> bool:
        for place in Path("/proc").iterdir():
            try:
                if place.name.isdigit() and marker.encode() in (place / "environ").read_bytes():
                    seen.append(place.name)
            except OSError:
                continue
        return bool(seen)

    done = run("import time; time.sleep(30)", environment={"MARKER": marker}, cancelled=look)
    assert done.failure is Failure.CANCELLED
    was_seen = list(seen)
    seen.clear()
    assert was_seen
    assert not look()


@pytest.mark.parametrize(
    ("program", "code", "signal", "words"),
    [
        ("raise ValueError('no query')", 1, None, "exit code `1`"),
        ("import os; os._exit(137)", 137, None, "exit code `137`"),
        ("import os; os.kill(os.getpid(), 9)", None, 9, "`SIGKILL`"),
        ("import os; os.abort()", None, 6, "`SIGABRT`"),
        ("import sys; sys.exit('bye')", 1, None, "exit code `1`"),
    ],
)
def test_crashes_are_told_with_code_or_signal_and_last_lines(
    run: Any, program: str, code: int | None, signal: int | None, words: str
) -> None:
    done = run(program)
    assert done.failure is Failure.CRASH
    assert (done.exit_code, done.signal) == (code, signal)
    assert words in done.message


def test_the_last_lines_of_a_crash_are_kept(run: Any) -> None:
    assert run("raise ValueError('no \\x1b[31mquery')").log_tail[-1] == "ValueError: no [31mquery"


def test_a_submission_without_main_py_crashes_with_pythons_own_words(back_end: Bubblewrap, tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    box = Box(submission=tmp_path / "submission", workdir="/w", mounts=(), outputs=(), limits=LIMITS)
    done = back_end.run(box, tmp_path / "out")
    assert done.failure is Failure.CRASH
    assert "can't open file '/w/main.py'" in done.log_tail[-1]


def test_files_that_do_not_fit_are_told_as_disk(run: Any, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "submission" / f"{number}").write_bytes(bytes(1 << 20))
    done = run("", limits=Limits(wall_seconds=5.0, memory_bytes=512 << 20, scratch_bytes=4 << 20))
    assert done.failure is Failure.DISK
    assert "do not fit" in done.message


def test_a_bubblewrap_that_fails_is_the_machines_fault(run: Any, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    done = run("print('never')", back_end=Bubblewrap(program=program))
    assert done.failure is Failure.MACHINE
    assert "uid map" in done.message
    assert ("--cap-add SYS_ADMIN" if os.geteuid() == 0 else "apparmor_parser") in done.message
    assert done.exit_code is None


def test_what_bubblewrap_cannot_find_is_told_in_its_words(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexec /usr/bin/bwrap --ro-bind /absent /absent true\n")
    (tmp_path / "bwrap").chmod(0o755)
    done = run("", back_end=Bubblewrap(program=tmp_path / "bwrap"))
    assert done.failure is Failure.MACHINE
    assert "/absent" in done.message


def test_a_bubblewrap_that_is_not_there_is_the_machines_fault(run: Any, tmp_path: Path) -> None:
    done = run("", back_end=Bubblewrap(program=tmp_path / "absent"))
    assert done.failure is Failure.MACHINE
    assert "absent" in done.message


def test_links_in_a_submission_are_refused_before_anything_runs(run: Any, tmp_path: Path) -> None:
    (tmp_path / "submission" / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="link"):
        run("")


def test_the_bubblewrap_of_the_sandbox_extra_works_too(run: Any) -> None:
    program = bubblewrap._bundled()
    if program is None:
        pytest.skip("needs the `sandbox` extra")
    done = run("print('hello')", back_end=Bubblewrap(program=Path(program)))
    assert done.failure is None, done.message
    assert done.log_tail == ("hello",)


KILLED = """
import sys
from pathlib import Path
from podium.sandbox import Box, sandbox
from podium.types import Limits
folder = Path(sys.argv[1])
limits = Limits(wall_seconds=60, memory_bytes=1 << 28)
box = Box(submission=folder / "submission", workdir="/w", mounts=(), outputs=(), limits=limits,
          environment={"MARKER": sys.argv[2]})
sandbox("bubblewrap").run(box, folder / "out", on_log=lambda text: print(text.decode(), flush=True))
"""


def test_a_box_dies_with_its_killed_supervisor(back_end: Bubblewrap, tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    program = "import os, time\nif os.fork() == 0:\n    os.setsid()\nprint('up', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "submission" / "main.py").write_text(program)
    marker = os.urandom(8).hex()
    supervisor = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), marker], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    assert b"up" in supervisor.stdout.readline()
    assert len(_marked(marker)) >= 2
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    deadline = time.monotonic() + 5
    while (alive := _marked(marker)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive == []


def _marked(marker: str) -> list[str]:
    found: list[str] = []
    for place in Path("/proc").iterdir():
        try:
            environment = (place / "environ").read_bytes() if place.name.isdigit() else b""
        except OSError:
            continue
        if f"MARKER={marker}".encode() in environment:
            found.append(place.name)
    return found


def test_boxes_side_by_side_do_not_meet(back_end: Bubblewrap, tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "open('/dev/shm/mine', 'x').close(); open('/tmp/mine', 'x').close(); open('mine', 'x').close()\n"
        "time.sleep(0.5)\n"
        "print(os.getuid(), len([each for each in os.listdir('/proc') if each.isdigit()]))\n"
    )
    runs: dict[int, Run] = {}

    def start(number: int) -> None:
        submission = tmp_path / f"submission-{number}"
        submission.mkdir()
        (submission / "main.py").write_text(program)
        box = Box(submission=submission, workdir="/code_execution", mounts=(), outputs=("mine",), limits=LIMITS)
        runs[number] = back_end.run(box, tmp_path / f"out-{number}")

    threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [runs[number].failure for number in range(3)] == [None, None, None]
    lines = [runs[number].log_tail[0].split() for number in range(3)]
    assert {line[1] for line in lines} == {"2"}
    assert len({line[0] for line in lines}) == (3 if os.geteuid() == 0 else 1)


def test_every_control_is_told_for_every_run(run: Any, back_end: Bubblewrap) -> None:
    done = run("")
    names = [control.name for control in done.controls]
    assert names == [control.name for control in back_end.controls(LIMITS)]
    assert {"network", "memory", "processes", "disk", "wall time", "CPU time", "end"} <= set(names)
    by_name = {control.name: control for control in done.controls}
    assert by_name["network"].enforcement is Enforcement.ENFORCED
    assert by_name["disk"].enforcement is Enforcement.BEST_EFFORT
    assert by_name["memory"].asked == f"{512 << 20} bytes"


def test_polling_is_told_as_best_effort(run: Any, back_end: Bubblewrap) -> None:
    done = run("", back_end=Bubblewrap(program=back_end.program, use_groups=False))
    by_name = {control.name: control for control in done.controls}
    assert by_name["memory"].enforcement is Enforcement.BEST_EFFORT
    assert by_name["CPU time"].enforcement is Enforcement.BEST_EFFORT


def test_memory_shared_after_a_fork_counts_once_without_control_groups(run: Any, back_end: Bubblewrap) -> None:
    program = (
        "import os, time\nheld = bytearray(b'x') * (60 << 20)\n"
        "for _ in range(6):\n    if os.fork() == 0:\n        time.sleep(0.5)\n        os._exit(0)\n"
        "for _ in range(6):\n    os.wait()\n"
    )
    limits = Limits(wall_seconds=20.0, memory_bytes=160 << 20)
    done = run(program, back_end=Bubblewrap(program=back_end.program, use_groups=False), limits=limits)
    assert done.failure is None


def test_the_doctor_finds_the_walls_that_hold(back_end: Bubblewrap) -> None:
    found = {each.backend: each for each in diagnose()}
    assert list(found) == ["bubblewrap", "container", "process"]
    boxed = found["bubblewrap"]
    assert boxed.available
    assert boxed.version
    assert not [control for control in boxed.controls if "did not hold" in control.how]
    assert "NO WALLS" in found["process"].reason
    assert all(each.available or each.remedy for each in found.values())
