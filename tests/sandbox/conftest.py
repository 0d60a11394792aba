"""Runs a program in a real box, in each situation that Podium has to work in, and looks at the host afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import podium
from podium.errors import MachineError
from podium.sandbox import Box, bubblewrap, slot
from podium.sandbox.bubblewrap import Bubblewrap
from podium.types import Limits, Mount

PLAIN_USER = 12_345
SOURCES = Path(podium.__file__).parents[1]
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass
class Bench:
    """A place to run programs in one situation."""

    how: str
    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0

    def run(self, program: str | Path, *, outputs: tuple[str, ...] = (), limits: Limits, **environment: str) -> Any:
        """The run as a namespace of plain values, with `log`, `out` and `marker` added."""
        self.number += 1
        home = self.folder / str(self.number)
        submission, out = home / "submission", home / "result" / "out"
        for folder in (submission, out.parent):
            folder.mkdir(parents=True)
        text = program.read_text() if isinstance(program, Path) else program
        (submission / "main.py").write_text(text)
        for name, content in self.files.items():
            (submission / name).parent.mkdir(parents=True, exist_ok=True)
            (submission / name).write_bytes(content)
        marker = uuid.uuid4().hex
        environment |= {"ATTACK_MARKER": marker}
        if self.how == "plain user":
            os.chown(out.parent, PLAIN_USER, PLAIN_USER)
            run = self._as_plain_user(submission, out, outputs, limits, environment)
        else:
            run = asdict(
                Bubblewrap(use_groups=self.how != "no control groups").run(
                    _box(submission, self.data, outputs, limits, environment), out
                )
            )
        log = (out / "log.txt").read_bytes() if (out / "log.txt").exists() else b""
        return SimpleNamespace(**run, log=log.decode(errors="replace"), out=out, marker=marker)

    @property
    def data(self) -> Path:
        return self.folder / "inputs"

    def _as_plain_user(
        self, submission: Path, out: Path, outputs: tuple[str, ...], limits: Limits, environment: dict[str, str]
    ) -> dict[str, Any]:
        words = {
            "submission": str(submission),
            "data": str(self.data),
            "outputs": outputs,
            "limits": asdict(limits),
            "environment": environment,
            "out": str(out),
        }
        self._copy_sources()
        runner = str(self.folder / "sources" / "plain_user.py")
        command = ["setpriv", f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups", SYSTEM_PYTHON, runner]
        done = subprocess.run(
            [*command, json.dumps(words)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(self.folder / "sources"), "PATH": "/usr/bin:/bin", "SUPERVISOR_SECRET": self.secret},
            cwd="/",
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _copy_sources(self) -> None:
        """Puts what the room needs where a plain user can read it; the checkout may lie under a closed home."""
        copy = self.folder / "sources" / "podium"
        if not copy.exists():
            copy.mkdir(parents=True)
            for place in [SOURCES / "podium" / name for name in ("__init__", "types", "errors", "sandbox")]:
                if place.is_dir():
                    shutil.copytree(place, copy / place.name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(place.with_suffix(".py"), copy)
            shutil.copy(Path(__file__).with_name("plain_user.py"), copy.parent)


def _box(submission: Path, data: Path, outputs: tuple[str, ...], limits: Limits, environment: dict[str, str]) -> Box:
    return Box(
        submission=submission,
        workdir="/code_execution",
        mounts=(Mount(source=data, target="/data"),),
        outputs=outputs,
        limits=limits,
        seed=7,
        environment=environment,
    )


def _missing(how: str) -> str:
    try:
        bubblewrap.find()
    except MachineError as error:
        return str(error)
    can_become = os.geteuid() == 0 and shutil.which("setpriv") and Path(SYSTEM_PYTHON).exists()
    if how == "plain user" and not can_become:
        return "needs root, setpriv and a system Python to become a plain user"
    return ""


@pytest.fixture(params=["here", "no control groups", "plain user"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    if missing := _missing(request.param):
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="podium-test-"))
    folder.chmod(0o755)
    bench = Bench(how=request.param, folder=folder)
    monkeypatch.setenv("SUPERVISOR_SECRET", bench.secret)
    bench.data.mkdir()
    (bench.data / "file").write_text("data")
    (folder / "answers").mkdir()
    (folder / "answers" / "secret").write_text(bench.secret)
    before = set(Path("/proc/self/mountinfo").read_text().splitlines())
    # A Podium that was killed outright may have left groups elsewhere on this machine; those are not this test's.
    groups_before = set(stale_groups())
    try:
        yield bench
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert set(Path("/proc/self/mountinfo").read_text().splitlines()) <= before, "a mount was left behind"
    assert set(stale_groups()) <= groups_before, "a control group was left behind"


def stale_groups() -> list[str]:
    """Control groups of slots that nobody holds."""
    found: list[str] = []
    for pattern in ("*/podium-*-*", "*/*/podium-*-*", "*/*/*/podium-*-*", "podium-*-*"):
        for group in Path("/sys/fs/cgroup").glob(pattern):
            _, user, number = group.name.split("-")
            lock = slot._folder() / f"slot-{number}"
            if user == str(os.geteuid()) and lock.exists():
                with lock.open() as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        found.append(str(group))
                    except BlockingIOError:
                        continue
    return found
