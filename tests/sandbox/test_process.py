"""The back end without walls: it works, says so loudly, and shows that the attacks are real."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from podium.sandbox import Box, sandbox
from podium.types import Enforcement, Failure, Limits, Mount, Run

pytestmark = pytest.mark.sandbox
ATTACKS = Path(__file__).parent / "attacks"
LIMITS = Limits(wall_seconds=20.0, memory_bytes=256 << 20, scratch_bytes=16 << 20, log_bytes=1 << 14)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    (tmp_path / "submission").mkdir()
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "file").write_text("data")

    def start(program: str, *, outputs: tuple[str, ...] = (), limits: Limits = LIMITS, **environment: str) -> Run:
        (tmp_path / "submission" / "main.py").write_text(program)
        box = Box(
            submission=tmp_path / "submission",
            workdir="/code_execution",
            mounts=(Mount(source=tmp_path / "inputs", target="/data"),),
            outputs=outputs,
            limits=limits,
            environment=environment,
        )
        return sandbox("process").run(box, tmp_path / "out")

    return start


def test_a_run_finds_its_data_below_podium_root(run: Any, tmp_path: Path) -> None:
    done = run(
        "import os\nroot = os.environ['PODIUM_ROOT']\nopen('out.csv', 'w').write(open(root + '/data/file').read())\n"
        "print(os.getcwd() == root + '/code_execution')",
        outputs=("out.csv",),
    )
    assert done.failure is None
    assert done.log_tail == ("True",)
    assert (tmp_path / "out" / "out.csv").read_text() == "data"
    assert any("NO WALLS" in note for note in done.notes)


def test_what_is_not_enforced_is_said(run: Any) -> None:
    found = {control.name: control.enforcement for control in run("").controls}
    assert found["network"] is Enforcement.NOT_ENFORCED
    assert found["files"] is Enforcement.NOT_ENFORCED
    assert found["memory"] is Enforcement.BEST_EFFORT


def test_the_network_attack_gets_through_without_walls(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        port = tcp.getsockname()[1]
        program = (ATTACKS / "reach_the_network.py.txt").read_text()
        done = run(program, TARGET_PORT=str(port), TARGET_ABSTRACT="absent", TARGET_PATH="/absent")
        assert "GOT THROUGH tcp" in done.log_tail
        tcp.settimeout(5)
        tcp.accept()[0].close()


def test_the_file_attack_gets_through_without_walls(run: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("planted")
    program = f"print(open({str(tmp_path / 'secret')!r}).read())"
    assert run(program).log_tail == ("planted",)


def test_the_environment_is_not_inherited(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "secret")
    assert run("import os; print(os.environ.get('PLANTED'))").log_tail == ("None",)


def test_a_daemon_is_found_and_killed(run: Any) -> None:
    done = run((ATTACKS / "leave_a_daemon.py.txt").read_text(), MARKER="podium-process-daemon")
    assert done.failure is None
    assert done.leftover_processes == 1
    for place in Path("/proc").iterdir():
        try:
            assert b"podium-process-daemon" not in (place / "environ").read_bytes()
        except OSError:
            continue


@pytest.mark.parametrize(
    ("program", "changes", "failure"),
    [
        ("while True: pass", {"cpu_seconds": 0.3}, Failure.CPU_TIME),
        ("import time; time.sleep(30)", {"wall_seconds": 0.4}, Failure.TIMEOUT),
        (
            "import time; held = bytearray(b'x') * (200 << 20); time.sleep(30)",
            {"memory_bytes": 64 << 20},
            Failure.MEMORY,
        ),
        ("open('big', 'wb').write(bytes(32 << 20))", {}, Failure.DISK),
        ("while True: print('x' * 1000)", {}, Failure.LOG),
        ("raise SystemExit(3)", {}, Failure.CRASH),
    ],
)
def test_limits_end_the_run(run: Any, program: str, changes: dict[str, Any], failure: Failure) -> None:
    values = {"wall_seconds": 20.0, "memory_bytes": 512 << 20, "scratch_bytes": 16 << 20, "log_bytes": 1 << 14}
    done = run(program, limits=Limits(**(values | changes)))
    assert done.failure is failure, done.message


def test_a_missing_output_is_told(run: Any) -> None:
    assert run("", outputs=("out.csv",)).failure is Failure.MISSING_OUTPUT


def test_no_folder_is_left_behind(run: Any) -> None:
    done = run("import os; print(os.environ['PODIUM_ROOT'])")
    assert not Path(done.log_tail[0]).exists()
