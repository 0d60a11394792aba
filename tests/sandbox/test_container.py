"""The container back end against a stand-in engine that runs the program plainly and writes down how it was called."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from podium.errors import MachineError
from podium.sandbox import Box, container
from podium.sandbox.container import Container, report_of
from podium.sandbox.workdir import survey
from podium.types import Failure, Limits, Mount, Run

ENGINE = """#!{python}
import json, os, pathlib, signal, subprocess, sys
home = pathlib.Path(__file__).parent
verb, words = sys.argv[1], sys.argv[2:]
with (home / "calls").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
state = home / "state.json"
if verb == "version":
    print("27.1")
elif verb == "create":
    if "broken" in words:
        sys.exit("no such image")
    (home / "created.json").write_text(json.dumps(words))
elif verb == "start":
    words = json.loads((home / "created.json").read_text())
    target = words[words.index("--workdir") + 1]
    source = next(w for w in words if w.startswith("type=bind") and w.endswith("target=" + target)).split(",")[1][7:]
    env = dict(words[i + 1].split("=", 1) for i, w in enumerate(words) if w == "--env")
    child = subprocess.Popen([sys.executable, "main.py"], cwd=source, env=env)
    (home / "pid").write_text(str(child.pid))
    code = child.wait()
    oom = (home / "oom").exists()
    state.write_text(json.dumps({{"ExitCode": 128 - code if code < 0 else code, "OOMKilled": oom, "Error": ""}}))
elif verb == "kill":
    os.kill(int((home / "pid").read_text()), signal.SIGKILL)
elif verb == "inspect":
    print(state.read_text() if state.exists() else "{{}}")
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    place = tmp_path / "engine" / "docker"
    place.parent.mkdir()
    place.write_text(ENGINE.format(python=sys.executable))
    place.chmod(0o755)
    return place


def box_of(tmp_path: Path, program: str = "", **changes: Any) -> Box:
    submission, inputs = tmp_path / "submission", tmp_path / "inputs"
    submission.mkdir()
    inputs.mkdir()
    (submission / "main.py").write_text(program)
    (submission / "weights.bin").write_bytes(bytes(2 << 20))
    limits = {"wall_seconds": 20.0, "memory_bytes": 1 << 30, "processes": 64, "scratch_bytes": 1 << 26}
    return Box(
        submission=submission,
        workdir="/code_execution",
        mounts=(Mount(source=inputs, target="/data"),),
        outputs=("out.csv",),
        limits=Limits(**(limits | changes)),
        seed=5,
    )


def run(engine: Path, tmp_path: Path, program: str, **changes: Any) -> Run:
    return Container(engine=engine, image="image@sha256:1").run(box_of(tmp_path, program, **changes), tmp_path / "out")


def calls(engine: Path) -> list[list[str]]:
    return [json.loads(line) for line in (engine.parent / "calls").read_text().splitlines()]


def test_the_container_is_shut_in_on_every_side(tmp_path: Path, engine: Path) -> None:
    box = box_of(tmp_path, cpus=2.0, cpu_seconds=100.0)
    layout = survey(box.submission, box.outputs)
    words = Container(engine=engine, image="image").create_arguments(box, layout, tmp_path / "work", "name", 61_001)
    pairs = set(pairwise(words))
    for pair in (
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--pull", "never"),
        ("--user", "61001:61001"),
        ("--memory", str(1 << 30)),
        ("--memory-swap", str(1 << 30)),
        ("--pids-limit", "64"),
        ("--cpus", "2"),
        ("--ulimit", "cpu=100"),
        ("--workdir", "/code_execution"),
        ("--env", "PODIUM_SEED=5"),
        ("--mount", f"type=bind,source={tmp_path / 'inputs'},target=/data,readonly"),
        (
            "--mount",
            f"type=bind,source={tmp_path / 'submission' / 'weights.bin'},target=/code_execution/weights.bin,readonly",
        ),
    ):
        assert pair in pairs, pair
    assert {"--read-only", "--init"} <= set(words)
    assert not {"--privileged", "--rm"} & set(words)
    assert words[-3:] == ["image", "python", "main.py"]
    assert not any("docker.sock" in word for word in words)


def test_podman_keeps_a_plain_users_id(tmp_path: Path) -> None:
    box = box_of(tmp_path)
    one = Container(engine=Path("/usr/bin/podman"), image="image")
    words = one.create_arguments(box, survey(box.submission, box.outputs), tmp_path, "name", None)
    assert ("--userns", "keep-id") in set(pairwise(words))


def test_a_run_is_collected_and_the_container_removed(tmp_path: Path, engine: Path) -> None:
    done = run(engine, tmp_path, "print('hello'); open('out.csv', 'w').write('x')")
    assert done.failure is None
    assert done.backend == "container"
    assert done.log_tail == ("hello",)
    assert [each.name for each in done.outputs] == ["out.csv"]
    verbs = [call[0] for call in calls(engine)]
    assert verbs.index("create") < verbs.index("start") < verbs.index("rm")
    assert any("container docker 27.1 image@sha256:1" in line for line in done.environment)


def test_the_wall_clock_is_podiums_own(tmp_path: Path, engine: Path) -> None:
    done = run(engine, tmp_path, "import time; time.sleep(60)", wall_seconds=1.0)
    assert done.failure is Failure.TIMEOUT
    assert "kill" in [call[0] for call in calls(engine)]


def test_the_engines_word_on_memory_is_taken(tmp_path: Path, engine: Path) -> None:
    (engine.parent / "oom").touch()
    done = run(engine, tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert done.failure is Failure.MEMORY


def test_a_crash_is_told(tmp_path: Path, engine: Path) -> None:
    done = run(engine, tmp_path, "raise SystemExit(4)")
    assert (done.failure, done.exit_code) == (Failure.CRASH, 4)


def test_an_engine_that_cannot_make_the_container_is_the_machines_fault(tmp_path: Path, engine: Path) -> None:
    box = box_of(tmp_path)
    done = Container(engine=engine, image="broken").run(box, tmp_path / "out")
    assert done.failure is Failure.MACHINE
    assert "no such image" in done.message


@pytest.mark.parametrize(
    ("state", "code", "signal", "error"),
    [
        ({"ExitCode": 0}, 0, None, None),
        ({"ExitCode": 3}, 3, None, None),
        ({"ExitCode": 137}, None, 9, None),
        ({"ExitCode": 127, "Error": "exec: python: not found"}, None, None, 2),
        ({}, None, None, None),
    ],
)
def test_the_engines_state_becomes_a_report(
    state: dict[str, Any], code: int | None, signal: int | None, error: int | None
) -> None:
    report = report_of(state)
    assert (report.exit_code, report.signal, report.start_error) == (code, signal, error)


def test_an_engine_that_does_not_answer_is_not_taken(
    tmp_path: Path, engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", str(engine.parent))
    with pytest.raises(MachineError, match="podman"):
        Container.found("image")


def test_an_image_has_to_be_named(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(engine.parent))
    monkeypatch.delenv(container.IMAGE_VARIABLE, raising=False)
    with pytest.raises(MachineError, match="PODIUM_IMAGE"):
        Container.found()
    assert Container.found("image").engine == engine
