from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from podium.errors import MachineError, UsageError
from podium.sandbox import Box, bubblewrap, sandbox, slot
from podium.sandbox.base import check
from podium.sandbox.interpreter import Interpreter, environment, own, variables
from podium.sandbox.seccomp import is_known
from podium.sandbox.walls import Fds, arguments
from podium.sandbox.workdir import survey
from podium.types import Limits, Mount

LIMITS = Limits(wall_seconds=1, memory_bytes=1 << 30, cpus=2)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "main.py").touch()
    (tmp_path / "inputs").mkdir()
    mounts = (Mount(source=tmp_path / "inputs", target="/data"),)
    return Box(submission=tmp_path / "submission", workdir="/work", mounts=mounts, outputs=("a.csv",), limits=LIMITS)


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `bubblewrap`"):
        sandbox("bublewrap")


def test_process_is_never_chosen_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> Path:
        raise MachineError("bubblewrap is not installed")

    monkeypatch.setattr("podium.sandbox.find", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"bubblewrap.*podman"):
        sandbox()
    assert sandbox("process").name == "process"


def test_a_bubblewrap_that_may_make_no_namespaces_gives_way_to_an_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in (("bwrap", "exit 1"), ("docker", "echo 27.1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("podium.sandbox.find", lambda: tmp_path / "bwrap")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PODIUM_IMAGE", "image")
    assert sandbox().name == "container"
    monkeypatch.delenv("PODIUM_IMAGE")
    assert sandbox().name == "bubblewrap"


def test_an_old_bubblewrap_is_refused_by_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho '--args FD --unshare-all --as-pid-1 --json-status-fd --perms'\n")
    old.chmod(0o755)
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda *_, **__: str(old))
    with pytest.raises(MachineError, match="`--size`"):
        bubblewrap.find()


def test_everything_wrong_with_a_box_is_told_at_once(box: Box, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    wrong = replace(
        box,
        workdir="/usr/work",
        mounts=(Mount(source=tmp_path / "absent", target="data"),),
        outputs=("../a", "/b", "log.txt"),
        seed=-1,
    )
    with pytest.raises(UsageError) as caught:
        check(wrong, tmp_path / "out")
    for words in ("`data`", "`/usr/work`", "absent", "`../a`", "`/b`", "`log.txt`", "`-1`", "not empty"):
        assert words in str(caught.value)


def test_a_mount_cannot_hide_the_working_directory(box: Box, tmp_path: Path) -> None:
    wrong = replace(box, workdir="/code/work", mounts=(Mount(source=tmp_path, target="/code"),))
    with pytest.raises(UsageError, match="hide"):
        check(wrong, tmp_path / "out")


def test_a_good_box_passes(box: Box, tmp_path: Path) -> None:
    check(box, tmp_path / "out")


@pytest.mark.parametrize("as_root", [True, False])
def test_the_command_line_builds_every_wall(box: Box, as_root: bool) -> None:
    layout = survey(box.submission, box.outputs)
    words = arguments(box, layout, own(), Fds(seccomp=9 if is_known() else None, status=8), as_root=as_root)
    for word in ("--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--new-session", "--as-pid-1"):
        assert word in words
    assert ("--disable-userns" in words) is not as_root
    assert ("CAP_KILL" in words) is as_root
    assert "--share-net" not in words
    assert "--bind" not in words
    last_bind = max(place for place, word in enumerate(words) if word == "--ro-bind")
    assert last_bind < words.index("--remount-ro")
    data = words.index("/data", words.index(str(box.mounts[0].source)))
    assert words[data - 2] == "--ro-bind"


def test_parents_are_made_before_what_lies_in_them(box: Box) -> None:
    python = Interpreter(executable=Path("/opt/a/b/bin/python"), folders=(Path("/opt/a/b"),))
    words = arguments(box, survey(box.submission, ()), python, Fds(seccomp=None, status=8), as_root=True)
    made = [words[place + 1] for place, word in enumerate(words) if word == "--dir"]
    assert made.index("/opt") < made.index("/opt/a")
    assert words.index("/opt/a") < words.index("/opt/a/b")


def test_the_interpreter_brings_no_home_folder_along() -> None:
    for folder in own().folders:
        assert folder != Path.home()
        assert not Path.home().is_relative_to(folder)


def test_variables_hold_the_seed_and_the_threads() -> None:
    found = variables(LIMITS, 3, "/opt/bin/python", {"EXTRA": "1"})
    assert found["PODIUM_SEED"] == found["PYTHONHASHSEED"] == "3"
    assert found["OMP_NUM_THREADS"] == "2"
    assert found["EXTRA"] == "1"
    assert found["PATH"].startswith("/opt/bin:")


def test_the_environments_digest_is_stable() -> None:
    assert environment("bubblewrap 1") == environment("bubblewrap 1")
    assert environment("bubblewrap 1")[1] != environment("bubblewrap 2")[1]


def test_slots_are_held_apart_and_given_back(tmp_path: Path) -> None:
    with slot.take(tmp_path / "locks") as first:
        with slot.take(tmp_path / "locks") as second:
            assert (first.number, second.number) == (0, 1)
            assert first.user_id != second.user_id
        with slot.take(tmp_path / "locks") as again:
            assert again.number == 1


def test_a_lock_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "real")
    with pytest.raises(MachineError, match="does not belong"):
        slot.take(tmp_path / "locks")


def test_all_slots_taken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "SLOTS", 1)
    with slot.take(tmp_path), pytest.raises(MachineError, match="`1` slots"):
        slot.take(tmp_path)
